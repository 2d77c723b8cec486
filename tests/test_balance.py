"""Scales between tensor and channel: no worse than either, by the errors that then are there."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.compiler.balance import balanced
from spindle.compiler.rounding import by_sums, nearest, widest
from spindle.model.graph import Builder
from spindle.model.ops import Conv

CHANNELS = 24


def reader(kernel: int) -> Conv:
    g = Builder((6, 6))
    g.conv(g.conv(g.image, "wide", CHANNELS, norm=None), "read", 16, kernel, norm=None)
    op = g.ops["read"]
    assert isinstance(op, Conv)
    return op


@pytest.mark.parametrize("kernel", [1, 3])
def test_errors_of_bytes_and_of_weights_together_are_least(kernel: int) -> None:
    op, rng = reader(kernel), np.random.default_rng(5)
    widths = np.exp(rng.normal(0, 1.5, CHANNELS))
    weight = rng.normal(0, 1, op.weights["weight"]) / widths**0.7
    x = rng.uniform(-1, 1, (4000, kernel**2, CHANNELS)) * widths
    flat, rows = x.reshape(4000, -1), by_sums(op, weight)
    finest = 2 * widths / 255
    chosen = balanced(finest, [(op, weight, np.cov(flat.T)[None])], pairs=False)
    assert (chosen >= finest).all() and (chosen <= finest.max()).all()

    def error(scale: np.ndarray) -> float:
        by = np.tile(scale, kernel**2)
        step = widest(op, rows * by, pairs=False)[..., None]
        whole = nearest(op, rows * by / step, pairs=False) * step / by
        exact = flat @ rows[0].T
        return float((((np.rint(flat / by) * by) @ whole[0].T - exact) ** 2 / exact.var(0)).mean())

    assert error(chosen) < 0.9 * min(error(finest), error(np.full_like(finest, finest.max())))


def test_without_such_readers_every_channel_is_as_fine_as_it_can_be() -> None:
    finest = np.array([1.0, 2, 3])
    assert (balanced(finest, [], pairs=True) == finest).all()
