"""How far will a channel's numbers reach on pictures that nobody has seen yet?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.ranges import Ends
from spindle.model.ops import Conv, Op

Array = NDArray[Any]
Setting = Literal["measured", "minmax", "percentile"]
PERCENT = 95  # of the pictures, whose largest number is then kept
STRETCHES = (1.0, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0)
PEAK = 4  # pixels that go beyond an end together
LEAST = 1e-3  # of the widest channel: no narrower one is believed


def reach(op: Op, ends: Ends, setting: Setting) -> tuple[Array, Array]:
    """Low and high of each channel, 0 among them, and never beyond what the op can make."""
    low, high = ends.low.min(0), ends.high.max(0)
    if setting == "percentile":
        low, high = np.percentile(ends.low, 100 - PERCENT, 0), np.percentile(ends.high, PERCENT, 0)
    elif setting == "measured" and len(ends.high) > 1:
        height, width, _ = op.output.shape
        weight = min(PEAK / (height * width), 1.0)
        low, high = -stretched(-ends.low, weight), stretched(ends.high, weight)
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    act = op.act if isinstance(op, Conv) else None
    if act:
        low = np.zeros_like(low)
    if act == "relu6":
        high = np.minimum(high, 6.0)
    least = max(float((high - low).max()) * LEAST, 1e-6)
    return low, np.maximum(high, low + least)


def stretched(tops: Array, weight: float) -> Array:
    """The largest numbers, moved to where the error is least on pictures that are left out.

    What half of the pictures has shown is tried on the other half: all ends stretched, or small
    ones drawn to the middle first, as far as two halves disagree on which is small.  An error is
    the square of what is cut off, or of a step.
    """
    tops = np.maximum(tops, 0.0)
    halves = tops[::2], tops[1::2]
    logs = [np.log(floored(half.max(0))) for half in halves]
    alike = 1.0
    if min(log.std() for log in logs) > 1e-9:  # below that it is rounding that differs
        alike = float(np.corrcoef(logs[0], logs[1])[0, 1].clip(0, 1))

    def error(by: float, kept: float) -> float:
        total = 0.0
        for shown, other in (halves, halves[::-1]):
            end = drawn(shown.max(0), kept) * by
            cut = (np.maximum(other - end, 0) ** 2).mean(0) * weight
            total += float((cut + (end / 255) ** 2 / 12).sum())
        return total

    tried = [(by, kept) for kept in (1.0, alike) for by in STRETCHES]
    by, kept = min(tried, key=lambda two: error(*two))
    return np.asarray(drawn(tops.max(0), kept) * by)


def drawn(top: Array, kept: float) -> Array:
    """Ends below the geometric mean drawn towards it; `kept` 1 leaves them."""
    log = np.log(floored(top))
    return np.asarray(np.maximum(top, np.exp(log.mean() * (1 - kept) + log * kept) * (kept < 1)))


def floored(top: Array) -> Array:
    return np.asarray(np.maximum(top, top.max() * LEAST + 1e-9))
