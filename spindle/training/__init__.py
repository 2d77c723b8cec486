"""HOW it learns.  Torch lives in these rooms, so they open when first asked."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__, extra="train")
