"""How does a model leave as C?  As the folder that the compiler emits, built here once to see."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np

from spindle.app.exports.form import Form, Leaving
from spindle.app.peers.serving import Array, Run
from spindle.compiler import build, compile, folder, library, targets

OPEN = ("-fvisibility=default", "-shared", "-fPIC")


def write(leaving: Leaving, room: Path) -> None:
    target = targets.target("c")
    folder.write(compile(leaving.model, target), target, room / "c")


def load(room: Path, threads: int, precision: str) -> Run:
    """Its functions, from the folder as it lies there, its own headers and no others."""
    here, built = targets.target(), room / "model.so"
    words = (*build.command(build.find(here), here), *OPEN, "model.c", "-o", str(built))
    build.run(words, room / "c", built, here)
    code = ctypes.CDLL(str(built))
    code.model_info.restype, code.model_arena.restype = ctypes.c_char_p, ctypes.c_size_t
    outputs = json.loads(code.model_info())["outputs"]
    content = (room / "c" / "weights.bin").read_bytes()
    weights = library.memory(len(content))
    ctypes.memmove(weights.address, content, len(content))

    def one(picture: Array) -> dict[str, Array]:
        high, wide, _ = picture.shape
        arena = library.memory(code.model_arena(wide, high))
        made = {o["name"]: np.empty(o["shape"], o["dtype"]) for o in outputs}
        to = (ctypes.c_void_p * len(made))(*(array.ctypes.data for array in made.values()))
        pointers = (ctypes.c_void_p(at) for at in (weights.address, arena.address, pixels(picture)))
        if error := code.model_run(*pointers, wide, high, to):
            raise ValueError(
                f"the C cannot look at this picture: {library.ERRORS.get(error, error)}"
            )
        return made

    def run(pictures: Array) -> dict[str, Array]:
        each = [one(picture) for picture in pictures]
        return {name: np.stack([made[name] for made in each]) for name in each[0]}

    return run


def pixels(picture: Array) -> int:
    return int(picture.ctypes.data)


C = Form("C", "c", write, load, most=1, grids="channel")
