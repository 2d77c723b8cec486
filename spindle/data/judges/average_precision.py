"""What of the things there was found, and how precisely: average precision as COCO and VOC say it.

Shapes: A ranges of area, T overlaps asked for, D things said (the surest first), G things there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.model.boxes import area, iou

Array = NDArray[Any]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

OVERLAPS = np.linspace(0.5, 0.95, 10)  # as the official code makes them, to the last bit
RECALLS = np.linspace(0, 1, 101)
SMALL, LARGE, ENDLESS = 32.0**2, 96.0**2, 1e5**2  # areas in pixels; both ends belong to a range
RANGES = {
    "": (0.0, ENDLESS), "_small": (0.0, SMALL), "_medium": (SMALL, LARGE),
    "_large": (LARGE, ENDLESS),
}  # fmt: skip
BITS = (1 << np.arange(len(OVERLAPS)))[:, None]


def outside(areas: Array, ranges: Array) -> Flags:
    """Which of the areas lie outside each of the ranges: (A, 2) and (n,) -> (A, n)."""
    return np.asarray((areas < ranges[:, :1]) | (areas > ranges[:, 1:]))


def overlaps(said: Array, there: Array, crowds: Flags) -> Floats:
    """Intersection over union, (D, G); with a crowd, over what is said alone."""
    shares = np.asarray(iou(said, there), np.float64)
    if crowds.any():
        low = np.maximum(said[:, None, :2], there[None, crowds, :2])
        high = np.minimum(said[:, None, 2:], there[None, crowds, 2:])
        common = area(np.concatenate([low, high], axis=2))
        shares[:, crowds] = common / np.maximum(area(said)[:, None], 1e-12)
    return shares


def match(shares: Floats, ignored: Flags, crowds: Flags) -> tuple[Flags, Flags]:
    """Which things said are matched, and which of those with what is ignored: both (A, T, D).

    Each, the surest first, takes what it overlaps most of all that is free, of equals the last;
    what is `ignored` (A, G) only if nothing else is near enough.  A crowd is always free.
    """
    lanes = len(ignored), len(OVERLAPS)
    found, passed = (np.zeros((*lanes, len(shares)), np.bool_) for _ in range(2))
    taken = np.zeros((*lanes, shares.shape[1]), np.bool_)
    asked = np.minimum(OVERLAPS, 1 - 1e-10)[:, None]
    close = shares >= asked[0]
    for said in np.flatnonzero(close.any(axis=1)):
        near = np.flatnonzero(close[said])[::-1]  # argmax gives the first of equals
        share, put_by = shares[said, near], ignored[:, None, near]
        free = (share >= asked) & (~taken[:, :, near] | crowds[near])
        wanted = free & ~put_by
        some = wanted.any(axis=2)
        free = np.where(some[..., None], wanted, free)
        best = np.where(free, share, -1.0).argmax(axis=2)[..., None]
        hit = some | free.any(axis=2)
        found[:, :, said] = hit
        passed[:, :, said] = hit & ~some
        taken[:, :, near] |= (np.arange(len(near)) == best) & hit[..., None]
    return found, passed


def fold(flags: Flags) -> NDArray[np.uint16]:
    """The flags of all overlaps as bits of one number: (A, T, D) -> (A, D)."""
    return np.asarray((flags * BITS).sum(axis=1), np.uint16)


def unfold(bits: NDArray[np.uint16]) -> Flags:
    return np.asarray((bits[..., None, :] & BITS) > 0)


def precisions(found: Flags, passed: Flags, possible: int) -> Floats:
    """The best precision at each recall or a higher one, for each overlap: (T, D) -> (T, R).

    Those passed over are neither right nor wrong.  NaN where there is nothing to find.
    """
    if not possible:
        return np.full((len(found), len(RECALLS)), np.nan)
    right = (found & ~passed).cumsum(axis=1)
    wrong = (~found & ~passed).cumsum(axis=1)
    precision = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    at = np.pad(best, ((0, 0), (0, 1)))  # a recall never reached has precision 0
    return np.stack(
        [row[np.searchsorted(r / possible, RECALLS)] for row, r in zip(at, right, strict=True)]
    )


def recalls(found: Flags, passed: Flags, possible: int) -> Floats:
    """The share found, for each overlap; NaN where there is nothing to find."""
    right = (found & ~passed).sum(axis=1)
    return right / possible if possible else np.full(len(found), np.nan)


def verdicts(shares: Floats, ignored: Flags) -> NDArray[np.int8]:
    """As VOC judges: 1 right, 0 wrong, -1 neither, for each thing said: (D, G) -> (D,).

    Each can only have what it overlaps most, at least by half; whoever comes second is wrong.
    """
    said = np.zeros(len(shares), np.int8)
    if shares.shape[1]:
        best = shares.argmax(axis=1)
        near = shares.max(axis=1) >= 0.5
        said[near & ignored[best]] = -1
        wanted = np.flatnonzero(near & ~ignored[best])
        said[wanted[np.unique(best[wanted], return_index=True)[1]]] = 1
    return said


def voc_ap(said: NDArray[np.int8], possible: int) -> tuple[float, float]:
    """VOC's average precision of verdicts in the order of scores: at 11 recalls (to 2009), at all.

    NaN where there is nothing to find.
    """
    if not possible:
        return np.nan, np.nan
    right, wrong = (said == 1).cumsum(), (said == 0).cumsum()
    precision = right / np.maximum(right + wrong, 1)
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    # recall >= i / 10, in whole numbers: no tenth is lost to rounding
    eleven = best[np.searchsorted(right * 10, np.arange(11) * possible)]
    return float(eleven.mean()), float(best[:-1][said == 1].sum() / possible)
