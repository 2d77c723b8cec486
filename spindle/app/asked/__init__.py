"""Which room answers what is asked in a terminal?  It opens when its verb is named."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__)
