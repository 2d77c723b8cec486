"""What becomes of the things somebody marked in a picture, good and bad?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spindle.data.samples import Objects, Outline, Problem

SLACK = 1.5  # a box this many pixels over the edge is a way of counting pixels, not an error
Size = tuple[float, float]  # width, height


@dataclass(frozen=True)
class Mark:
    """One thing as it was annotated, in the picture's own pixels."""

    kind: int
    box: tuple[float, float, float, float]  # left, top, right, bottom
    name: str  # how to speak of it
    ignored: bool = False
    crowd: bool = False
    area: float | None = None
    points: Sequence[float] = ()  # x, y, seen, x, y, seen ...
    outline: Outline = None


def numbers(values: Any, count: int | None = None) -> list[float] | None:
    """These values, if they are so many finite numbers."""
    if not isinstance(values, (list, tuple)) or (count is not None and len(values) != count):
        return None
    try:
        read = [float(value) for value in values if type(value) in (int, float)]
    except OverflowError:
        return None
    return read if len(read) == len(values) and all(map(math.isfinite, read)) else None


def gather(
    marks: Iterable[Mark], size: Size, file: str, problems: list[Problem], outlined: bool = False
) -> Objects:
    """The marks of one picture as rows; what cannot be used becomes a problem."""
    kept = [fit for mark in marks if (fit := fitted(mark, size, file, problems))]
    if not kept:
        return Objects()
    points = [np.reshape(np.asarray(mark.points, np.float32), (-1, 3)) for mark in kept]
    return Objects(
        boxes=np.array([mark.box for mark in kept], np.float32),
        kinds=np.array([mark.kind for mark in kept], np.int64),
        ignored=np.array([mark.ignored or mark.crowd for mark in kept], np.bool_),
        crowds=np.array([mark.crowd for mark in kept], np.bool_),
        areas=np.array([area(mark) for mark in kept], np.float32),
        points=np.stack(points),
        outlines=tuple(mark.outline for mark in kept) if outlined else (),
    )


def area(mark: Mark) -> float:
    left, top, right, bottom = mark.box
    return (right - left) * (bottom - top) if mark.area is None else mark.area


def fitted(mark: Mark, size: Size, file: str, problems: list[Problem]) -> Mark | None:
    """A mark whose box is inside the picture; none where nothing is left of it."""
    left, top, right, bottom = mark.box
    wide, high = size
    if right <= left or bottom <= top:
        what = f"{mark.name} is degenerate: {right - left:g} wide and {bottom - top:g} high"
        problems.append(Problem(file, what, "correct or delete it"))
        return None
    inside = max(left, 0.0), max(top, 0.0), min(right, wide), min(bottom, high)
    where = f"{left:g}, {top:g} to {right:g}, {bottom:g} in {wide:g} x {high:g}"
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        what = f"{mark.name} lies outside the picture: {where}"
        problems.append(Problem(file, what, "correct or delete it"))
        return None
    if max(abs(a - b) for a, b in zip(inside, mark.box, strict=True)) > SLACK:
        what = f"{mark.name} lies partly outside the picture: {where}"
        cure = "only what is inside counts; was the picture turned or resized?"
        problems.append(Problem(file, what, cure, fatal=False))
    return mark if inside == mark.box else replace(mark, box=inside)
