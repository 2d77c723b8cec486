"""Ends that hold on pictures that were not seen: tried on pictures that were not seen."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.compiler.margins import LEAST, reach, stretched
from spindle.compiler.ranges import Ends
from spindle.model.graph import Builder
from spindle.model.ops import Op


def maker(act: str | None = None, size: int = 4) -> Op:
    g = Builder((size, size))
    g.conv(g.image, "conv", 3, act=act, norm=None)  # type: ignore[arg-type]
    return g.ops["conv"]


def test_minmax_is_what_was_seen_with_0_among_it() -> None:
    ends = Ends(np.array([[1.0, -2, -1], [2, -3, -1]]), np.array([[3.0, -1, 4], [5, -1, 2]]))
    low, high = reach(maker(), ends, "minmax")
    assert low.tolist() == [0, -3, -1] and high.tolist() == [5, 0, 4]


@pytest.mark.parametrize("setting", ["minmax", "percentile", "measured"])
@pytest.mark.parametrize("act", ["relu", "relu6"])
def test_ends_are_none_that_the_op_cannot_reach(setting: str, act: str) -> None:
    rng = np.random.default_rng(0)
    ends = Ends(rng.normal(0, 1, (20, 3)), np.abs(rng.normal(5, 3, (20, 3))))
    low, high = reach(maker(act), ends, setting)  # type: ignore[arg-type]
    assert (low == 0).all() and (high > 0).all()
    assert act == "relu" or (high <= 6).all()


def test_a_dead_channel_is_given_some_width() -> None:
    ends = Ends(np.zeros((2, 3)), np.array([[0.0, 2, 1], [0, 2, 1]]))
    low, high = reach(maker("relu"), ends, "minmax")
    assert high[0] - low[0] == pytest.approx(2 * LEAST)


def test_a_percentile_leaves_the_rare_out() -> None:
    tops = np.ones((100, 3))
    tops[7] = 50
    assert (reach(maker("relu"), Ends(tops * 0, tops), "percentile")[1] == 1).all()


def loss(end: np.ndarray, tops: np.ndarray) -> float:
    return float(
        (np.maximum(tops - end, 0) ** 2).mean(0).sum()
        + (end / 255 / 12**0.5) @ (end / 255 / 12**0.5)
    )


def test_ends_of_rare_things_are_stretched_and_that_pays_on_other_pictures() -> None:
    rng = np.random.default_rng(1)
    tops = np.exp(rng.normal(0, 1.0, (200, 400)))  # each picture is large in channels of its own
    shown, other = tops[:100], tops[100:]
    end = stretched(shown, 1.0)
    assert (end >= shown.max(0)).all()
    assert loss(end, other) < 0.8 * loss(shown.max(0), other)


def test_ends_that_every_picture_reaches_stay() -> None:
    tops = np.repeat(np.arange(1.0, 9)[None], 10, 0)
    assert (stretched(tops, 1.0) == tops.max(0)).all()
    assert (stretched(tops * 0, 1.0) < 1e-8).all()
