"""How does a model leave through torch.export?  The training network, as one graph of its ops."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from spindle.app.exports.form import Form, Leaving
from spindle.app.peers.finish import Kinds, finisher
from spindle.app.peers.serving import Array, Run
from spindle.model.answers import Detect
from spindle.model.graph import Graph
from spindle.model.weights import Weights
from spindle.training.network import Atrous, Network

LEFT_OUT: Kinds = (Detect,)  # suppression is numpy's, in the torch reading too


class Portable(nn.Module):
    """Answers by their names; pictures and answers batch x height x width x channels.

    A planar one takes pictures as batch x channels x height x width.
    """

    def __init__(
        self, graph: Graph, weights: Weights, planar: bool = False, kind: type[Network] = Network
    ):
        super().__init__()
        self.names = [tensor.name for tensor in graph.outputs]
        self.network = kind(graph, weights)
        for module in self.network.modules():
            if isinstance(module, Atrous):  # which helps to learn: elsewhere it is one op
                module.__class__ = nn.Conv2d  # type: ignore[assignment]
        self.planar = planar
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        made = self.network(image if self.planar else image.permute(0, 3, 1, 2))
        outputs = made if isinstance(made, tuple) else (made,)
        return {
            name: output.permute(0, 2, 3, 1)
            for name, output in zip(self.names, outputs, strict=True)
        }


def program(leaving: Leaving, kind: type[Network] = Network) -> ExportedProgram:
    """The torch program from bytes to the answers."""
    picture = torch.zeros(leaving.batch or 2, *leaving.graph.input.shape, dtype=torch.uint8)
    free = None if leaving.batch else {"image": {0: Dim("batch", min=1)}}
    module = Portable(leaving.graph, leaving.weights, kind=kind)
    return torch.export.export(module, (picture,), dynamic_shapes=free)


def write(leaving: Leaving, folder: Path) -> None:
    notes = {"spindle": leaving.notes}
    torch.export.save(program(leaving), folder / "model.pt2", extra_files=notes)


def load(folder: Path, threads: int, precision: str) -> Run:
    module = torch.export.load(folder / "model.pt2").module()
    _, finish = finisher(folder, LEFT_OUT)

    def run(pixels: Array) -> dict[str, Array]:
        made = module(torch.from_numpy(pixels))
        return finish({name: output.numpy() for name, output in made.items()})

    return run


TORCH = Form("torch.export", "model.pt2", write, load, LEFT_OUT, free=True)
