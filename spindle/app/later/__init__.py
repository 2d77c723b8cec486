"""What is opened only when it is asked for?  All that a compiled model can do without."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__)
