"""Which edges are carried in 16 bits, and what do they lose?  The choice, and the numpy of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.model.graph import Graph
from spindle.model.ops import Conv, Deconv, Op, Tensor
from spindle.model.weights import Weights

Array = NDArray[Any]


def edges(graph: Graph) -> frozenset[str]:
    """What a convolution makes and only pointwise sums of numbers read, or add as a shortcut.

    So thin tensors are brief, and what a filter makes; what a filter reads keeps all its bits.
    """
    readers: dict[str, list[Op]] = {op.name: [] for op in graph.ops}
    for op in graph.ops:
        for tensor in op.inputs:
            readers[tensor.name].append(op)
    outputs = {tensor.name for tensor in graph.outputs}
    return frozenset(
        op.name
        for op in graph.ops
        if makes(op) and op.name not in outputs and readers[op.name]
        if all(reads(reader, op.output) for reader in readers[op.name])
    )


def makes(op: Op) -> bool:
    return isinstance(op, Conv) and not isinstance(op, Deconv) and not (op.grid or op.whole)


def reads(op: Op, tensor: Tensor) -> bool:
    """Whether its kernels can read this as briefs, wherever they read it."""
    return isinstance(op, Conv) and (op.pointwise or tensor != op.inputs[0])


def bits(values: Array) -> NDArray[np.uint16]:
    """The upper halves of floats, rounded to nearest even."""
    whole = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((whole + 0x7FFF + (whole >> 16 & 1)) >> 16).astype(np.uint16)


def rounded(values: Array) -> Array:
    """Floats as briefs leave them."""
    return (bits(values).astype(np.uint32) << 16).view(np.float32)


def run(
    graph: Graph, weights: Weights, images: Array, carried: Collection[str]
) -> dict[str, Array]:
    """The outputs of a network after all passes, these of its edges being carried in 16 bits.

    Whoever sums up a brief edge has brief weights; all sums, biases and shortcuts are float32's.
    """
    values: dict[str, Array] = {}
    for op in graph.ops:
        xs = [values[t.name] for t in op.inputs] or [images[None]]
        own = {part: weights[f"{op.name}.{part}"] for part in op.weights}
        if isinstance(op, Conv) and op.inputs[0].name in carried:
            own["weight"] = rounded(own["weight"])
        made = reference.step(op, xs, own)
        values[op.name] = rounded(made) if op.name in carried else made
    return {tensor.name: values[tensor.name][0] for tensor in graph.outputs}
