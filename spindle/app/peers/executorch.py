"""How does ExecuTorch run a network?  Through XNNPACK, from a .pte file; numpy decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from executorch.extension.pybindings import portable_lib

from spindle.app.peers.finish import EXECUTORCH, finisher
from spindle.app.peers.serving import Array, Run, serve


def load(folder: Path, threads: int, precision: str) -> Run:
    portable_lib._unsafe_reset_threadpool(threads)
    module = portable_lib._load_for_executorch(str(folder / "model.pte"))
    graph, finish = finisher(folder, EXECUTORCH)

    def run(pixels: Array) -> dict[str, Array]:
        planes = np.moveaxis(pixels if pixels.ndim == 4 else pixels[None], 3, 1)
        made = module.forward([torch.from_numpy(np.ascontiguousarray(planes))])
        arrays = [output.permute(0, 2, 3, 1).numpy() for output in made]
        named = zip(graph.outputs, arrays, strict=True)
        answers = finish({tensor.name: array for tensor, array in named})
        return answers if pixels.ndim == 4 else {name: a[0] for name, a in answers.items()}

    return run


if __name__ == "__main__":
    serve(load)
