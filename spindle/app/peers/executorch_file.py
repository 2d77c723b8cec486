"""How is a network written for ExecuTorch?  By torch.export and its XNNPACK partitioner, once."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower

from spindle.app.peers.finish import EXECUTORCH, parted
from spindle.model import weights
from spindle.training.network import Network


class Planar(Network):
    """As its exporter wants it: channels first."""

    order = torch.contiguous_format


def write(folder: Path, batch: int) -> None:
    model = weights.load(folder / "model.safetensors")
    graph, _ = parted(model.graph, EXECUTORCH)
    kept = {name: model.weights[name] for name in graph.arrays}
    height, width, channels = graph.input.shape
    picture = torch.zeros(batch, channels, height, width, dtype=torch.uint8)
    program = torch.export.export(Planar(graph, kept).eval(), (picture,))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    (folder / "model.pte").write_bytes(lowered.to_executorch().buffer)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
