"""WHERE a model can go: a room for each form that other people's runtimes read."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__)
