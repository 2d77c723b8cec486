"""How does a model leave for ExecuTorch?  From torch.export, lowered to XNNPACK where that can."""

from __future__ import annotations

from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.extension.pybindings import portable_lib

from spindle.app.exports.form import Form, Leaving
from spindle.app.exports.torch import LEFT_OUT, program
from spindle.app.peers.executorch_file import Planar
from spindle.app.peers.finish import finisher
from spindle.app.peers.serving import Array, Run


def write(leaving: Leaving, folder: Path) -> None:
    lowered = to_edge_transform_and_lower(
        program(leaving, Planar), partitioner=[XnnpackPartitioner()]
    )
    (folder / "model.pte").write_bytes(lowered.to_executorch().buffer)


def load(folder: Path, threads: int, precision: str) -> Run:
    module = portable_lib._load_for_executorch(str(folder / "model.pte"))
    graph, finish = finisher(folder, LEFT_OUT)

    def run(pixels: Array) -> dict[str, Array]:
        made = module.forward([torch.from_numpy(pixels)])
        named = zip(graph.outputs, made, strict=True)
        return finish({tensor.name: output.numpy().copy() for tensor, output in named})

    return run


EXECUTORCH = Form("ExecuTorch", "model.pte", write, load, LEFT_OUT)
