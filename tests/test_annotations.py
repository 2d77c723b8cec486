"""What somebody marked, as rows: clipped, or left out with a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.forms.annotations import Mark, gather, numbers
from spindle.data.samples import Problem

places = st.floats(-50, 150)


@given(places, places, places, places)
def test_a_box_ends_inside_or_is_told_of(a: float, b: float, c: float, d: float) -> None:
    problems: list[Problem] = []
    found = gather([Mark(1, (a, b, c, d), "box")], (100, 60), "f", problems)
    inside = np.clip([a, b, c, d], 0, [100, 60, 100, 60])
    if c <= a or d <= b:
        assert "degenerate" in problems[0].what and problems[0].fatal and not len(found)
    elif inside[2] <= inside[0] or inside[3] <= inside[1]:
        assert "outside" in problems[0].what and problems[0].fatal and not len(found)
    else:
        assert np.array_equal(found.boxes, inside[None].astype(np.float32))
        over = np.abs(inside - [a, b, c, d]).max()
        assert bool(problems) == (over > 1.5) and not any(p.fatal for p in problems)


def test_rows_of_objects() -> None:
    marks = [
        Mark(3, (0, 0, 10, 5), "one", ignored=True),
        Mark(1, (1, 1, 3, 3), "two", crowd=True, area=2.5),
    ]
    found = gather(marks, (20, 20), "f", [])
    assert found.kinds.tolist() == [3, 1] and found.ignored.tolist() == [True, True]
    assert found.crowds.tolist() == [False, True] and found.areas.tolist() == [50, 2.5]
    assert found.points.shape == (2, 0, 3) and found.outlines == ()
    assert gather(marks, (20, 20), "f", [], outlined=True).outlines == (None, None)
    one = Mark(0, (0, 0, 9, 9), "body", points=[1, 2, 2, 0, 0, 0])
    assert gather([one], (9, 9), "f", []).points.tolist() == [[[1, 2, 2], [0, 0, 0]]]
    assert len(gather([], (9, 9), "f", [])) == 0


@pytest.mark.parametrize(
    "bad", [None, "12", [1, "2"], [True], [float("nan")], [float("inf")], [10**400], {}, [None]]
)
def test_numbers_are_finite_numbers(bad: Any) -> None:
    assert numbers(bad) is None


def test_so_many_numbers() -> None:
    assert numbers([1, 2.5], 2) == [1.0, 2.5] and numbers([1], 2) is None
