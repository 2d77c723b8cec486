"""To which steps are weights rounded?  Each one's error is made up for by those still to come.

What is kept small is the error of the sums, not of the weights, as GPTQ has it (Frantar 2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.ranges import by_tap
from spindle.model.grids import LARGEST_STEP, PAIR
from spindle.model.ops import Conv

Array = NDArray[Any]
DAMP = 0.01  # of the mean spread, added to each number's own: no sum is believed exactly
BLOCK = 64  # numbers after which those still to come hear of the errors
FACTORS = (1.0, 0.9, 0.8, 0.7)  # of the step that cuts no weight off


def by_sums(op: Conv, weight: Array) -> Array:
    """Weights as groups x sums x numbers of a window; every tap is a sum where `by_tap`."""
    if op.depthwise:
        return weight.reshape(op.channels, -1, 1 if by_tap(op) else op.kernel**2)
    return weight.reshape(1, -1, weight.shape[3] if by_tap(op) else weight[0].size)


def repeated(op: Conv, step: Array) -> Array:
    """The step of each sum, from that of each channel: groups x sums x 1."""
    if op.depthwise:
        return step[:, None, None]
    return np.repeat(step, op.kernel**2 if by_tap(op) else 1)[None, :, None]


def partners(op: Conv) -> Array:
    """For each number of a window the one before it with which AVX2 multiplies it, or -1.

    Two neighbouring channels of a tap; of a depthwise window the rows above and below the middle.
    """
    if op.depthwise and by_tap(op):
        return np.array([-1])
    if op.depthwise:
        row = np.arange(op.kernel**2) // op.kernel
        return np.where(row % 4 > 1, np.arange(len(row)) - 2 * op.kernel, -1)
    depth = op.inputs[0].shape[2]
    number = np.arange(depth * (1 if by_tap(op) else op.kernel**2))
    picture = depth == 3 and op.dilation == 1  # whose taps of a row are one run
    run = depth * op.kernel if picture else depth
    return np.where(number % run % 2, number - 1, -1)


def widest(op: Conv, exact: Array, pairs: bool) -> Array:
    """The smallest step of each sum that cuts no weight off: groups x sums."""
    least = np.abs(exact).max(2) / LARGEST_STEP
    second = np.flatnonzero(partners(op) >= 0)
    if pairs and len(second):
        both = exact[:, :, second] + exact[:, :, partners(op)[second]]
        least = np.maximum(least, np.abs(both).max(2) / PAIR)
    return np.asarray(np.maximum(least, 1e-12))


def room(settled: Array, partner: int, pairs: bool) -> tuple[Array, Array]:
    """The ends of a weight, in steps, its partner being settled."""
    other = settled[:, :, partner] if pairs and partner >= 0 else np.zeros(settled.shape[:2])
    low = np.maximum(-LARGEST_STEP, -PAIR - np.minimum(other, 0))
    return low, np.minimum(LARGEST_STEP, PAIR - np.maximum(other, 0))


def nearest(op: Conv, exact: Array, pairs: bool) -> Array:
    """Each weight, in steps, rounded by itself."""
    settled = np.rint(exact).clip(-LARGEST_STEP, LARGEST_STEP)
    for number, partner in enumerate(partners(op)):
        if pairs and partner >= 0:
            settled[:, :, number] = settled[:, :, number].clip(*room(settled, partner, pairs))
    return np.asarray(settled)


def steps(op: Conv, exact: Array, spread: Array, pairs: bool) -> Array:
    """The step of each output channel, finer where cutting its largest weights off costs less."""
    whole, weigh = widest(op, exact, pairs), np.einsum("gkk->gk", spread)[:, None]
    errors = []
    for factor in FACTORS:
        step = (whole * factor)[..., None]
        errors.append(((exact - nearest(op, exact / step, pairs) * step) ** 2 * weigh).sum(2))
    best = whole * np.array(FACTORS)[np.argmin(errors, 0)]
    return np.asarray(best.reshape(op.channels, -1).max(1))


def settled(op: Conv, exact: Array, spread: Array, pairs: bool) -> Array:
    """Weights, in steps, rounded one number of the window after the other."""
    groups, sums, numbers = exact.shape
    upper = upwards(spread).astype(np.float32)
    left, found = exact.astype(np.float32), np.zeros(exact.shape, np.float32)
    before = partners(op)
    for start in range(0, numbers, BLOCK):
        end = min(start + BLOCK, numbers)
        errors = np.zeros((groups, sums, end - start), np.float32)
        for k in range(start, end):
            found[:, :, k] = np.rint(left[:, :, k]).clip(*room(found, before[k], pairs))
            error = (left[:, :, k] - found[:, :, k]) / upper[:, k, k, None]
            left[:, :, k:end] -= error[..., None] * upper[:, None, k, k:end]
            errors[:, :, k - start] = error
        left[:, :, end:] -= errors @ upper[:, start:end, end:]
    return found


def upwards(spread: Array) -> Array:
    """Row k: what a change of number k asks of those after it.

    It is the factor of the inverse; what few pictures have shown is damped until it has one.
    """
    numbers = spread.shape[1]
    level = np.abs(np.einsum("gkk->g", spread))[:, None, None] / numbers + 1e-12
    damp = DAMP
    while True:
        try:
            inverse = np.linalg.inv(spread + np.eye(numbers) * (damp * level))
            return np.asarray(np.linalg.cholesky(inverse).transpose(0, 2, 1))
        except np.linalg.LinAlgError:
            damp *= 10
