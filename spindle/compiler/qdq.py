"""How does a network of bytes read as ONNX?  Its numbers, each written as a byte and read again.

Between what a node makes and what the next one reads stand QuantizeLinear and DequantizeLinear
(QDQ), from which a runtime sees that the nodes may reckon with the bytes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import onnx
from spindle.compiler.integers import integers
from spindle.compiler.sheet import PIXELS, PLANES, Sheet
from spindle.compiler.uniform import uniform
from spindle.model.graph import Graph
from spindle.model.grids import Grid, grids
from spindle.model.ops import Conv, Deconv, Image, Op, Rows
from spindle.model.weights import Weights

Array = NDArray[Any]


class Bytes(Sheet):
    """A sheet on which constants of small whole numbers are read as what they stand for."""

    def __init__(self, answers: frozenset[str]) -> None:
        super().__init__(answers)
        self.scales: dict[str, tuple[Array, int]] = {}  # of constants, along an axis of theirs

    def constant(self, name: str, array: Array) -> str:
        held = super().constant(name, array)
        if name not in self.scales:
            return held
        scale, axis = self.scales[name]
        zero = np.zeros(len(scale), array.dtype)
        return self.put("DequantizeLinear", f"{name}.read", held, scale, zero, axis=axis)

    def write(self, name: str, grid: Grid, made: str) -> str:
        return self.put("QuantizeLinear", f"{name}.written", made, *one(grid))

    def read(self, name: str, grid: Grid, made: str) -> str:
        return self.put("DequantizeLinear", name, made, *one(grid))


def one(grid: Grid) -> tuple[Array, Array]:
    """The scale and the zero of all channels."""
    return np.array(grid.scale[0], np.float32), np.array(grid.zero[0], np.uint8)


def write(
    graph: Graph, weights: Weights, batch: int | None = 1, notes: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of an .onnx file, one grid for each tensor: no runtime has kernels for more."""
    graph, weights = uniform(graph, weights)
    sheet = Bytes(frozenset(tensor.name for tensor in graph.outputs))
    known = grids(graph, weights)
    rows = {tensor.name for op in graph.ops if isinstance(op, Rows) for tensor in op.inputs}
    for op in graph.ops:
        if bare(op) and (op.name in rows or op.output.shape[:2] == (1, 1)):
            sheet.keep(op.name, PIXELS, product(sheet, op, weights, known))
            continue
        layout, made = node(sheet, op, weights, known)
        if op.grid:
            if not isinstance(op, Image):
                made = sheet.write(op.name, known[op.name], made)
            sheet.keep(f"{op.name}.bytes", layout, made)
            made = sheet.read(f"{op.name}.read", known[op.name], made)
        sheet.keep(op.name, layout, made)
    return onnx.written(sheet, graph, batch, notes)


def node(
    sheet: Bytes, op: Op, weights: Weights, known: dict[str, Grid]
) -> tuple[tuple[int, ...], str]:
    """The nodes of one op: the layout and the name of what they make."""
    if isinstance(op, Image) and op.grid:
        return PLANES, sheet.put("Transpose", "image.planes", "image", perm=PLANES)
    if isinstance(op, Conv) and op.whole:
        reckoned, step = integers(op, weights, known), weights[f"{op.name}.step"]
        own: dict[str, Any] = {"weight": reckoned.weight, "bias": reckoned.start.astype(np.int32)}
        scale = step / known[op.inputs[0].name].scale[0]
        axis = 1 if isinstance(op, Deconv) and not op.depthwise else 0
        sheet.scales |= {f"{op.name}.weight": (scale, axis), f"{op.name}.bias": (step, 0)}
        # where the bytes of its output end, there ends its activation
        return PLANES, onnx.node(sheet, replace(op, act=None) if op.grid else op, own)
    own = {part: weights[f"{op.name}.{part}"] for part in op.weights | op.statistics}
    return PIXELS if onnx.in_pixels(op) else PLANES, onnx.node(sheet, op, own)


def bare(op: Op) -> TypeGuard[Conv]:
    """Whether it makes numbers out of each pixel's bytes."""
    return isinstance(op, Conv) and op.whole and op.pointwise and not op.grid


def product(sheet: Bytes, op: Conv, weights: Weights, known: dict[str, Grid]) -> str:
    """As a product of matrices: a convolution that makes numbers would read numbers too."""
    name, read, step = op.name, op.inputs[0].name, weights[f"{op.name}.step"]
    reckoned = integers(op, weights, known)
    pixels = sheet.read(f"{name}.reads", known[read], sheet.pixels(f"{read}.bytes"))
    sheet.scales[f"{name}.weight"] = step / known[read].scale[0], 1
    weight = sheet.constant(f"{name}.weight", reckoned.weight[:, 0, 0].T)
    sums = sheet.put("MatMul", f"{name}.product", pixels, weight)
    bias = (reckoned.start * step).astype(np.float32).reshape(1, 1, 1, -1)
    return onnx.bent(sheet, op, sheet.put("Add", f"{name}.sums" if op.act else name, sums, bias))
