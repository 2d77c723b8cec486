"""What can be asked of Spindle in a terminal?  The verbs, each in a room with its like."""

from __future__ import annotations

import sys
from collections.abc import Callable

from spindle import __version__
from spindle.app import asked
from spindle.app.verbs import Verb, run

ABOUT = "MobileNetV2 made whole: one graph, many readings."
VERBS: dict[str, Callable[[], Verb]] = {
    "train": lambda: asked.train,
    "eval": lambda: asked.eval_,
    "check": lambda: asked.check,
    "draw": lambda: asked.draw,
    "info": lambda: asked.info,
    "predict": lambda: asked.predict,
    "adopt": lambda: asked.adopt,
    "compile": lambda: asked.compile_,
    "bench": lambda: asked.bench,
    "demo": lambda: asked.demo,
}


def main(argv: list[str] | None = None) -> int:
    """Only the room of the verb that is asked for is opened; for help, all of them."""
    argv = sys.argv[1:] if argv is None else argv
    named = [name for name in argv[:1] if name in VERBS] or VERBS
    return run([VERBS[name]() for name in named], ABOUT, __version__, argv)
