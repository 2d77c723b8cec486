"""WHAT it sees."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__)
