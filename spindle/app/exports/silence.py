"""How are other people's converters kept quiet, and what is heard of them if they fail?"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


@contextmanager
def quietly(what: str) -> Iterator[None]:
    """A converter prints nothing; how it fails becomes one sentence."""
    try:
        with silence():
            yield
    except Exception as error:  # each has kinds of its own
        line = " ".join(str(error).split()) or "no reason"
        raise ValueError(f"{what} says {type(error).__name__}: {line[:300]}") from error


@contextmanager
def silence() -> Iterator[None]:
    """What converters print, from C too, goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with Path(os.devnull).open("w") as nowhere:
        try:
            for number in (1, 2):
                os.dup2(nowhere.fileno(), number)
            with (
                redirect_stdout(nowhere),
                redirect_stderr(nowhere),
                warnings.catch_warnings(action="ignore"),
            ):
                yield
        finally:
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
