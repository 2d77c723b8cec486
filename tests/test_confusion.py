"""Pictures and pixels are counted as the textbook says: loops and other formulas judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.judges.confusion import ClassifyJudge, SegmentJudge
from spindle.data.judges.wording import worded
from spindle.data.results import Boxes, Classification, Mask
from spindle.data.samples import VOID, Sample

seeds = st.integers(0, 2**32 - 1)


def answer(labels: list[str], chances: np.ndarray) -> Classification:
    order = np.argsort(-chances, kind="stable")
    return Classification(tuple((labels[i], float(chances[i])) for i in order))


@given(seeds, st.integers(1, 9), st.integers(1, 30))
def test_classes_of_pictures(seed: int, count: int, pictures: int) -> None:
    rng = np.random.default_rng(seed)
    labels = [f"kind {kind}" for kind in range(count)]
    truths = rng.integers(0, count, pictures)
    chances = rng.dirichlet(np.full(count, 0.3), pictures)
    judge = ClassifyJudge(worded(labels))
    for i, (truth, row) in enumerate(zip(truths, chances, strict=True)):
        judge.see(Sample(b"", str(i), kind=int(truth)), answer(labels, row), (1, 1))
    said, sure = chances.argmax(axis=1), chances.max(axis=1)
    order = np.argsort(-chances, axis=1, kind="stable")
    each = [(said == truths)[truths == kind].mean() for kind in np.unique(truths)]
    error = 0.0
    for low in range(15):
        inside = (sure > low / 15) & (sure <= (low + 1) / 15)
        if inside.any():
            gap = (said == truths)[inside].mean() - sure[inside].mean()
            error += abs(gap) * inside.mean()
    chance = np.clip(chances[np.arange(pictures), truths], 1e-12, 1)
    assert judge.scores() == pytest.approx(
        {
            "top1": (said == truths).mean(),
            "top5": (order[:, :5] == truths[:, None]).any(axis=1).mean(),
            "mean_accuracy": np.mean(each),
            "calibration_error": error,
            "loss": -np.log(chance).mean(),
        },
        abs=1e-8,
    )
    assert [known["accuracy"] for known in judge.per_class().values()] == pytest.approx(each)
    wrong = [(labels[t], labels[s]) for t, s in zip(truths, said, strict=True) if t != s]
    confused = judge.confusions()
    assert {(t, s): n for t, s, n in confused} == {pair: wrong.count(pair) for pair in wrong}
    assert [n for _, _, n in confused] == sorted((n for _, _, n in confused), reverse=True)


def test_a_bin_of_confidence_has_its_upper_end() -> None:
    labels = [f"kind {kind}" for kind in range(9)]
    judge = ClassifyJudge(worded(labels))
    for sure, truth in ((0.2, 1), (0.19, 0)):
        chances = np.array([sure, *[(1 - sure) / 8] * 8])
        judge.see(Sample(b"", "a", kind=truth), answer(labels, chances), (1, 1))
    assert judge.scores()["calibration_error"] == pytest.approx(abs(1 - 0.2 - 0.19) / 2)


def test_classes_that_only_one_side_knows() -> None:
    said = answer(["cow", "cat", "dog"], np.array([0.6, 0.3, 0.1]))
    judge = ClassifyJudge(worded(["cat", "owl", "dog"]))
    judge.see(Sample(b"", "a", kind=0), said, (1, 1))  # the cow is not heard, 3 of 4 for the cat
    assert judge.scores()["loss"] == pytest.approx(-math.log(0.75))
    judge.see(Sample(b"", "b", kind=1), said, (1, 1))
    judge.see(Sample(b"", "c", kind=-1), said, (1, 1))  # nobody knows what it is
    scores = judge.scores()
    assert (scores["top1"], scores["top5"], scores["mean_accuracy"]) == (0.5, 0.5, 0.5)
    judge = ClassifyJudge(worded(["cat", "owl", "dog"], ["owl", "dog"]))
    for kind in range(3):
        judge.see(Sample(b"", "d", kind=kind), said, (1, 1))
    assert judge.confusions() == [("owl", "dog", 1)] and judge.scores()["top1"] == 0.5
    judge.see(Sample(b"", "e", kind=1), answer(["cow"], np.array([1.0])), (1, 1))
    assert ("owl", "none of these", 1) in judge.confusions()


@given(seeds, st.integers(2, 6), st.integers(1, 4))
def test_classes_of_pixels(seed: int, count: int, pictures: int) -> None:
    rng = np.random.default_rng(seed)
    labels = tuple(f"kind {kind}" for kind in range(count))
    judge = SegmentJudge(worded(labels))
    drawn, said = [], []
    for number in range(pictures):
        high, wide = rng.integers(1, 12, 2)
        truth = rng.choice([*range(count - 1), VOID], (high, wide)).astype(np.uint8)
        pixels = np.where(
            rng.random((high, wide)) < 0.5, truth, rng.integers(0, count, (high, wide))
        )
        pixels = np.where(pixels == VOID, 0, pixels)
        sample = Sample(b"", str(number), mask=truth)
        judge.see(sample, Mask(pixels[::-1][::-1], labels), (int(wide), int(high)))
        drawn.append(truth[truth != VOID])
        said.append(pixels[truth != VOID])
    t, s = np.concatenate(drawn), np.concatenate(said)
    if not len(t):
        with pytest.raises(ValueError, match="nothing can be judged"):
            judge.scores()
        return
    kinds = sorted({*t.tolist(), *s.tolist()})
    ious = [((t == k) & (s == k)).sum() / ((t == k) | (s == k)).sum() for k in kinds]
    assert judge.scores() == pytest.approx(
        {
            "miou": np.mean(ious),
            "pixel_accuracy": (t == s).mean(),
            "mean_accuracy": np.mean([(s[t == k] == k).mean() for k in np.unique(t)]),
            "weighted_iou": sum((t == k).mean() * i for k, i in zip(kinds, ious, strict=True)),
        }
    )
    assert [known["iou"] for known in judge.per_class().values()] == pytest.approx(ious)


def test_masks_in_other_words() -> None:
    truth = np.array([[0, 1, 2, 2]], np.uint8)
    sample, size = Sample(b"", "a", mask=truth), (4, 1)
    other = Mask(np.array([[0, 1, 2, 3]]), ("background", "airplane", "cat", "cow"))
    labels = ["background", "aeroplane", "cat"]
    judge = SegmentJudge(worded(labels))
    judge.see(sample, other, size)
    assert judge.scores()["miou"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert judge.confusions() == [("cat", "none of these", 1)]
    judge = SegmentJudge(worded(labels, ["cat"]))
    judge.see(sample, other, size)
    assert judge.scores() == pytest.approx(dict.fromkeys(judge.scores(), 0.5))


def test_what_cannot_be_judged() -> None:
    judge = SegmentJudge(worded(["a", "b"]))
    sample = Sample(b"", "street.png", mask=np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match="street.png.* 2.*has the picture's size"):
        judge.see(sample, Mask(np.zeros((3, 2), int), ("a", "b")), (3, 2))
    with pytest.raises(ValueError, match="street.png.*give a model of this task"):
        judge.see(sample, Boxes(()), (3, 2))
