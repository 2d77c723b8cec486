"""Matching, precision and recall, judged by loops that say the rule word by word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.judges import average_precision as ap

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(0, 12), st.integers(0, 6))
def test_what_is_folded_unfolds(seed: int, said: int, ranges: int) -> None:
    flags = np.random.default_rng(seed).random((ranges, len(ap.OVERLAPS), said)) < 0.5
    assert (ap.unfold(ap.fold(flags)) == flags).all()


def test_a_crowd_is_overlapped_by_what_lies_in_it() -> None:
    said = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [50, 50, 60, 60.0]])
    there = np.array([[0, 0, 10, 10], [0, 0, 10, 100.0]])
    shares = ap.overlaps(said, there, np.array([False, True]))
    assert shares == pytest.approx(np.array([[1, 1], [1 / 3, 0.5], [0, 0]]))


def test_of_equals_the_last_is_taken_and_what_is_ignored_only_at_last() -> None:
    shares = np.array([[0.6, 0.6, 0.9], [0.6, 0.6, 0.9], [0.6, 0.6, 0.9], [0.6, 0.6, 0.9]])
    ignored, crowds = np.array([[False, False, True]]), np.array([False] * 3)
    found, passed = ap.match(shares, ignored, crowds)
    assert found[0, 0].tolist() == [True, True, True, False]
    assert passed[0, 0].tolist() == [False, False, True, False]
    assert found[0, -2].tolist() == passed[0, -2].tolist() == [True, False, False, False]
    for only, second in (([0.6, 0.0], True), ([0.0, 0.6], False)):
        found, _ = ap.match(np.array([[0.6, 0.6], only]), ignored[:, :2], crowds[:2])
        assert found[0, 0].tolist() == [True, second]
    found, passed = ap.match(shares, ignored, np.array([False, False, True]))
    assert found[0, 0].all() and passed[0, 0].tolist() == [False, False, True, True]


@given(seeds, st.integers(0, 12), st.integers(0, 8))
def test_voc_as_its_devkit_says_it(seed: int, said: int, there: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.integers(0, 5, (said, there)) / 4
    difficult = rng.random(there) < 0.3
    expected, taken = [], set()
    for row in shares:
        best = max(range(there), key=lambda g: (row[g], -g), default=None)
        if best is None or row[best] < 0.5:
            expected.append(0)
        elif difficult[best]:
            expected.append(-1)
        else:
            expected.append(int(best not in taken))
            taken.add(best)
    verdicts = ap.verdicts(shares, difficult)
    assert verdicts.tolist() == expected
    possible = int((~difficult).sum())
    if not possible:
        assert np.isnan(ap.voc_ap(verdicts, possible)).all()
        return
    curve = [(0.0, 0.0)]
    for end in range(1, said + 1):
        right, wrong = expected[:end].count(1), expected[:end].count(0)
        curve.append((right / possible, right / max(right + wrong, 1)))

    def best_from(recall: float) -> float:
        return max((p for r, p in curve if r >= recall - 1e-9), default=0.0)

    eleven = sum(best_from(step / 10) for step in range(11)) / 11
    steps = sorted({r for r, _ in curve})
    area = sum((b - a) * best_from(b) for a, b in zip(steps, steps[1:], strict=False))
    assert ap.voc_ap(verdicts, possible) == pytest.approx((eleven, area))


def test_voc_by_hand() -> None:
    # right, wrong, right of four: precision 1 to recall 1/4, then 2/3 to recall 1/2
    eleven, area = ap.voc_ap(np.array([1, 0, 1], np.int8), 4)
    assert area == pytest.approx((1 + 2 / 3) / 4)
    assert eleven == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)


@given(seeds, st.integers(0, 30), st.integers(1, 12))
def test_precision_is_the_best_at_that_recall_or_higher(seed: int, said: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    found, passed = rng.random((2, 3, said)) < 0.4
    possible = int((found & ~passed).sum(axis=1).max(initial=0)) + more - 1
    got, share = ap.precisions(found, passed, possible), ap.recalls(found, passed, possible)
    if not possible:
        assert np.isnan(got).all() and np.isnan(share).all()
        return
    for lane in range(3):
        heard = found[lane][~passed[lane]]
        curve = [
            (heard[: i + 1].sum() / possible, heard[: i + 1].mean()) for i in range(len(heard))
        ]
        for recall, precision in zip(ap.RECALLS, got[lane], strict=True):
            best = max((p for r, p in curve if r >= recall), default=0.0)
            assert precision == pytest.approx(best, abs=1e-9)
        assert share[lane] == pytest.approx(heard.sum() / possible)
