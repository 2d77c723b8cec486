"""How well are things found: the twelve numbers of COCO, and those of VOC?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.data.judges.average_precision import (
    RANGES,
    fold,
    match,
    outside,
    overlaps,
    precisions,
    recalls,
    unfold,
    verdicts,
    voc_ap,
)
from spindle.data.judges.judge import Judge, defined, mean
from spindle.data.results import Boxes, Result
from spindle.data.samples import Objects, Sample
from spindle.model.boxes import area

Array = NDArray[Any]
MOST = (1, 10, 100)  # boxes of a class in a picture, in COCO's recalls; precision looks at the last
KEYS = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large", "voc_ap", "voc_ap11",
)  # fmt: skip
EMPTY = Objects()
NOTHING_SAID: dict[str, Array] = {
    "scores": np.zeros(0),
    "kinds": np.zeros(0, np.int64),
    "found": np.zeros((len(RANGES), 0), np.uint16),
    "passed": np.zeros((len(RANGES), 0), np.uint16),
    "verdicts": np.zeros(0, np.int8),
}


def areas(objects: Objects) -> Array:
    """As annotated, or of the boxes."""
    known = len(objects.areas) == len(objects.boxes)
    return objects.areas if known else area(objects.boxes)


def flags(known: Array, count: int) -> NDArray[np.bool_]:
    return known if len(known) == count else np.zeros(count, np.bool_)


def ranks(groups: Array) -> NDArray[np.int64]:
    """The place of each in its own group, in the order given."""
    order = np.argsort(groups, kind="stable")
    sorted_groups = groups[order]
    places = np.empty(len(groups), np.int64)
    places[order] = np.arange(len(groups)) - np.searchsorted(sorted_groups, sorted_groups)
    return places


class DetectJudge(Judge):
    """Matches are made picture by picture; what is kept is who was matched, and how sure it was."""

    task = "detect"
    ranges = np.array(list(RANGES.values()))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        count = len(self.words)
        return {"possible": (len(RANGES), count), "possible_voc": (count,)}

    def see(self, sample: Sample, result: Result, size: tuple[int, int]) -> None:
        self.expect(sample, result, Boxes)
        assert isinstance(result, Boxes)
        there = sample.objects or EMPTY
        kinds = self.words.judged(there.kinds)
        heard = np.flatnonzero(kinds >= 0)
        kinds, crowds = kinds[heard], flags(there.crowds, len(there))[heard]
        put_by = flags(there.ignored, len(there))[heard] | crowds
        ignored = outside(areas(there)[heard].astype(np.float64), self.ranges) | put_by
        for each, row in enumerate(~ignored):
            self.sums["possible"][each] += np.bincount(kinds[row], minlength=len(self.words))
        self.sums["possible_voc"] += np.bincount(kinds[~put_by], minlength=len(self.words))
        rows = [
            (number, box.score, box.left, box.top, box.right, box.bottom)
            for box in result.boxes
            if (number := self.words.number(box.label)) >= 0
        ]
        if not rows:
            return
        table: Array = np.array(rows, np.float64)
        table = table[np.argsort(-table[:, 1], kind="stable")]
        said, boxes = table[:, 0].astype(np.int64), table[:, 2:]
        truths = there.boxes[heard].astype(np.float64)
        shares = np.where(said[:, None] == kinds, overlaps(boxes, truths, crowds), -1)
        found, passed = match(shares, ignored, crowds)
        passed |= ~found & outside(area(boxes), self.ranges)[:, None]
        known: dict[str, Array] = {
            "scores": table[:, 1].copy(),
            "kinds": said,
            "found": fold(found),
            "passed": fold(passed),
            "verdicts": verdicts(shares, put_by),
        }
        self.records.append((sample.name, known))

    def classes(self) -> Iterator[tuple[int, dict[str, Array]]]:
        """What was said of each class in all pictures, the surest first; and its `ranks`."""
        counts = len(self.words)
        records = [record for _, record in self.ordered()]
        known = joined(records, NOTHING_SAID)
        sizes = [len(record["scores"]) for record in records]
        pictures = np.repeat(np.arange(len(sizes)), sizes)
        known["ranks"] = ranks(pictures * counts + known["kinds"])
        order = np.lexsort((-known["scores"], known["kinds"]))
        ends = np.searchsorted(known["kinds"][order], np.arange(counts + 1))
        for kind, (start, end) in enumerate(zip(ends, ends[1:], strict=False)):
            rows = order[start:end]
            yield kind, {name: array[..., rows] for name, array in known.items()}

    def measure(self) -> dict[str, Array]:
        """Every measure of every class, NaN where it has none."""
        per_class = [self.measured(kind, known) for kind, known in self.classes()]
        return {key: np.array([each[key] for each in per_class]) for key in per_class[0]}

    def measured(self, kind: int, known: dict[str, Array]) -> dict[str, float]:
        possible = self.sums["possible"][:, kind]
        found, passed = (unfold(known[name]) for name in ("found", "passed"))
        measures: dict[str, float] = {}
        for each, name in enumerate(RANGES):
            first = known["ranks"] < MOST[-1]
            at = found[each][:, first], passed[each][:, first], int(possible[each])
            measures |= curve("ap" + name, precisions(*at), whole=not name)
            measures[f"ar{name or MOST[-1]}"] = float(recalls(*at).mean())
        for most in MOST[:-1]:
            first = known["ranks"] < most
            at = found[0][:, first], passed[0][:, first], int(possible[0])
            measures[f"ar{most}"] = float(recalls(*at).mean())
        eleven, every = voc_ap(known["verdicts"], int(self.sums["possible_voc"][kind]))
        return measures | {"voc_ap": every, "voc_ap11": eleven}

    def scores(self) -> dict[str, float]:
        if not self.sums["possible"][0].any():
            raise self.nothing()
        measured = self.measure()
        return defined({key: mean(measured[key]) for key in KEYS})

    def per_class(self) -> dict[str, dict[str, float]]:
        measured, possible = self.measure(), self.sums["possible"][0]
        return {
            label: {
                **{key: float(measured[key][kind]) for key in ("ap", "ap50", "voc_ap")},
                "things": float(possible[kind]),
            }
            for kind, label in enumerate(self.words.labels)
            if possible[kind]
        }


def curve(name: str, precision: Array, whole: bool) -> dict[str, float]:
    """The mean over all overlaps, and for a whole picture of it those of 0.5 and 0.75."""
    known = {name: float(precision.mean())}
    if whole:
        known |= {f"{name}50": float(precision[0].mean()), f"{name}75": float(precision[5].mean())}
    return known


def joined(records: Sequence[dict[str, Array]], nothing: dict[str, Array]) -> dict[str, Array]:
    return {
        key: np.concatenate([empty, *(record[key] for record in records)], axis=-1)
        for key, empty in nothing.items()
    }
