"""How does a file or a folder come to its place, whole or not at all?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spindle.model import atomic


@contextmanager
def room_beside(path: Path) -> Iterator[Path]:
    """A folder for what is being made, on the same disk as where it is to be; gone afterwards."""
    room = Path(tempfile.mkdtemp(prefix=".spindle-", dir=path.absolute().parent))
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def every(made: Path) -> list[Path]:
    """The files of a form."""
    return [p for p in made.rglob("*") if p.is_file()] if made.is_dir() else [made]


def place(made: Path, path: Path) -> None:
    """Moves what is whole to where it is wanted; an older folder of the same kind makes room."""
    if not made.is_dir():
        atomic.write(path, made.read_bytes())
        return
    if path.exists():
        if not path.is_dir() or {p.name for p in path.iterdir()} - {p.name for p in made.iterdir()}:
            raise ValueError(
                f"{path} is there already and is no {made.name} of ours: choose another name"
            )
        path.rename(made.parent / "older")
    made.rename(path)
