"""In which order do the kernels read the numbers?  One blob, each group's weights together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import brief
from spindle.compiler.fold import phases
from spindle.compiler.reference import between
from spindle.compiler.tiling import Runs
from spindle.compiler.walk import taps
from spindle.model.ops import Conv, Deconv, Resize
from spindle.model.weights import Weights

Array = NDArray[Any]
ALIGNED = 16  # floats: a cache line


class Blob:
    """Arrays of 32-bit numbers one after another, each at the start of a cache line."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, array: Array) -> int:
        """Where in the blob, in numbers, this array now begins."""
        assert array.dtype in (np.float32, np.int32, np.uint32, np.uint8)
        at = self.size
        content = np.ascontiguousarray(array).tobytes()
        filling = -len(content) % (4 * ALIGNED)
        self.parts.append(content + bytes(filling))
        self.size += (len(content) + filling) // 4
        return at

    def join(self, other: Blob) -> int:
        """Where another blob now begins, which follows."""
        at = self.size
        self.parts += other.parts
        self.size += other.size
        return at

    @property
    def content(self) -> bytes:
        return b"".join(self.parts)


def kernels(op: Conv, weight: Array) -> Array:
    """The plain convolutions an op is made of: phase, out, high, wide, in."""
    if isinstance(op, Deconv):
        return phases(op, weight).reshape(-1, op.channels, taps(op), taps(op), weight.shape[3])
    return weight[None]


def tiles(op: Conv, weights: Weights, columns: Runs, depth: int, lanes: int) -> Array:
    """For each tile of channels: its biases, then each tap's and channel's vectors.

    Of the channels in, `depth` are read: those beyond the last count for nothing.
    """
    bias, weight = weights[f"{op.name}.bias"], kernels(op, weights[f"{op.name}.weight"])
    beyond = depth - weight.shape[4]
    weight = np.pad(weight, ((0, 0), (0, 0), (0, 0), (0, 0), (0, beyond)))
    count, out = len(weight), op.channels
    filling = sum(size * times for size, times in columns) * lanes - out
    flat = np.pad(weight.reshape(count, out, -1), ((0, 0), (0, filling), (0, 0)))
    parts: list[Array] = []
    bias = np.pad(bias, (0, filling))
    for phase in range(count):
        start = 0
        for size, times in columns:
            for _ in range(times):
                here = slice(start, start := start + size * lanes)
                parts += [bias[here], flat[phase, here].T.ravel()]
    return np.concatenate(parts).astype(np.float32)


def pairs(op: Conv, weights: Weights, columns: Runs, depth: int, lanes: int) -> Array:
    """The same of briefs, two of a channel's weights as one number: so many of these are read."""
    weight = weights[f"{op.name}.weight"]
    even = np.pad(weight, ((0, 0), (0, 0), (0, 0), (0, 2 * depth - weight.shape[3])))
    joined = brief.bits(even).view(np.float32)
    return tiles(op, weights | {f"{op.name}.weight": joined}, columns, depth, lanes)


def filters(op: Conv, weights: Weights, whole: int, lanes: int) -> Array:
    """For each vector of channels, `whole` of them: its biases, then its taps."""
    weight = kernels(op, weights[f"{op.name}.weight"])
    count, channels = len(weight), op.channels
    filling = whole * lanes - channels
    tapped = weight.reshape(count, channels, -1).transpose(0, 2, 1)
    bias = np.broadcast_to(weights[f"{op.name}.bias"], (count, 1, channels))
    full = np.pad(np.concatenate([bias, tapped], axis=1), ((0, 0), (0, 0), (0, filling)))
    return full.reshape(count, full.shape[1], -1, lanes).transpose(0, 2, 1, 3).astype(np.float32)


def tables(op: Resize) -> tuple[Array, ...]:
    """Of its rows, then of its columns."""
    (high, wide, _), (rows, columns, _) = op.inputs[0].shape, op.output.shape
    return *between(high, rows, op.corners), *between(wide, columns, op.corners)
