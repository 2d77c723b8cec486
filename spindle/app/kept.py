"""Was this model compiled here before?  Then its library is found in milliseconds, unplanned.

The compiler's own cache goes by the C text, which takes a second to write.  Beside it lie notes
that go by all that the text is made from: the model, the machine, and Spindle's own files.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache as once
from pathlib import Path

import numpy as np

from spindle.app.building import built
from spindle.compiler import build
from spindle.compiler.library import Library
from spindle.compiler.targets import target
from spindle.model import atomic, weights
from spindle.model.cache import cache
from spindle.model.weights import Model


def kept(model: Model, threads: int = 1) -> Library | None:
    """The library that was built of this model, if it is still there and can be run here."""
    with suppress(OSError, ValueError):  # no cache, no note, no library: as if never built
        if any(folder().iterdir()):
            path = build.folder() / noted(folder() / key(model, threads))
            os.utime(path)  # the cache lets the eldest go
            return Library(path, threads)
    return None


def keep(model: Model, threads: int = 1) -> Library:
    """The library, built if need be, and from now on found."""
    if library := kept(model, threads):
        return library
    library = built(model, threads)
    with suppress(OSError, ValueError):  # a full disk costs the next process a second, no more
        for note in folder().iterdir():
            if not (build.folder() / noted(note)).exists():
                note.unlink()
        atomic.write(folder() / key(model, threads), library.path.name.encode())
    return library


def noted(note: Path) -> str:
    """The name of a file, whatever the note holds."""
    return Path(note.read_text("utf-8")).name


def folder() -> Path:
    path = cache() / "kept"
    path.mkdir(exist_ok=True)
    return path


def key(model: Model, threads: int) -> str:
    """Another one if anything is another that the library is made from."""
    said = json.dumps([weights.describe(model), repr(target()), threads, ours()])
    total = hashlib.sha256(said.encode())
    for name, array in sorted(model.weights.items()):
        total.update(f"{name} {array.shape} {array.dtype}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()[:32]


@once
def ours() -> str:
    """What Spindle's files say: of another Spindle, every library is another one."""
    total = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted((*root.glob("model/*.py"), *root.glob("compiler/**/*.[pchS]*"))):
        if path.is_file() and path.suffix != ".pyc":
            total.update(path.read_bytes() + b"\0")
    return total.hexdigest()
