"""Curves are drawn where the numbers are."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.app.curves import HIGH, LEFT, MARGIN, SCALE, WIDE, draw_curves
from spindle.data.paint import ACCENT


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_metric_stands_at_its_height(value: float) -> None:
    rows = [{"epoch": epoch, "train_loss": 1.0, "top1": value} for epoch in (1, 2, 3)]
    pixels = np.asarray(draw_curves(rows, ["top1"]))[:, WIDE * SCALE :]
    inside = pixels[:, (LEFT + 100) * SCALE : (WIDE - MARGIN - 120) * SCALE]
    down, _ = np.nonzero((inside == ACCENT).all(axis=2))
    wanted = (HIGH - MARGIN - value * (HIGH - 2 * MARGIN)) * SCALE
    assert abs(down.mean() - wanted) <= 2 * SCALE


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"epoch": 1, "train_loss": 0.0}],
        [{"epoch": 1, "train_loss": 2.0, "ap": 0.1}, {"epoch": 2, "train_loss": 1.0}],
    ],
)
def test_short_runs_have_pictures_too(rows: list[dict[str, float]]) -> None:
    assert draw_curves(rows, ["ap", "ap50"]).size == (2 * WIDE * SCALE, HIGH * SCALE)
