"""Charts put points where the numbers are, and their axes speak round numbers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.app.report.charts import (
    BOTTOM,
    HIGH,
    LEFT,
    RIGHT,
    TOP,
    WIDE,
    Axis,
    Line,
    around,
    bar,
    chart,
    curve,
    place,
    span,
)
from spindle.app.report.price import published
from spindle.model.family import VARIANTS

numbers = st.floats(1e-3, 1e6)


@given(numbers, st.floats(1e-3, 1e6), st.booleans())
def test_ticks_are_few_round_and_inside(low: float, wide: float, powers: bool) -> None:
    axis = Axis("", low, low + wide, powers and wide > low)
    ticks = axis.ticks()
    assert all(low <= tick * (1 + 1e-6) and tick <= (low + wide) * (1 + 1e-6) for tick in ticks)
    assert len(ticks) <= 40 and ticks == sorted(ticks)
    if not axis.powers:
        assert 2 <= len(ticks) <= 9
        steps = {round((after - before) / wide, 6) for before, after in zip(ticks, ticks[1:])}
        assert len(steps) == 1
    for tick in ticks:
        assert 0 <= axis.share(max(min(tick, axis.high), axis.low)) <= 1


def test_corners_are_corners() -> None:
    across, up = Axis("", 1, 100, powers=True), Axis("", 0, 2)
    assert place(across, up, (1, 0)) == (LEFT, HIGH - BOTTOM)
    assert place(across, up, (100, 2)) == (WIDE - RIGHT, TOP)
    assert place(across, up, (10, 1)) == pytest.approx(
        ((LEFT + WIDE - RIGHT) / 2, (TOP + HIGH - BOTTOM) / 2)
    )


def test_a_line_goes_through_its_points() -> None:
    made = chart("t", Axis("x", 0, 10), Axis("y", 0, 1), [Line("a<b", ((0, 0), (5, 1)))])
    assert f'd="M{LEFT:.1f} {HIGH - BOTTOM:.1f}L' in made and f' {TOP:.1f}"' in made
    assert "a&lt;b" in made and "a<b" not in made


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=1, max_size=20))
def test_any_run_has_a_curve(points: list[tuple[int, float]]) -> None:
    made = curve("t", [Line("a", tuple((float(x), y) for x, y in sorted(points)))], unit=True)
    places = [float(number) for number in re.findall(r'(?:cx|cy|x|y|x1|y1)="([-\d.]+)"', made)]
    assert places and all(-1 <= number <= WIDE for number in places)
    assert "nan" not in made and "inf" not in made


def test_values_have_air() -> None:
    low, high = around([1.0, 1.0])
    assert low < 1 < high


@pytest.mark.parametrize(("share", "width"), [(-1, "0.0%"), (0.5, "50.0%"), (7, "100.0%")])
def test_a_bar_stays_in_its_cell(share: float, width: str) -> None:
    assert f"width:{width}" in bar(share)


def test_an_interval_lies_about_its_value() -> None:
    made = span(0.25, 0.5, 0.75)
    assert "left:25.0%;width:50.0%" in made and "left:50.0%" in made


def test_the_paper_s_points_are_all_there() -> None:
    madds = {f"{v.width}-{v.size}": cost for v, cost in published()}
    assert madds.keys() == VARIANTS.keys() and len(madds) == 22
    assert madds["1.0-224"] == pytest.approx(300.774272)  # the paper says 300
