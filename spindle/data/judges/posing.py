"""How near are a body's points to where they should be?"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.data.judges.average_precision import RANGES, Flags, match, outside, precisions, recalls
from spindle.data.judges.finding import areas, curve, flags
from spindle.data.judges.judge import Judge, defined, mean
from spindle.data.judges.wording import plain
from spindle.data.labels import KEYPOINTS
from spindle.data.results import Pose, Result
from spindle.data.samples import Sample

Array = NDArray[Any]
# how far people differ in placing each of COCO's points, by the square root of the person's area
SPREADS = dict(
    zip(
        KEYPOINTS,
        (0.026, *(0.025,) * 2, *(0.035,) * 2, *(0.079,) * 2, *(0.072,) * 2, *(0.062,) * 2,
         *(0.107,) * 2, *(0.087,) * 2, *(0.089,) * 2),
        strict=True,
    )
)  # fmt: skip
SPREAD = 0.05  # of a point that COCO does not know
MOST = 20  # poses in a picture
NEAR = 0.2  # of the larger side of a person's box: a point that is right, in pck20
SIZES = ("", "_medium", "_large")  # COCO marks no points in small people


def nearness(said: Array, there: Array, boxes: Array, area: Array, spreads: Array) -> Array:
    """Object keypoint similarity, 0 to 1: (D, k, 3), (G, k, 3), (G, 4), (G,), (k,) -> (D, G).

    Where no point of a person is known, those within its box doubled to each side are right.
    """
    shift = said[:, None, :, :2] - there[None, :, :, :2]
    side = boxes[:, 2:] - boxes[:, :2]
    low, high = (boxes[:, :2] - side)[:, None], (boxes[:, 2:] + side)[:, None]
    beyond = np.maximum(low - said[:, None, :, :2], 0) + np.maximum(said[:, None, :, :2] - high, 0)
    seen = there[..., 2] > 0
    unknown = ~np.any(seen, axis=1)
    shift = np.where(unknown[:, None, None], beyond, shift)
    scale = (area + np.spacing(1))[:, None]
    cost = (shift**2).sum(axis=-1) / (spreads * 2) ** 2 / scale / 2
    weight = seen | unknown[:, None]
    near = np.where(weight & ~np.isnan(cost), np.exp(-cost), 0)
    return np.asarray(near.sum(axis=-1) / weight.sum(axis=-1))


def picture_of(name: str) -> str:
    """The picture that a person is in: `street.jpg#2` is the third in street.jpg."""
    picture, mark, number = name.rpartition("#")
    return picture if mark and number.isdigit() else name


class PoseJudge(Judge):
    """COCO's average precision by points, all people of a picture together, and how many are near.

    A pose is as sure as its points are in the mean.
    """

    task = "pose"
    ranges = np.array([RANGES[size] for size in SIZES])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"near": (len(self.words),), "points": (len(self.words),)}

    @cached_property
    def spreads(self) -> Array:
        known = {plain(name): spread for name, spread in SPREADS.items()}
        return np.array([known.get(plain(label), SPREAD) for label in self.words.labels])

    def see(self, sample: Sample, result: Result, size: tuple[int, int]) -> None:
        self.expect(sample, result, Pose)
        assert isinstance(result, Pose)
        person, count = sample.objects, len(self.words)
        if person is None or len(person) != 1 or person.points.shape != (1, count, 3):
            raise ValueError(f"{sample.name}: a sample of poses is one person of {count} points")
        said = np.full((count, 3), np.nan)
        for word, *place in result.points:
            if (number := self.words.number(word)) >= 0:
                said[number] = place
        there = person.points[0].astype(np.float64)
        there[self.words.truths < 0, 2] = 0
        seen, crowd = there[:, 2] > 0, flags(person.crowds, 1)
        put_by: Flags = np.asarray(flags(person.ignored, 1) | crowd | ~seen.any())
        box = person.boxes[0].astype(np.float64)
        if not put_by[0]:
            away = np.hypot(*(said - there)[:, :2].T)
            self.sums["near"] += seen & (away <= NEAR * (box[2:] - box[:2]).max())
            self.sums["points"] += seen
        known = {
            "said": said,
            "there": there,
            "box": box,
            "area": areas(person).astype(np.float64),
            "ignored": put_by,
            "crowd": crowd,
        }
        self.records.append((sample.name, known))

    def pictures(self) -> list[dict[str, Array]]:
        """The people of each picture, stacked."""
        people: dict[str, list[dict[str, Array]]] = {}
        for name, known in self.ordered():
            people.setdefault(picture_of(name), []).append(known)
        return [
            {key: np.stack([p[key] for p in each]) for key in each[0]} for each in people.values()
        ]

    def matched(self, people: dict[str, Array]) -> tuple[Array, Array, Array, Array]:
        """Of one picture: scores (D,), found and passed (A, T, D), how many there are (A,)."""
        named = ~np.isnan(people["said"][..., 2])
        sure = np.where(named, people["said"][..., 2], 0).sum(axis=1) / np.maximum(named.sum(1), 1)
        first = np.argsort(-sure, kind="stable")[:MOST]
        first = first[np.any(named, axis=1)[first]]
        said, area, crowds = people["said"][first], people["area"][:, 0], people["crowd"][:, 0]
        ignored = outside(area, self.ranges) | people["ignored"][:, 0]
        shares = nearness(said, people["there"], people["box"], area, self.spreads)
        found, passed = match(shares, ignored, crowds)
        extent = np.prod(
            np.nanmax(said[..., :2], axis=1) - np.nanmin(said[..., :2], axis=1), axis=1
        )
        passed |= ~found & outside(extent, self.ranges)[:, None]
        return sure[first], found, passed, (~ignored).sum(axis=1)

    def scores(self) -> dict[str, float]:
        if not self.sums["points"].any():
            raise self.nothing()
        scores, found, passed, possible = zip(*map(self.matched, self.pictures()), strict=True)
        order = np.argsort(-np.concatenate(scores), kind="stable")
        all_found = np.concatenate(found, axis=-1)[..., order]
        all_passed = np.concatenate(passed, axis=-1)[..., order]
        precision: dict[str, float] = {}
        recall: dict[str, float] = {}
        for each, (size, count) in enumerate(zip(SIZES, sum(possible), strict=True)):
            at = all_found[each], all_passed[each], int(count)
            precision |= curve(f"oks_ap{size}", precisions(*at), whole=not size)
            recall |= curve(f"oks_ar{size}", recalls(*at)[:, None], whole=not size)
        near = float(self.sums["near"].sum() / self.sums["points"].sum())
        measures = {key: mean(np.array(value)) for key, value in (precision | recall).items()}
        return defined(measures | {"pck20": near})

    def per_class(self) -> dict[str, dict[str, float]]:
        near, points = self.sums["near"], self.sums["points"]
        return {
            label: {"pck20": float(near[kind] / points[kind]), "points": float(points[kind])}
            for kind, label in enumerate(self.words.labels)
            if points[kind]
        }
