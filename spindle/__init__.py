"""Spindle: MobileNetV2 made whole.  One graph, many readings."""

from spindle.door import door

__version__ = "0.1.0"
__all__, __getattr__, __dir__ = door(__file__)
