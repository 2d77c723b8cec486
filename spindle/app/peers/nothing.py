"""What does a process cost that runs nothing?  Python and numpy, below everybody's memory."""

from __future__ import annotations

from pathlib import Path

from spindle.app.peers.serving import Run, serve


def load(folder: Path, threads: int, precision: str) -> Run:
    return lambda pixels: {}


if __name__ == "__main__":
    serve(load)
