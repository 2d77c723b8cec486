"""Ends and spreads of tensors, against numpy's own on all that the tensors hold."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.compiler import ranges, reference
from spindle.compiler.ranges import by_tap, observe, trace, windows
from spindle.model.graph import Builder
from spindle.model.ops import Conv, Deconv
from tests.settled import settled


def network() -> Builder:
    g = Builder((9, 11))
    x = g.conv(g.image, "stem", 6, 3, 2, norm=None)
    x = g.depthwise(x, "filter", 1, 2, norm=None)
    g.conv(x, "project", 4, act=None, norm=None)
    return g


def pictures(number: int = 5) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (number, 9, 11, 3), np.uint8)


def test_the_trace_is_what_the_definition_makes() -> None:
    g = network()
    graph = g.graph(g["project"])
    weights, images = settled(graph), pictures()
    *_, (op, _, made) = trace(graph, weights, images)
    assert op.name == "project"
    assert (made == reference.run(graph, weights, images)["project"]).all()


def test_ends_are_those_of_every_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "AT_ONCE", 500)  # so that there are several batches
    g = network()
    graph = g.graph(g["project"])
    weights, images, told = settled(graph), pictures(), list[int]()
    seen = observe(graph, weights, images, told.append)
    for op, _, made in trace(graph, weights, images):
        assert (seen.ends[op.name].low == made.min((1, 2))).all()
        assert (seen.ends[op.name].high == made.max((1, 2))).all()
    assert told[-1] == len(images) and len(told) > 1


def test_spreads_foretell_the_variance_of_every_sum() -> None:
    g = network()
    graph = g.graph(g["project"])
    weights, images = settled(graph), pictures(8)
    seen = observe(graph, weights, images)
    for op, xs, _ in trace(graph, weights, images):
        if isinstance(op, Conv):
            sums = reference.summed(op, xs[0], weights[f"{op.name}.weight"])
            known = seen.windows[op.name]
            flat = weights[f"{op.name}.weight"].reshape(op.channels, -1)
            if op.depthwise:
                var = np.einsum("ck,ckl,cl->c", flat, known.spread, flat)
                mean = (flat * known.mean).sum(1)
            else:
                var = np.einsum("ok,kl,ol->o", flat, known.spread[0], flat)
                mean = flat @ known.mean[0]
            assert np.allclose(var, sums.var((0, 1, 2)), rtol=1e-3)
            assert np.allclose(mean, sums.mean((0, 1, 2)), rtol=1e-3, atol=1e-4)


def test_a_window_too_wide_is_read_tap_by_tap() -> None:
    g = Builder((5, 5))
    wide = g.conv(g.image, "wide", 300, norm=None)
    full = g.conv(wide, "full", 4, 3, norm=None)
    up = g.add(Deconv("up", (full,), 4, 4, 2, padding=1))
    made = {op.name: op for op in g.graph(up).ops if isinstance(op, Conv)}
    assert [by_tap(made[name]) for name in ("wide", "full", "up")] == [False, True, True]
    x = np.ones((1, 5, 5, 300), np.float32)
    assert windows(made["full"], x, np.random.default_rng(0), 100).shape == (25, 1, 300)
