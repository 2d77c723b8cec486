"""What does a network say of a picture?  One frozen record a task, in the picture's own pixels.

Each can be printed, drawn on its picture, and written as JSON, as COCO has it where COCO does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle import data
from spindle.data.preprocess import Picture, Readable, read_picture

Array = NDArray[Any]


class Said:
    """What all results have in common."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


@dataclass(frozen=True, repr=False)
class Classification(Said):
    """Classes, the likeliest first."""

    classes: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return ", ".join(f"{label} {score:.2f}" for label, score in self.classes[:3])

    def draw(self, picture: Readable) -> Picture:
        """The picture with the likeliest classes under it."""
        lines = [f"{score:5.1%}  {label}" for label, score in self.classes[:3]]
        return data.captioned(read_picture(picture), lines)

    def to_json(self) -> dict[str, Any]:
        return {"classes": [{"label": label, "score": score} for label, score in self.classes]}


@dataclass(frozen=True)
class Box:
    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def place(self) -> tuple[float, float, float, float]:
        return self.left, self.top, self.right, self.bottom


@dataclass(frozen=True, repr=False)
class Boxes(Said):
    """Things found, the surest first."""

    boxes: tuple[Box, ...]

    def __str__(self) -> str:
        return ", ".join(f"{box.label} {box.score:.2f}" for box in self.boxes) or "nothing"

    def draw(self, picture: Readable) -> Picture:
        """The picture with a frame round each thing, and its name beside it."""
        found = [(box.label, box.score, box.place) for box in self.boxes]
        return data.boxed(read_picture(picture), found)

    def to_json(self) -> dict[str, Any]:
        """A COCO bbox is left, top, width, height."""
        return {
            "boxes": [
                {
                    "label": box.label,
                    "score": box.score,
                    "bbox": [box.left, box.top, box.right - box.left, box.bottom - box.top],
                }
                for box in self.boxes
            ]
        }


class Numbers(Said):
    """A result that holds an array: equal where all of it is, as the others are."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[Any, ...]:
        held = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return tuple((x.shape, x.tobytes()) if isinstance(x, np.ndarray) else x for x in held)


@dataclass(frozen=True, repr=False, eq=False)
class Mask(Numbers):
    """The class of each pixel."""

    pixels: Array  # height x width
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", frozen(self.pixels))

    def shares(self) -> dict[str, float]:
        """How much of the picture each class covers, the largest first."""
        counts = np.bincount(self.pixels.ravel(), minlength=len(self.labels)) / self.pixels.size
        order = np.argsort(-counts, kind="stable")
        shares: dict[str, float] = {}
        for i in order:
            if counts[i]:
                shares[self.labels[i]] = shares.get(self.labels[i], 0.0) + float(counts[i])
        return shares

    def __str__(self) -> str:
        return ", ".join(f"{label} {share:.0%}" for label, share in self.shares().items())

    def draw(self, picture: Readable) -> Picture:
        """The picture with every class but the first in its colour, and a legend under it."""
        return data.masked(read_picture(picture), self.pixels, self.labels)

    def to_json(self) -> dict[str, Any]:
        """Shares, and for each class there its pixels as COCO's run lengths."""
        size = list(self.pixels.shape)
        segments = []
        for kind in np.unique(self.pixels).tolist():
            there = self.pixels == kind
            code = {"size": size, "counts": run_lengths(there)}
            said = {"label": self.labels[kind], "area": int(there.sum()), "segmentation": code}
            segments.append(said)
        return {"shares": self.shares(), "segments": segments}


def run_lengths(there: NDArray[np.bool_]) -> list[int]:
    """Column after column: how many pixels are not there, then how many are, and so on."""
    flat = there.ravel(order="F")
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts: list[int] = np.diff([0, *turns.tolist(), flat.size]).tolist()
    return [0, *counts] if flat[:1].any() else counts


@dataclass(frozen=True, repr=False)
class Pose(Said):
    """Where each point of a body is: name, x, y, score."""

    points: tuple[tuple[str, float, float, float], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} ({x:.0f}, {y:.0f})" for name, x, y, _ in self.points)

    def draw(self, picture: Readable) -> Picture:
        """The picture with the points on it: full where they are sure, rings where not."""
        return data.pointed(read_picture(picture), self.points)

    def to_json(self) -> dict[str, Any]:
        """COCO's flat list, x, y and a score for each point, and the points' names beside it."""
        scores = [score for *_, score in self.points]
        return {
            "keypoints": [number for _, *place in self.points for number in place],
            "names": [name for name, *_ in self.points],
            "score": sum(scores) / max(len(scores), 1),
        }


@dataclass(frozen=True, repr=False, eq=False)
class Embedding(Numbers):
    """A vector of length one; near for the same identity."""

    vector: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "vector", frozen(self.vector))

    def __str__(self) -> str:
        return f"{len(self.vector)} numbers: {' '.join(f'{x:.3f}' for x in self.vector[:4])} ..."

    def draw(self, picture: Readable) -> Picture:
        """The picture with the first numbers under it."""
        return data.captioned(read_picture(picture), [str(self)])

    def to_json(self) -> dict[str, Any]:
        return {"vector": [float(x) for x in self.vector]}


def frozen(array: Array) -> Array:
    """The same numbers, which nobody changes by this name."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


Result = Classification | Boxes | Mask | Pose | Embedding
