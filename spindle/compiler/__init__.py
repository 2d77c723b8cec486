"""HOW it runs anywhere.  Whoever runs a library opens no room in which one is made."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__)
