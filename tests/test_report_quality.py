"""How good an answer is, worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spindle.app.report.quality import certainty, offset, quality, sorted_boxes, sure
from spindle.data import metrics
from spindle.data.augment import look
from spindle.data.judges.wording import worded
from spindle.data.results import Box, Boxes, Classification, Mask, Pose, Result
from spindle.data.samples import VOID, Objects, Sample
from spindle.model.heads import Task

WORDS = worded(("cat", "dog"))


def things(*rows: tuple[float, float, float, float, int], ignored: Any = ()) -> Objects:
    return Objects(
        boxes=np.array([row[:4] for row in rows], np.float32).reshape(-1, 4),
        kinds=np.array([row[4] for row in rows], np.int64),
        ignored=np.array(ignored, np.bool_),
    )


def judged(task: Task, labels: tuple[str, ...], sample: Sample, result: Result) -> float | None:
    alone = metrics.judge(task, labels)
    alone.see(sample, result, (10, 10))
    return quality(sample, result, alone)


@pytest.mark.parametrize(
    ("kind", "said", "wanted"),
    [(0, "cat", 0.8), (1, "cat", -0.8), (1, "Dog", 0.8), (0, "bird", -0.8)],
)
def test_the_surest_mistake_is_the_worst(kind: int, said: str, wanted: float) -> None:
    result = Classification(((said, 0.8), ("nothing", 0.2)))
    assert certainty(Sample(b"", "a", kind=kind), result, WORDS) == wanted


def test_who_is_not_judged_has_no_quality() -> None:
    assert certainty(Sample(b"", "a", kind=-1), Classification((("cat", 1.0),)), WORDS) is None


def test_boxes_are_found_missed_or_wrong() -> None:
    sample = Sample(b"", "a", objects=things((0, 0, 10, 10, 0), (20, 0, 30, 10, 1)))
    result = Boxes(
        (
            Box("cat", 0.9, 0, 0, 10, 8),  # overlaps by 0.8
            Box("cat", 0.8, 0, 0, 10, 10),  # found already
            Box("dog", 0.7, 26, 0, 36, 10),  # overlaps by 0.25
            Box("dog", 0.2, 20, 0, 30, 10),  # not sure enough
            Box("bird", 0.9, 0, 0, 1, 1),  # which nobody judges
        )
    )
    told = sorted_boxes(sample, result, WORDS)
    assert [box.score for box, _ in told.found] == [0.9]
    assert [box.score for box in told.wrong] == [0.8, 0.7] and told.missed == (1,)
    assert told.agreement == pytest.approx(2 * 0.8 / (2 + 1 + 2))
    assert [box.score for box in sure(result).boxes] == [0.9, 0.8, 0.7, 0.9]


def test_what_is_ignored_is_neither_right_nor_wrong() -> None:
    sample = Sample(b"", "a", objects=things((0, 0, 10, 10, 0), ignored=[True]))
    told = sorted_boxes(sample, Boxes((Box("cat", 0.9, 0, 0, 10, 10),)), WORDS)
    assert (told.found, told.missed, told.wrong, told.agreement) == ((), (), (), None)
    assert sorted_boxes(Sample(b"", "a"), Boxes(()), WORDS).agreement is None


def test_a_mask_is_as_good_as_its_overlap() -> None:
    truth = np.zeros((10, 10), np.uint8)
    truth[:5] = 1
    truth[9] = VOID
    said = np.zeros((10, 10), np.int32)
    said[:4] = 1
    sample = Sample(b"", "a", mask=truth)
    by_hand = ((40 / 50) + (40 / 50)) / 2
    assert judged("segment", ("no", "yes"), sample, Mask(said, ("no", "yes"))) == by_hand
    nothing = Sample(b"", "a", mask=np.zeros((10, 10), np.uint8))
    assert judged("segment", ("no", "yes"), nothing, Mask(said * 0, ("no", "yes"))) is None


def test_a_pose_is_as_good_as_it_is_near() -> None:
    points = np.array([[[2, 2, 2], [8, 8, 2], [0, 0, 0]]], np.float32)
    there = Objects(
        boxes=np.array([[0, 0, 10, 10]], np.float32), kinds=np.zeros(1, np.int64),
        areas=np.array([100], np.float32), points=points,
    )  # fmt: skip
    sample, labels = Sample(b"", "a", objects=there), ("head", "foot", "tail")

    def pose(off: float) -> Pose:
        return Pose((("head", 2.0, 2.0, 0.5), ("foot", 8.0 + off, 8.0, 0.5), ("tail", 1, 1, 0.1)))

    assert judged("pose", labels, sample, pose(0)) == 1
    near = np.exp(-1 / (2 * 100 * (2 * 0.05) ** 2))
    assert judged("pose", labels, sample, pose(1)) == pytest.approx((1 + near) / 2)


def test_a_part_begins_where_it_was_cut() -> None:
    pixels = np.arange(40 * 30 * 3, dtype=np.uint32).reshape(30, 40, 3).astype(np.uint8)
    sample = Sample(pixels, "a", part=(10, 12, 20, 18))
    assert offset(sample) == look(sample)[1]
    assert offset(Sample(pixels, "a")) == (0, 0)
