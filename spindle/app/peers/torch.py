"""How does torch run a network?  Eagerly: channels last, norms folded, our own reading of it."""

from __future__ import annotations

from pathlib import Path

import torch

from spindle.app.peers.serving import Array, Run, serve
from spindle.model import weights
from spindle.training import layout
from spindle.training.network import Network


def load(folder: Path, threads: int, precision: str) -> Run:
    torch.set_num_threads(threads)
    model = weights.load(folder / "model.safetensors")
    ask = layout.quick(Network(model.graph, model.weights))
    names = [tensor.name for tensor in model.graph.outputs]

    def run(pixels: Array) -> dict[str, Array]:
        batch = torch.from_numpy(pixels if pixels.ndim == 4 else pixels[None]).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
            made = ask(batch)
        outputs = made if isinstance(made, tuple) else (made,)
        arrays = [output.permute(0, 2, 3, 1).float().numpy() for output in outputs]
        return dict(zip(names, arrays if pixels.ndim == 4 else [array[0] for array in arrays]))

    return run


if __name__ == "__main__":
    serve(load)
