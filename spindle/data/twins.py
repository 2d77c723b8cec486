"""Which pictures are there twice, or nearly, and would be judged by what was learned from?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spindle.data.examine import Look

BANDS = 8  # of a picture's marks: pictures that differ in fewer bits have one in common
FAINT = 6.0  # spread of a thumb's pixels, under which pictures have nothing to be known by
BITS = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)
NEAR = 6.0  # mean difference of two thumbs' pixels, at most
MANY = 1000  # of one band, past which only pictures with all marks in common are compared


@dataclass(frozen=True)
class Seen:
    """A picture that was looked at: where it is in its split, and what it is called there."""

    split: str
    row: int
    name: str
    kind: int
    look: Look


def same(pictures: list[Seen]) -> Iterator[tuple[Seen, Seen]]:
    """Each picture whose file is that of an earlier one, after that one."""
    first: dict[bytes, Seen] = {}
    for one in pictures:
        if (earlier := first.setdefault(one.look.digest, one)) is not one:
            yield earlier, one


def alike(pictures: list[Seen]) -> Iterator[tuple[Seen, Seen]]:
    """Pictures of different splits that look the same, though their files differ."""
    clear = [one for one in pictures if one.look.size and np.std(one.look.thumb) >= FAINT]
    if not clear:
        return
    marks = np.array([one.look.marks for one in clear], np.uint64)
    thumbs = np.stack([one.look.thumb for one in clear]).astype(np.int16)
    splits = np.unique([one.split for one in clear], return_inverse=True)[1]
    told: set[int] = set()
    for earlier, later in sorted(set(candidates(marks, splits))):
        near = np.abs(thumbs[earlier] - thumbs[later]).mean() <= NEAR
        a, b = clear[earlier], clear[later]
        if near and later not in told and a.look.digest != b.look.digest:
            told.add(later)
            yield a, b


def candidates(marks: NDArray[np.uint64], splits: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Pairs of places, from different splits, whose marks differ in fewer bits than BANDS."""
    width = 64 // BANDS
    for band in range(BANDS):
        part = (marks >> np.uint64(band * width)) & np.uint64((1 << width) - 1)
        for group in groups(part):
            if len(group) <= MANY:
                yield from pairs(group, marks, splits)
                continue
            for smaller in groups(marks[group]):
                yield from pairs(group[smaller][:MANY], marks, splits)


def groups(values: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """The places of each value that is there more than once."""
    order = np.argsort(values, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
        if len(group) > 1:
            yield group


def pairs(
    group: NDArray[np.int64], marks: NDArray[np.uint64], splits: NDArray[np.int64]
) -> Iterator[tuple[int, int]]:
    own = splits[group]
    if (own == own[0]).all():
        return
    differing = (marks[group][:, None] ^ marks[group])[..., None].view(np.uint16)
    near = BITS[differing].sum(2) < BANDS
    for i, j in np.argwhere(np.triu(near & (own[:, None] != own), 1)).tolist():
        a, b = sorted((int(group[i]), int(group[j])))
        yield a, b
