"""How fine a grid for each channel of a tensor?  The finer, the coarser the weights that read it.

A convolution's weights take the scales of its input in (v = w * scale), and have one step for each
sum: a channel on a fine grid needs small weights, which are then few steps large.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.rounding import by_sums, widest
from spindle.model.ops import Conv

Array = NDArray[Any]
SHARES = np.linspace(0, 1, 9)  # 0: one scale for all channels; 1: each as fine as it can be
ROUNDS = 6
SPARED = 0.5  # of the squared error of weights, what rounding them together leaves
Reader = tuple[Conv, Array, Array]  # its weights, and how its windows spread


def balanced(finest: Array, readers: list[Reader], pairs: bool) -> Array:
    """The scale of each channel with the least error in what the full convolutions then sum."""
    coarsest = finest.max()
    if not readers or coarsest == finest.min():
        return finest
    sides = [Side(*reader, pairs, len(finest)) for reader in readers]
    tried = [coarsest * (finest / coarsest) ** share for share in SHARES]
    errors = [sum(side.error(scale) for side in sides) for scale in tried]
    scale = tried[int(np.argmin(errors))]
    for _ in range(ROUNDS):  # where the two errors of a channel would be equal, the steps kept
        ours, theirs = (sum(parts) for parts in zip(*(side.both(scale) for side in sides)))
        scale = ((theirs / np.maximum(ours, 1e-30)) ** 0.25).clip(finest, coarsest)
        tried.append(scale)
        errors.append(sum(side.error(scale) for side in sides))
    return np.asarray(tried[int(np.argmin(errors))])


class Side:
    """What one reader of the tensor has to bear."""

    def __init__(self, op: Conv, weight: Array, spread: Array, pairs: bool, channels: int):
        self.op, self.pairs, self.channels = op, pairs, channels
        self.weight = by_sums(op, weight.astype(np.float64))[0]  # sums x numbers
        self.own = np.maximum(np.diag(spread[0]), 0)
        power = ((self.weight @ spread[0]) * self.weight).sum(1)
        self.worth = 1 / np.maximum(power, power.max() * 1e-4 + 1e-12) / len(power)

    def tiled(self, scale: Array) -> Array:
        return np.asarray(np.tile(scale, len(self.own) // self.channels))

    def step(self, scale: Array) -> Array:
        return np.asarray(widest(self.op, (self.weight * self.tiled(scale))[None], self.pairs)[0])

    def error(self, scale: Array) -> float:
        """Of the bytes it reads, and of its weights, as shares of what its sums hold."""
        of_bytes = self.weight**2 @ self.tiled(scale) ** 2
        of_weights = SPARED * self.step(scale) ** 2 * (self.own / self.tiled(scale) ** 2).sum()
        return float(((of_bytes + of_weights) * self.worth).sum())

    def both(self, scale: Array) -> tuple[Array, Array]:
        """For each channel what stands before scale ** 2, and before 1 / scale ** 2."""
        ours = self.worth @ self.weight**2
        theirs = SPARED * (self.step(scale) ** 2 @ self.worth) * self.own
        return self.summed(ours), self.summed(theirs)

    def summed(self, by_number: Array) -> Array:
        return np.asarray(by_number.reshape(-1, self.channels).sum(0))
