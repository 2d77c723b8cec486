"""What can be asked of Spindle in a terminal?  The verbs, each in a room with its like."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from spindle import __version__
from spindle.app import asked
from spindle.app.completion import Shell, script
from spindle.app.verbs import Verb, run, words

ABOUT = "MobileNetV2 made whole: one graph, many readings."
VERBS: dict[str, Callable[[], Verb]] = {
    "train": lambda: asked.train,
    "eval": lambda: asked.eval_,
    "check": lambda: asked.check,
    "draw": lambda: asked.draw,
    "info": lambda: asked.info,
    "predict": lambda: asked.predict,
    "adopt": lambda: asked.adopt,
    "quantize": lambda: asked.quantize,
    "compile": lambda: asked.compile_,
    "export": lambda: asked.export,
    "bench": lambda: asked.bench,
    "demo": lambda: asked.demo,
    "completion": lambda: completion,
}


def main(argv: Sequence[str] | None = None) -> int:
    """The program, or what it would do with these words."""
    # numpy's threads wait by spinning: no gain on a quiet machine, and 40 times as long on a busy
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if argv is not None:
        return run(opened(argv), ABOUT, __version__, argv)
    gc.disable()  # all that is opened here stays: to look for waste in it is itself a waste
    verbs = opened(sys.argv[1:])
    gc.freeze()
    gc.enable()
    return run(verbs, ABOUT, __version__)


def opened(argv: Sequence[str]) -> list[Verb]:
    """The verb that is asked for, its room alone opened; for help, all of them."""
    named = [name for name in argv[:1] if name in VERBS] or VERBS
    return [VERBS[name]() for name in named]


def completion(shell: Shell) -> int:
    """The script by which a shell completes verbs, flags and their values.

    shell: bash, zsh or fish
    Example: source <(spindle completion bash)
    """
    print(script(shell, words([verb() for verb in VERBS.values()])), end="")
    return 0
