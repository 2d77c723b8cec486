"""What is known of a picture?  A sample: where its pixels are, and the truth about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spindle.model.heads import Task

VOID = 255  # the class of a mask's pixels that nobody judges
Source = Path | bytes | NDArray[np.uint8]  # of a picture or a mask: a file, its bytes, its pixels
Outline = list[list[float]] | dict[str, Any] | None  # polygons (x, y, x, y ...) or RLE, as COCO has


def rows(*shape: int, dtype: type = np.float32) -> Any:
    return field(default_factory=lambda: np.zeros((0, *shape), dtype))


@dataclass(frozen=True, eq=False)
class Objects:
    """The things in a picture, one row each, in the picture's own pixels once it is upright."""

    boxes: NDArray[np.float32] = rows(4)  # left, top, right, bottom
    kinds: NDArray[np.int64] = rows(dtype=np.int64)
    ignored: NDArray[np.bool_] = rows(dtype=np.bool_)  # neither right nor wrong to find
    crowds: NDArray[np.bool_] = rows(dtype=np.bool_)  # many in one; these are ignored as well
    areas: NDArray[np.float32] = rows()  # as annotated: COCO measures the outline
    points: NDArray[np.float32] = rows(0, 3)  # x, y, seen: 0 not labelled, 1 hidden, 2 seen
    outlines: tuple[Outline, ...] = ()  # none, or one each

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture (or one person in it), and what its task has to learn of it."""

    picture: Source
    name: str  # how to speak of it: its path below the data's folder, or its member of a shard
    kind: int = -1  # classify: its class; embed: its identity, -1 for one that nobody is
    objects: Objects | None = None  # detect, pose (one row: this person), segment by outlines
    mask: Source | None = None  # segment: a picture of classes
    part: tuple[float, float, float, float] | None = None  # of the picture, where it is not all
    camera: int = -1  # embed: a picture is not compared with those of its own camera
    role: Literal["", "query", "gallery"] = ""  # embed: in judging
    size: tuple[float, float] | None = None  # as annotated: the width and height of the picture
    group: str = ""  # what must not be torn apart by a split: the patient, the film


class Samples(Protocol):
    """Samples that can be gone through as often as one likes: a list, or shards on their way by."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Sample]:
        """In their own order."""
        ...

    def shuffled(self, seed: int, rank: int = 0, world: int = 1) -> Iterator[tuple[int, Sample]]:
        """This machine's share in an order that only the seed decides, each with its place in it.

        The shares of all machines are every sample once.
        """
        ...


class Listed(tuple[Sample, ...]):
    """Samples that are all known beforehand."""

    def shuffled(self, seed: int, rank: int = 0, world: int = 1) -> Iterator[tuple[int, Sample]]:
        order = np.random.default_rng(seed).permutation(len(self))
        for place in range(rank, len(self), world):
            yield place, self[order[place]]


@dataclass(frozen=True)
class Problem:
    """Something wrong with the data, in plain words."""

    file: str
    what: str
    cure: str = ""
    fatal: bool = True  # this sample (or this box) cannot be used, and is left out

    def __str__(self) -> str:
        return f"{self.file}: {self.what}" + (f"; {self.cure}" if self.cure else "")


@dataclass(frozen=True, eq=False)
class Dataset:
    """What was found where somebody's pictures are."""

    path: Path
    form: str  # how it is laid out, in words
    task: Task
    labels: tuple[str, ...]  # of the classes (background first in segmentation), or of the points
    splits: dict[str, Samples]  # by their own names; "train" and "val" once `parted`
    problems: Sequence[Problem] = ()  # what reading the annotations has shown
