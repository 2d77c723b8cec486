"""Intervals hold the truth as often as they say, and a judge can be put together again."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
import pytest

from spindle.app.report.sureness import (
    Interval,
    Part,
    bootstrap,
    interval,
    jackknife,
    student,
    together,
    wilson,
)
from spindle.data import metrics
from spindle.data.judges.judge import Judge
from spindle.data.results import Box, Boxes, Classification, Embedding, Mask, Pose, Result
from spindle.data.samples import Objects, Sample
from spindle.model.heads import Task

LABELS = ("a", "b", "c")


@pytest.mark.parametrize(("right", "of"), [(0, 20), (20, 20), (150, 153), (50, 100), (700, 1000)])
def test_wilson_is_where_the_normal_test_would_just_not_reject(right: int, of: int) -> None:
    """Its ends solve |share - p| = z sqrt(p (1 - p) / n): that is how Wilson defines them."""
    found = wilson(right, of)
    assert found is not None
    for p in (found.low, found.high):
        if 1e-9 < p < 1 - 1e-9:
            assert abs(right / of - p) == pytest.approx(1.959964 * (p * (1 - p) / of) ** 0.5)
    assert found.low <= right / of <= found.high


@pytest.mark.parametrize("p", [0.5, 0.8, 0.95])
def test_wilson_holds_the_truth_with_95_in_100(p: float) -> None:
    n, held = 60, 0.0
    for right in range(n + 1):
        found = wilson(right, n)
        assert found is not None
        if found.low <= p <= found.high:
            held += comb(n, right) * p**right * (1 - p) ** (n - right)
    assert 0.91 < held < 0.985


@pytest.mark.parametrize("way", [bootstrap, jackknife])
def test_an_interval_holds_the_truth_with_95_in_100(way: Callable[..., Interval]) -> None:
    rng, held, wide = np.random.default_rng(3), 0, 0.0
    for _ in range(100):
        values = rng.normal(0.5, 0.1, 100)
        found = way(lambda draw, values=values: float(values[draw].mean()), 100, "so")
        held += found.low <= 0.5 <= found.high
        wide += found.high - found.low
    assert 0.90 <= held / 100 <= 1
    assert wide / 100 == pytest.approx(2 * 1.96 * 0.01, rel=0.12)


def test_leaving_out_each_one_is_the_standard_error() -> None:
    """Of a mean the jackknife is exact."""
    values = np.array([0.1, 0.4, 0.35, 0.8, 0.6, 0.55])
    found = jackknife(lambda draw: float(values[draw].mean()), 6, "so")
    assert found is not None
    error = values.std(ddof=1) / 6**0.5
    assert found.high - values.mean() == pytest.approx(2.571 * error, rel=0.01)


@pytest.mark.parametrize(("freedom", "known"), [(4, 2.776), (9, 2.262), (19, 2.093), (400, 1.966)])
def test_student_is_as_in_his_table(freedom: int, known: float) -> None:
    assert student(freedom) == pytest.approx(known, rel=0.02)


def test_of_too_few_nothing_is_said() -> None:
    assert wilson(4, 4) is None
    assert bootstrap(lambda draw: 1.0, 4, "") is None
    assert jackknife(lambda draw: len(draw) / 4, 4, "") is None
    assert jackknife(lambda draw: 1.0, 400, "") is None  # nor where all are alike


def seen(task: Task, number: int) -> tuple[Sample, Result]:
    """A picture of 20 x 20, and something said of it that is not quite right."""
    rng = np.random.default_rng(number)
    kind = int(rng.integers(3))
    name = f"p{number // 2}.jpg#{number % 2}" if task == "pose" else f"p{number}.jpg"
    match task:
        case "classify":
            said = LABELS[kind if rng.random() < 0.7 else 0]
            rest = [(label, 0.1) for label in LABELS if label != said]
            return Sample(b"", name, kind=kind), Classification(((said, 0.8), *rest))
        case "detect":
            box = np.array([[2, 2, 12, 12]], np.float32) + rng.integers(0, 5)
            left, top, right, bottom = (box[0] + rng.integers(0, 3)).tolist()
            there = Objects(boxes=box, kinds=np.array([kind]))
            found = Box(LABELS[kind], float(rng.random()), left, top, right, bottom)
            return Sample(b"", name, objects=there), Boxes((found,))
        case "segment":
            truth = rng.integers(0, 3, (20, 20)).astype(np.uint8)
            classes = np.where(rng.random((20, 20)) < 0.8, truth, 0)
            return Sample(b"", name, mask=truth), Mask(classes.astype(np.int32), LABELS)
        case "pose":
            points = np.zeros((1, 3, 3), np.float32)
            points[0, :, :2], points[0, :, 2] = rng.integers(0, 20, (3, 2)), 2
            there = Objects(
                boxes=np.array([[0, 0, 20, 20]], np.float32), kinds=np.zeros(1, np.int64),
                areas=np.array([400], np.float32), points=points,
            )  # fmt: skip
            off = points[0, :, :2] + rng.normal(0, 1, (3, 2))
            return Sample(b"", name, objects=there), Pose(
                tuple(
                    (n, float(x), float(y), float(rng.random())) for n, (x, y) in zip(LABELS, off)
                )
            )
        case "embed":
            vector = rng.normal(0, 0.7, 8) + np.eye(8)[kind]
            return Sample(b"", name, kind=kind), Embedding(vector / np.linalg.norm(vector))


def judged(task: Task, numbers: list[int]) -> tuple[Judge, list[Part]]:
    whole, parts = metrics.judge(task, LABELS), []
    for number in numbers:
        sample, result = seen(task, number)
        alone = metrics.judge(task, LABELS)
        for judge in (whole, alone):
            judge.see(sample, result, (20, 20))
        parts.append(Part.of(sample.name, alone))
    return whole, parts


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_the_parts_of_a_judge_are_the_judge(task: Task) -> None:
    whole, parts = judged(task, [*range(12)])
    groups = [[part] for part in parts]
    if task == "pose":  # two people in each picture
        groups = [parts[i : i + 2] for i in range(0, 12, 2)]
    again = together(whole, groups)
    assert again.scores() == pytest.approx(whole.scores())
    twice = together(whole, groups + groups[:1])
    for name, value in twice.sums.items():
        first = sum(judged(task, [*range(2 if task == "pose" else 1)])[0].sums[name].ravel())
        assert value.sum() == whole.sums[name].sum() + first


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "pose", "embed"])
def test_the_interval_is_about_the_score(task: Task) -> None:
    judge, parts = judged(task, [*range(40)])
    found = interval(judge, parts)
    score = judge.scores()[metrics.HEADLINE[task]]
    assert found is not None
    assert 0 <= found.low < score < found.high <= 1
    assert found.high - found.low < 0.6
    assert ("Wilson" in found.how) == (task == "classify")
    assert task != "pose" or "over 20 pictures" in found.how
