"""Every kind of op says in C what it says in numpy: random weights, random odd sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from spindle.compiler.steps import about
from spindle.compiler.targets import Isa
from spindle.model.answers import Detect
from spindle.model.graph import Graph
from spindle.model.ops import Conv, Image, Op, Resize, Rows, Tensor
from tests.compiled import HERE
from tests.networks import ISAS, alike, built, emitted
from tests.settled import settled
from tests.test_reference import STRATEGIES


def drawn(choices: st.DataObject, kind: type[Op]) -> Graph:
    """One op of this kind, which reads a convolution of the picture."""
    height, width, channels = (choices.draw(st.integers(1, n)) for n in (13, 13, 6))
    image = Image("image", (), height, width)
    first = Conv("first", (image.output,), 5 if kind is Detect else channels)
    op = STRATEGIES[kind](choices.draw, first.output)
    ops: tuple[Op, ...] = (image, first, op)
    if isinstance(op, Detect):
        column = Rows("column", (first.output,), 5)
        picked = Conv("picked", (column.output,), 4)
        ops = (image, first, column, picked, Rows("deltas", (picked.output,), 4), op)
    elif isinstance(op, Resize):
        like = Conv("like", (image.output,), 2, 3, choices.draw(st.integers(1, 4)), padding="same")
        ops = (image, first, like, Resize("op", op.inputs, like.output, op.corners))
    try:
        made = tuple(one.output for one in ops)
    except ValueError:
        assume(False)
    told = (made[-1], made[2], made[-2]) if kind in (Detect, Resize) else made[-1:]
    return Graph(ops, tuple(dict.fromkeys(told)))  # what it reads is told too


@pytest.mark.skipif(not HERE, reason="there is no C compiler here: pip install ziglang")
@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)
@settings(max_examples=2, phases=[Phase.generate])
@given(choices=st.data(), seed=st.integers(0, 10**6), isa=st.sampled_from(ISAS))
def test_c_and_numpy_agree(kind: type[Op], choices: st.DataObject, seed: int, isa: Isa) -> None:
    threads = choices.draw(st.integers(1, 3))
    graphs = [drawn(choices, kind) for _ in range(3)]
    weights = [settled(graph, seed) for graph in graphs]
    pairs = zip(graphs, weights, strict=True)
    sources = [emitted(g, w, isa, threads, f"m{i}") for i, (g, w) in enumerate(pairs)]
    for network, graph, numbers in zip(built(sources, isa), graphs, weights, strict=True):
        picture = np.random.default_rng(seed).integers(0, 256, graph.input.shape, np.uint8)
        found = network.run(picture)
        alike(graph, numbers, picture, found)
        shared = network.run(picture, threads)
        assert all(found[name].tobytes() == shared[name].tobytes() for name in found)


def test_an_op_is_told_with_its_shapes_and_its_cost() -> None:
    op = Conv("op", (Tensor("x", (10, 20, 30)),), 40)
    assert about(op) == "Conv: 10x20x30 -> 10x20x40, 0.2 M"
    assert about(Image("image", (), 4, 5)) == "Image: bytes -> 4x5x3"
