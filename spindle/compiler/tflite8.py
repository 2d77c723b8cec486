"""How does a network of bytes read as TensorFlow Lite?  In operators on bytes from -128 to 127."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import tflite
from spindle.compiler.flatbuffer import Table
from spindle.compiler.fold import fold
from spindle.compiler.integers import integers
from spindle.compiler.uniform import uniform
from spindle.model.answers import ArgMax
from spindle.model.graph import Graph
from spindle.model.grids import Grid, grids, whole
from spindle.model.ops import Conv, Image, Op, Resize, Tensor
from spindle.model.weights import Weights

Array = NDArray[Any]
FLIP = 128  # more are our bytes
# the first versions of operators that know bytes
VERSIONS = {"ADD": 2, "ARG_MAX": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3}
VERSIONS |= {"DEQUANTIZE": 2, "MEAN": 2, "PAD": 2}
MOVES = ("PAD", "RESHAPE")  # kinds that change no byte


class Bytes(tflite.Model):
    """Tensors and operators, of which some are of bytes."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.known: dict[str, Grid] = {}  # of what is made of bytes, by name
        self.grids: dict[int, Grid] = {}  # by place
        self.scales: dict[str, tuple[Array, int]] = {}  # of constants, along an axis of theirs

    def put(
        self, kind: str, name: str, inputs: list[int], shape: tuple[int, ...],
        settings: Table | None = None, dtype: str = "float32",
    ) -> int:  # fmt: skip
        grid = self.grids.get(inputs[0]) if kind in MOVES else self.known.get(name)
        made = super().put(kind, name, inputs, shape, settings, "int8" if grid else dtype)
        if grid or not self.grids.keys().isdisjoint(inputs):
            self.versions[kind] = VERSIONS.get(kind) or self.versions.get(kind, 1)
        if grid:
            self.grids[made] = grid
            self.mean(made, grid.scale[:1], grid.zero[:1] - FLIP)
        return made

    def constant(self, name: str, array: Array) -> int:
        place = super().constant(name, array)
        if name in self.scales:
            scale, axis = self.scales[name]
            self.mean(place, scale, np.zeros(len(scale)), axis)
        return place

    def mean(self, place: int, scale: Array, zero: Array, axis: int = 0) -> None:
        """Says what a tensor's numbers stand for."""
        self.tensors[place][4] = Table(
            {2: scale.astype(np.float32), 3: zero.astype(np.int64), 6: tflite.whole(axis)}
        )

    def written_as(self, name: str, tensor: Tensor, place: int, grid: Grid) -> int:
        self.known[name] = grid
        return self.put("QUANTIZE", name, [place], tensor.shape)

    def numbers(self, tensor: Tensor) -> int:
        """Where a tensor lies as numbers."""
        place, name = self.place[tensor.name], f"{tensor.name}_numbers"
        if place in self.grids:
            self.place.setdefault(name, self.put("DEQUANTIZE", name, [place], tensor.shape))
            place = self.place[name]
        return place


def write(
    graph: Graph, weights: Weights, batch: int = 1, notes: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a .tflite file, one grid for each tensor; `notes` are its metadata."""
    graph, weights = uniform(*fold(graph, weights))
    known, model = grids(graph, weights), Bytes(batch)
    model.tensor("image", (batch, *graph.input.shape), "uint8")
    for op in graph.ops:
        name, grid = op.name, known.get(op.name)
        if isinstance(op, Image) and grid:
            model.mean(0, grid.scale[:1], grid.zero[:1])
            model.place[name] = model.written_as(name, op.output, 0, grid)
            continue
        own: dict[str, Any] = {part: weights[f"{name}.{part}"] for part in op.weights}
        as_bytes = kept(op)
        if as_bytes and grid:
            model.known[name] = grid
            if isinstance(op, Conv):
                own = stepped(model, op, weights, known)
        xs = [model.place[t.name] if as_bytes else model.numbers(t) for t in op.inputs]
        made = tflite.put(model, op, xs, own)
        if grid and not as_bytes:
            made = model.written_as(f"{name}_written", op.output, made, grid)
        model.place[name] = made
    return model.written([model.numbers(tensor) for tensor in graph.outputs], notes or {})


def kept(op: Op) -> bool:
    """Whether its operator reads bytes; what makes numbers reads numbers, but for the largest."""
    return (whole(op) or isinstance(op, Resize)) and op.grid or isinstance(op, ArgMax)


def stepped(model: Bytes, op: Conv, weights: Weights, known: dict[str, Grid]) -> dict[str, Any]:
    """A convolution's weights and bias in steps."""
    reckoned, step = integers(op, weights, known), weights[f"{op.name}.step"]
    scale = step / known[op.inputs[0].name].scale[0]
    model.scales[f"{op.name}_weight"] = scale, 3 if op.depthwise else 0
    model.scales[f"{op.name}_bias"] = step, 0
    return {"weight": reckoned.weight, "bias": reckoned.start.astype(np.int32)}
