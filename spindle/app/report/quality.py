"""How good is one answer?  1 is perfect, 0 is nothing, and below that it misleads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spindle.data.augment import around
from spindle.data.judges.judge import Judge
from spindle.data.judges.posing import SPREAD, nearness
from spindle.data.judges.wording import Words
from spindle.data.preprocess import open_picture
from spindle.data.results import Box, Boxes, Classification, Mask, Pose, Result
from spindle.data.samples import Objects, Sample
from spindle.model.boxes import iou

SURE = 0.3  # the least score of a box that is drawn, as in `predict`
OVERLAP = 0.5  # of a box with the truth, to be taken for it


def quality(sample: Sample, result: Result, alone: Judge) -> float | None:
    """By the judge who has seen this sample alone; None where there is nothing to judge."""
    match result:
        case Classification():
            return certainty(sample, result, alone.words)
        case Boxes():
            return sorted_boxes(sample, result, alone.words).agreement
        case Mask() if alone.sums["confusion"].ravel()[1:].any():  # not the background alone
            return alone.scores()["miou"]
        case Pose():
            known = alone.records[-1][1]
            if (known["there"][:, 2] > 0).any():
                said, there = np.nan_to_num(known["said"])[None], known["there"][None]
                spreads = np.full(len(alone.words), SPREAD)
                near = nearness(said, there, known["box"][None], known["area"], spreads)
                return float(near[0, 0])
    return None


def certainty(sample: Sample, result: Classification, words: Words) -> float | None:
    """The chance of the right class where it is the first; else less than nothing."""
    truth = int(words.judged(np.array(sample.kind)))
    if truth < 0 or not result.classes:
        return None
    said, chance = result.classes[0]
    return chance if words.number(said) == truth else -chance


@dataclass(frozen=True)
class Sorted:
    """Boxes that are sure enough, by what they are."""

    found: tuple[tuple[Box, float], ...]  # right, with their overlap
    missed: tuple[int, ...]  # rows of the truth
    wrong: tuple[Box, ...]

    @property
    def agreement(self) -> float | None:
        """Overlap, summed over what was found, against all there is and all that was said."""
        count = 2 * len(self.found) + len(self.missed) + len(self.wrong)
        return 2 * sum(overlap for _, overlap in self.found) / count if count else None


def sorted_boxes(sample: Sample, result: Boxes, words: Words) -> Sorted:
    there = sample.objects or Objects()
    kinds, ignored = words.judged(there.kinds).tolist(), there.ignored
    found: list[tuple[Box, float]] = []
    wrong: list[Box] = []
    left = {row for row, kind in enumerate(kinds) if kind >= 0}
    for box in sorted(sure(result).boxes, key=lambda box: -box.score):
        sides = np.array([[box.left, box.top, box.right, box.bottom]], np.float32)
        number = words.number(box.label)
        near = [
            (float(iou(sides, there.boxes[row][None])[0, 0]), row)
            for row in sorted(left)
            if kinds[row] == number
        ]
        overlap, row = max(near, default=(0.0, -1))
        if overlap >= OVERLAP:
            left.remove(row)
            found += [] if len(ignored) and ignored[row] else [(box, overlap)]
        elif number >= 0:
            wrong.append(box)
    missed = tuple(row for row in sorted(left) if not (len(ignored) and ignored[row]))
    return Sorted(tuple(found), missed, tuple(wrong))


def sure(result: Boxes) -> Boxes:
    return Boxes(tuple(box for box in result.boxes if box.score >= SURE))


def offset(sample: Sample) -> tuple[float, float]:
    """Where what is looked at begins in the picture."""
    if sample.part is None:
        return 0.0, 0.0
    left, top, *_ = around(sample.part, open_picture(sample.picture).size)
    return float(left), float(top)
