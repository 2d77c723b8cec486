"""Anchors, box coder, overlap and suppression: said once, in numpy, the judge of every other one.

Boxes are left, top, right, bottom; anchors are centre x, centre y, width, height; all are shares of
the picture's sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spindle.model.answers import Detect

Array = NDArray[np.float32]
LIKELY = 1000  # scores among which those that stay are looked for first
LARGEST_GROWTH = 4.0  # exp(4) is 55 anchors wide: past any picture, and far from overflow


def anchors(op: Detect) -> Array:
    """Every anchor of every map, row by row, pixel by pixel; square ones are square in pixels."""
    height, width, _ = op.image.shape
    across, down = min(height, width) / width, min(height, width) / height
    parts = []
    for tensor, pairs in zip(op.maps, op.anchors, strict=True):
        rows, columns, _ = tensor.shape
        y, x = np.mgrid[:rows, :columns].astype(np.float64) + 0.5
        sizes = [(scale * ratio**0.5 * across, scale / ratio**0.5 * down) for scale, ratio in pairs]
        grid = np.empty((rows, columns, len(pairs), 4))
        grid[..., 0], grid[..., 1] = (x / columns)[..., None], (y / rows)[..., None]
        grid[..., 2:] = sizes
        parts.append(grid.reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)


def decode(deltas: Array, anchors: Array, variances: tuple[float, ...]) -> Array:
    """Boxes from what a network says of each anchor: shift x, shift y, growth x, growth y."""
    moves = deltas * np.asarray(variances, deltas.dtype)
    centre = anchors[:, :2] + moves[:, :2] * anchors[:, 2:]
    half = anchors[:, 2:] * np.exp(np.minimum(moves[:, 2:], LARGEST_GROWTH)) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def encode(boxes: Array, anchors: Array, variances: tuple[float, ...]) -> Array:
    """What a network should say of each anchor to mean these boxes."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    shift = ((boxes[:, :2] + boxes[:, 2:]) / 2 - anchors[:, :2]) / anchors[:, 2:]
    moves = np.concatenate([shift, np.log(size / anchors[:, 2:])], axis=1)
    return np.asarray(moves / np.asarray(variances, moves.dtype))


def area(boxes: Array) -> Array:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def iou(a: Array, b: Array) -> Array:
    """Intersection over union of every box in `a` (rows) with every box in `b` (columns)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = area(np.concatenate([low, high], axis=2))
    union = area(a)[:, None] + area(b)[None] - common
    return np.asarray(common / np.maximum(union, 1e-12))


def nms(boxes: Array, scores: Array, overlap: float, most: int) -> list[tuple[int, int]]:
    """The (row, column) of each score that stays, the best first: boxes x classes of scores.

    A box hides those of its own class which it overlaps by more.  Scores at or below zero are
    nothing; of equal scores the lower class comes first, then the lower box.
    """
    by_class = scores.T.ravel()
    every = np.flatnonzero(by_class > 0)
    if len(every) > LIKELY:  # the best of them are nearly always enough, and soon sorted
        least = np.partition(by_class[every], -LIKELY)[-LIKELY]
        kept = thinned(boxes, by_class, every[by_class[every] >= least], overlap, most)
        if len(kept) == most:
            return kept
    return thinned(boxes, by_class, every, overlap, most)


def thinned(
    boxes: Array, by_class: Array, places: NDArray[np.intp], overlap: float, most: int
) -> list[tuple[int, int]]:
    """What stays of the scores at these places."""
    kept: list[tuple[int, int]] = []
    stays: dict[int, list[int]] = {}
    for place in places[np.argsort(-by_class[places], kind="stable")]:
        kind, box = divmod(int(place), len(boxes))
        rivals = stays.setdefault(kind, [])
        if not rivals or iou(boxes[box : box + 1], boxes[rivals]).max() <= overlap:
            rivals.append(box)
            kept.append((box, kind))
            if len(kept) == most:
                break
    return kept


def probabilities(scores: Array, kind: str) -> Array:
    if kind == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(scores, -80, 80))))
    wide = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))


def detect(op: Detect, deltas: Array, scores: Array) -> Array:
    """The meaning of Detect, for one picture: (anchors, 4) and (anchors, classes) -> (most, 6)."""
    boxes = decode(deltas, anchors(op), op.variances)
    seen = np.clip(boxes, 0, 1)
    chances = probabilities(scores, op.score)[:, 1:]
    chances = np.where((chances > op.threshold) & (area(seen) > 0)[:, None], chances, 0)
    rows = np.array([(0, 0, 0, 0, 0, -1)] * op.most, np.float32)
    for row, (box, kind) in zip(rows, nms(boxes, chances, op.overlap, op.most), strict=False):
        row[:] = (*seen[box], chances[box, kind], kind)
    return rows
