"""Which whole numbers does an op reckon with, whose inputs are bytes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.model.grids import Grid, steps
from spindle.model.ops import Conv, Mean
from spindle.model.weights import Weights

Array = NDArray[Any]
MOST = 1 << 30  # of a sum, and of a sum times its scale: C holds both in 32 bits


@dataclass(frozen=True)
class Integers:
    """Of a convolution: sums begin with `start`, and are worth `scale`."""

    weight: NDArray[np.int8]  # out, high, wide, in
    start: NDArray[np.int64]
    scale: NDArray[np.float32]  # in steps of the grid that the op writes on, if it does


def integers(op: Conv, weights: Weights, known: dict[str, Grid]) -> Integers:
    """The numbers of a convolution, for bytes less their zeros."""
    weight, read = steps(op, weights, known), known[op.inputs[0].name]
    step, bias = (weights[f"{op.name}.{part}"] for part in ("step", "bias"))
    aside = by_taps(weight, read.middle.astype(np.float64) - read.zero)  # of a picture's mean
    start = np.rint(bias.astype(np.float64) / step - aside).astype(np.int64)
    scale = step / known[op.name].scale if op.grid else step
    largest = np.abs(start) + 2 * 255 * np.abs(weight.astype(np.int64)).sum((1, 2, 3))
    if (largest * np.maximum(scale, 1)).max() >= MOST:
        raise ValueError(f"the sums of {op.name!r} are too large for bytes: quantize it anew")
    return Integers(weight, start, scale)


def by_taps(weight: Array, values: Array) -> Array:
    """What each channel sums up where every pixel that it reads holds these values."""
    taps = weight.sum((1, 2), dtype=np.int64)  # out, in
    return np.asarray(taps @ values if taps.shape[1] == len(values) else taps[:, 0] * values)


def ratio(read: Grid, made: Grid | None) -> NDArray[np.float32]:
    """A step of what is read in steps of what is made, or as a number."""
    if made is None:
        return read.scale
    found = read.scale / made.scale
    if 2 * 255 * found.max() >= MOST:
        raise ValueError("what is read is too large for the bytes that are made: quantize it anew")
    return found


def share(op: Mean, read: Grid, made: Grid | None) -> NDArray[np.float32]:
    """The same for one pixel's part of an average."""
    height, width, _ = op.inputs[0].shape
    return ratio(read, made) / np.float32(height * width)
