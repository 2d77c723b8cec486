"""How sure is a measure?  An interval that holds it for other pictures of the same kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spindle.data.judges.confusion import ClassifyJudge
from spindle.data.judges.judge import Judge, Record
from spindle.data.judges.posing import picture_of
from spindle.data.judges.retrieval import EmbedJudge, average_precision
from spindle.data.metrics import HEADLINE

Array = NDArray[Any]
NORMAL = 1.959964  # of a normal distribution, 95 in 100 lie within so many deviations
DRAWS = 400  # of a bootstrap
GROUPS = 20  # of a jackknife
FEW = 5  # pictures, of which fewer say nothing about others


@dataclass(frozen=True)
class Interval:
    """Where the measure lies with 95 in 100, and how that was found out."""

    low: float
    high: float
    how: str


@dataclass(frozen=True)
class Part:
    """What one picture adds to a judge's sums, most of which are zero, and to its records."""

    picture: str
    sums: dict[str, tuple[Array, Array]]  # where it is not zero, and what it is there
    records: list[Record]

    @classmethod
    def of(cls, picture: str, judge: Judge) -> Self:
        flat = {name: value.ravel() for name, value in judge.sums.items()}
        there = {name: np.flatnonzero(value) for name, value in flat.items()}
        return cls(picture, {n: (at, flat[n][at]) for n, at in there.items()}, judge.records)


def interval(judge: Judge, parts: Sequence[Part]) -> Interval | None:
    """Of the judge's headline; None where there is too little to say so."""
    match judge:
        case ClassifyJudge():
            return wilson(int(judge.right.sum()), int(judge.asked.sum()))
        case EmbedJudge():
            asked = np.array([average_precision(ranks)[0] for ranks in judge.asked()])
            how = f"bootstrap over {len(asked)} queries, the gallery as it is"
            return bootstrap(lambda draw: float(asked[draw].mean()), len(asked), how)
    groups: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        groups[picture_of(part.picture)].append(part)
    pictures = list(groups.values())  # the people of one picture come together

    def measure(draw: Array) -> float:
        drawn = [pictures[number] for number in draw]
        return together(judge, drawn).scores().get(HEADLINE[judge.task], 0.0)

    return jackknife(measure, len(pictures), f"jackknife over {len(pictures):,} pictures")


def wilson(right: int, of: int) -> Interval | None:
    """Wilson's score interval for a share, which is sound for few and for nearly all right."""
    if of < FEW:
        return None
    share, z = right / of, NORMAL**2 / of
    middle = (share + z / 2) / (1 + z)
    reach = NORMAL * sqrt(share * (1 - share) / of + z / (4 * of)) / (1 + z)
    how = f"Wilson's score interval over {of:,} pictures"
    return Interval(max(middle - reach, 0.0), min(middle + reach, 1.0), how)


def bootstrap(measure: Callable[[Array], float], count: int, how: str) -> Interval | None:
    """The middle 95 in 100 of what other draws of as many, with repetition, would have measured."""
    if count < FEW:
        return None
    rng = np.random.default_rng(0)
    found = [measure(rng.integers(0, count, count)) for _ in range(DRAWS)]
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return Interval(low, high, f"{how}, {DRAWS} draws")


def jackknife(measure: Callable[[Array], float], count: int, how: str) -> Interval | None:
    """By how much the measure moves when one of some groups is left out, as Student would have it.

    It asks for the measure twenty times where a bootstrap must hundreds of times; and where rare
    classes count as much as others, draws that miss them would pull a bootstrap down.
    """
    if count < FEW:
        return None
    groups = min(GROUPS, count)
    member = np.random.default_rng(0).permutation(count) % groups
    found = np.array([measure(np.flatnonzero(member != group)) for group in range(groups)])
    error = sqrt((groups - 1) * float(found.var()))
    if not error:
        return None  # all alike: what these pictures do not show, they cannot measure
    whole, reach = measure(np.arange(count)), student(groups - 1) * error
    low, high = max(whole - reach, 0.0), min(whole + reach, 1.0)
    return Interval(low, high, f"{how}, in {groups} groups")


def student(freedom: int) -> float:
    """Within so many deviations 95 in 100 lie, by Student's t: Cornish and Fisher's expansion."""
    z = NORMAL
    first, second = z**3 + z, 5 * z**5 + 16 * z**3 + 3 * z
    return z + first / (4 * freedom) + second / (96 * freedom**2)


def together(judge: Judge, pictures: Sequence[Sequence[Part]]) -> Judge:
    """The judge who has seen these pictures; one that comes twice counts twice."""
    both = type(judge)(judge.words)
    parts = [part for picture in pictures for part in picture]
    for name, value in both.sums.items():
        places = np.concatenate([part.sums[name][0] for part in parts])
        counts = np.concatenate([part.sums[name][1] for part in parts])
        whole = np.bincount(places, counts, prod(value.shape))  # exact below 2**53
        both.sums[name] = whole.astype(np.int64).reshape(value.shape)
    both.records = [
        (f"{place}/{name}", known)
        for place, picture in enumerate(pictures)
        for part in picture
        for name, known in part.records
    ]
    return both
