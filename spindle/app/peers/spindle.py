"""How does Spindle run a network?  From the library that its compiler made."""

from __future__ import annotations

from pathlib import Path

from spindle.app.peers.serving import Run, serve
from spindle.compiler.library import Library


def load(folder: Path, threads: int, precision: str) -> Run:
    return Library(folder / "model.so", threads).run


if __name__ == "__main__":
    serve(load)
