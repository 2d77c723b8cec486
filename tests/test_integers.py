"""The whole numbers of an op say what its weights say, as nearly as its steps are fine."""

from __future__ import annotations

import numpy as np
import pytest

import spindle
from spindle.compiler import reference
from spindle.compiler.cast import cast
from spindle.compiler.fuse import fuse
from spindle.compiler.fused import Cast
from spindle.compiler.integers import by_taps, integers, ratio
from spindle.model.grids import Grid, grids, unit, whole
from spindle.model.ops import Conv
from tests.gridded import gridded
from tests.settled import settled

GRAPH = spindle.mobilenet_v2(0.1, (32, 32), classes=3).until("logits")


def test_sums_are_worth_what_the_weights_say() -> None:
    graph, weights = gridded(GRAPH, settled(GRAPH))
    known = grids(graph, weights)
    rng = np.random.default_rng(1)
    for op in graph.ops:
        if not (isinstance(op, Conv) and op.whole):
            continue
        own, read = integers(op, weights, known), known[op.inputs[0].name]
        x = rng.integers(0, 256, (1, *op.inputs[0].shape), np.uint8)
        sums = reference.summed(op, x - read.zero.astype(np.float64), own.weight.astype(float))
        worth = (sums + own.start) * weights[f"{op.name}.step"]
        meant = own.weight * unit(op, weights, known).astype(np.float64)
        numbers = (x.astype(np.float64) - read.zero) * read.scale
        aside = by_taps(own.weight, read.middle.astype(np.float64) - read.zero)
        shift = weights[f"{op.name}.bias"] - aside * weights[f"{op.name}.step"]
        exact = reference.summed(op, numbers, meant) + shift
        assert np.abs(worth - exact).max() <= weights[f"{op.name}.step"].max()


def test_sums_that_do_not_fit_are_refused() -> None:
    graph, weights = gridded(GRAPH, settled(GRAPH))
    op = next(op for op in graph.ops if op.name == "logits")
    assert isinstance(op, Conv)
    weights["logits.step"] = weights["logits.step"] * np.float32(1e-9)
    with pytest.raises(ValueError, match="too large for bytes"):
        integers(op, weights, grids(graph, weights))


def test_a_shortcut_that_does_not_fit_is_refused() -> None:
    """Its bytes would be 255 in numpy, and on x86 0."""
    known = [Grid(np.full(2, scale, np.float32), np.zeros(2, np.float32)) for scale in (1, 1e-7)]
    assert ratio(*known[::-1]).max() < 1e-6
    with pytest.raises(ValueError, match="too large for the bytes that are made"):
        ratio(*known)


@pytest.mark.parametrize("seed", range(4))
def test_bytes_and_numbers_meet_in_casts_alone(seed: int) -> None:
    graph, weights = fuse(*gridded(GRAPH, settled(GRAPH), seed, 0.5))
    after, numbers = cast(graph, weights)
    for op in after.ops[1:]:
        assert isinstance(op, Cast) or whole(op) or not (op.grid or any(t.grid for t in op.inputs))
    picture = np.random.default_rng(seed).integers(0, 256, GRAPH.input.shape, np.uint8)
    one, other = reference.run(graph, weights, picture), reference.run(after, numbers, picture)
    assert one["logits"].tobytes() == other["logits"].tobytes()
