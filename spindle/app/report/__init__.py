"""WHAT a judged model looks like on one page.  Its rooms open when the page is written."""

from spindle.door import door

__all__, __getattr__, __dir__ = door(__file__)
