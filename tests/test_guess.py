"""What norms tell of tensors, against what tensors hold."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.compiler import reference
from spindle.compiler.fold import fold
from spindle.compiler.fuse import fuse
from spindle.compiler.guess import guess
from spindle.compiler.quantize import Manner, quantize
from spindle.compiler.ranges import observe
from spindle.model.ops import Conv
from tests.settled import settled
from tests.test_quantize import HEADS, network


def pictures() -> np.ndarray:
    """As unlike each other as those by which the norms have counted."""
    return np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("head", HEADS)
def test_nearly_all_numbers_lie_between_the_ends(head: str) -> None:
    whole = network(head)
    weights = settled(whole)
    graph, exact = fold(whole, weights)
    known, seen = guess(whole, weights, graph, exact), observe(graph, exact, pictures())
    for op in graph.ops:
        if isinstance(op, Conv) and next(o for o in whole.ops if o.name == op.name).statistics:
            low, high = (seen.ends[op.name].low.min(0), seen.ends[op.name].high.max(0))
            inside = (known.ends[op.name].high[0] >= high) | (high <= 0)
            inside &= (known.ends[op.name].low[0] <= low) | (op.act is not None)
            assert inside.mean() > 0.6, op.name
        if isinstance(op, Conv):
            assert known.windows[op.name].spread.shape == seen.windows[op.name].spread.shape


def test_by_norms_alone_a_network_says_much_the_same() -> None:
    whole = network("classifier")
    weights = settled(whole)
    graph, exact = fold(whole, weights)
    made = quantize(graph, exact, guess(whole, weights, graph, exact), Manner("minmax"))
    meant, found = (
        np.log(reference.run(*both, pictures())[graph.output.name])
        for both in ((graph, exact), fuse(*made))
    )
    assert np.corrcoef(meant.ravel(), found.ravel())[0, 1] > 0.7


def test_a_folded_network_says_that_it_knows_nothing() -> None:
    graph, exact = fold(network("classifier"), settled(network("classifier")))
    with pytest.raises(ValueError, match="folded in, so nothing is known .* --calibrate"):
        guess(graph, exact, graph, exact)
