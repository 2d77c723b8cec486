"""What does a network say of a picture?  One frozen record a task, in the picture's own pixels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Classification:
    """Classes, the likeliest first."""

    classes: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return ", ".join(f"{label} {score:.2f}" for label, score in self.classes[:3])

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


@dataclass(frozen=True)
class Boxes:
    """Things found, the surest first."""

    boxes: tuple[Box, ...]

    def __str__(self) -> str:
        return ", ".join(f"{box.label} {box.score:.2f}" for box in self.boxes) or "nothing"

    def to_json(self) -> dict[str, Any]:
        return {"boxes": [asdict(box) for box in self.boxes]}


@dataclass(frozen=True)
class Mask:
    """The class of each pixel."""

    pixels: Array  # height x width
    labels: tuple[str, ...]

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

    def to_json(self) -> dict[str, Any]:
        return {"shares": self.shares()}


@dataclass(frozen=True)
class Pose:
    """Where each point of a body is: name, x, y, score."""

    points: tuple[tuple[str, float, float, float], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} ({x:.0f}, {y:.0f})" for name, x, y, _ in self.points)

    def to_json(self) -> dict[str, Any]:
        return {
            "points": [
                dict(zip(("label", "x", "y", "score"), point, strict=True)) for point in self.points
            ]
        }


@dataclass(frozen=True)
class Embedding:
    """A vector of length one; near for the same identity."""

    vector: Array

    def __str__(self) -> str:
        return f"{len(self.vector)} numbers: {' '.join(f'{x:.3f}' for x in self.vector[:4])} ..."

    def to_json(self) -> dict[str, Any]:
        return {"vector": [float(x) for x in self.vector]}


Result = Classification | Boxes | Mask | Pose | Embedding
