"""WHO uses it.  Its rooms open when first asked: the command line answers before numpy is in."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__)
