"""Weights on steps: near what they were, fit for pairs, and better in sums than the nearest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.compiler.rounding import (
    by_sums,
    nearest,
    partners,
    repeated,
    settled,
    steps,
    widest,
)
from spindle.model.graph import Builder
from spindle.model.grids import PAIR
from spindle.model.ops import Conv, Deconv


def conv(kind: str, channels: int = 5) -> Conv:
    g = Builder((6, 6))
    x = g.conv(
        g.image, "before", 7 if kind == "depthwise" else 300 if kind == "wide" else 6, norm=None
    )
    match kind:
        case "depthwise":
            g.depthwise(x, "conv", norm=None)
        case "painting":
            g.add(Deconv("conv", (x,), 6, 2, 2, groups=6))
        case "deconv":
            g.add(Deconv("conv", (x,), channels, 2, 2))
        case "point":
            g.conv(x, "conv", channels, norm=None)
        case _:
            g.conv(x, "conv", channels, 3, norm=None)
    op = g.ops["conv"]
    assert isinstance(op, Conv)
    return op


KINDS = ["depthwise", "deconv", "painting", "point", "full", "wide"]


def drawn(op: Conv, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact weights, and the spread of windows whose numbers are much alike."""
    rng = np.random.default_rng(seed)
    exact = by_sums(op, rng.normal(0, 1, op.weights["weight"]))
    groups, _, numbers = exact.shape
    mixed = rng.normal(0, 1, (groups, 4 * numbers, numbers)) + 3 * rng.normal(
        0, 1, (groups, 4 * numbers, 1)
    )
    return exact, mixed.transpose(0, 2, 1) @ mixed / (4 * numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back_in_their_order(kind: str) -> None:
    op = conv(kind)
    weight = np.arange(np.prod(op.weights["weight"])).reshape(op.weights["weight"])
    rows = by_sums(op, weight)
    assert (rows.reshape(weight.shape) == weight).all()
    step = np.arange(op.channels) + 1.0
    owned = rows.reshape(op.channels, -1) * 0 + np.arange(op.channels)[:, None] + 1
    assert ((repeated(op, step) + rows * 0).reshape(op.channels, -1) == owned).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rounded", ["nearest", "settled"])
def test_pairs_fit_into_16_bits_whatever_bytes_they_meet(kind: str, rounded: str) -> None:
    op = conv(kind)
    exact, spread = drawn(op, 1)
    step = repeated(op, steps(op, exact, spread, pairs=True)) * 0.6  # so that much is cut off
    if rounded == "nearest":
        whole = nearest(op, exact / step, pairs=True)
    else:
        whole = settled(op, exact / step, spread, pairs=True)
    assert (whole == np.rint(whole)).all() and np.abs(whole).max() == 127
    own = whole.reshape(op.weights["weight"])
    if op.depthwise and isinstance(op, Deconv):
        return  # each tap is by itself
    if op.depthwise:
        first, second = own[:, 0], own[:, 2]
    else:
        first, second = own[..., 0::2], own[..., 1::2]
    for sign in (1, -1):
        most = np.maximum(first * sign, 0) + np.maximum(second * sign, 0)
        assert most.max() <= PAIR
        assert most.max() * 255 <= 32767


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pairs", [False, True])
def test_no_weight_is_cut_off_on_the_widest_step(kind: str, pairs: bool) -> None:
    op = conv(kind)
    exact, _ = drawn(op, 2)
    step = widest(op, exact, pairs)[..., None]
    assert np.abs(nearest(op, exact / step, pairs) * step - exact).max() <= step.max() * 1.01


@given(st.sampled_from(["depthwise", "point", "full"]), st.integers(0, 99), st.booleans())
def test_sums_are_nearer_than_with_the_nearest_weights(kind: str, seed: int, pairs: bool) -> None:
    op = conv(kind, 40)
    exact, spread = drawn(op, seed)
    step = repeated(op, widest(op, exact, pairs).reshape(op.channels, -1).max(1) * 8)  # 4 bits
    errors = []
    for whole in (settled(op, exact / step, spread, pairs), nearest(op, exact / step, pairs)):
        off = whole * step - exact
        errors.append(np.einsum("gok,gkl,gol->", off, spread, off))
    assert errors[0] < errors[1] * (1.05 if kind == "depthwise" else 0.9)  # of few numbers


def test_partners_of_an_odd_number_of_channels() -> None:
    g = Builder((5, 5))
    g.conv(g.image, "stem", 4, 3, norm=None)
    op = g.ops["stem"]
    assert isinstance(op, Conv)
    assert partners(op)[:10].tolist() == [-1, 0, -1, 2, -1, 4, -1, 6, -1, -1]  # a row is one run
    assert partners(conv("depthwise")).tolist() == [-1] * 6 + [0, 1, 2]


def test_a_spread_that_few_pictures_have_shown_is_damped() -> None:
    op = conv("point")
    exact, _ = drawn(op, 3)
    broken = -np.eye(exact.shape[2])[None] * 1e-3  # less than nothing, as float32 may have it
    whole = settled(op, exact * 20, broken + 1e-9, pairs=True)
    assert np.isfinite(whole).all() and np.abs(whole - exact * 20).max() < 2
