"""How fast is the core itself, in the same minute?  It takes its turns as the runtimes do."""

from __future__ import annotations

from pathlib import Path

from spindle.app.peers.serving import Array, Run, serve
from spindle.compiler import peak


def load(folder: Path, threads: int, precision: str) -> Run:
    core = peak.Core(peak.built())

    def run(pixels: Array) -> dict[str, Array]:
        core.madds()
        return {}

    return run


if __name__ == "__main__":
    serve(load)
