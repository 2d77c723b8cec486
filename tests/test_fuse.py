"""A shortcut joins the convolution before it where that changes nothing, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.compiler import reference
from spindle.compiler.fold import fold
from spindle.compiler.fuse import fuse
from spindle.compiler.fused import Sum
from spindle.model.family import mobilenet_v2
from spindle.model.graph import Builder, Graph
from spindle.model.mobilenet import Ablation
from spindle.model.ops import Add, Conv, Deconv, Tensor
from tests.settled import settled


def fused(graph: Graph) -> Graph:
    """After folding and fusing: the same numbers to the bit, and all weights in their places."""
    before, numbers = fold(graph, settled(graph))
    after, renamed = fuse(before, dict(numbers))
    assert after.arrays == {name: array.shape for name, array in renamed.items()}
    assert after.outputs == graph.outputs and after.madds == before.madds
    places = {op.name: place for place, op in enumerate(after.ops)}
    for op in after.ops:
        assert all(places[tensor.name] < places[op.name] for tensor in op.reads)
    picture = np.random.default_rng(1).integers(0, 256, (2, *graph.input.shape), np.uint8)
    meant = reference.run(before, numbers, picture)
    found = reference.run(after, renamed, picture)
    assert all((meant[name] == found[name]).all() for name in meant)
    return after


def counted(graph: Graph) -> tuple[int, int]:
    """Sums that are part of a convolution, and those that stand alone."""
    kinds = [type(op) for op in graph.ops]
    return kinds.count(Sum), kinds.count(Add)


def test_every_shortcut_of_the_network_is_part_of_a_projection() -> None:
    graph = mobilenet_v2(0.1, 64, classes=3)
    number = counted(graph)[1]
    assert number >= 10 and counted(fused(graph)) == (number, 0)
    wide = mobilenet_v2(0.1, 64, classes=3, ablation=Ablation(shortcut="expansion"))
    assert counted(wide)[1] > 0 and counted(fused(wide))[1] == 0
    relu = mobilenet_v2(0.1, 64, classes=3, ablation=Ablation(linear=False))
    assert counted(fused(relu)) == (number, 0)  # added after its ReLU6, not before


@pytest.fixture
def g() -> Builder:
    return Builder((6, 5))


def two(g: Builder) -> tuple[Tensor, Tensor]:
    return g.conv(g.image, "a", 4), g.conv(g.image, "b", 4)


def test_the_later_one_adds_the_earlier_whatever_their_order(g: Builder) -> None:
    a, b = two(g)
    for name, pair in (("s", (a, b)), ("t", (b, a))):
        graph = fused(g.graph(g.sum(*pair, name)))
        assert [op.name for op in graph.ops] == ["image", "a", name]
        made = graph.ops[-1]
        assert isinstance(made, Sum) and made.shortcut == a
        assert made.alone.shape() == a.shape and made.inputs[0] == g.image


def test_what_another_reads_stays(g: Builder) -> None:
    a, b = two(g)
    other = g.depthwise(b, "other")
    assert counted(fused(g.graph(g.sum(a, b, "s"), other))) == (0, 1)


def test_what_is_an_output_stays(g: Builder) -> None:
    a, b = two(g)
    assert counted(fused(g.graph(b, g.sum(a, b, "s")))) == (0, 1)


def test_what_is_measured_by_stays(g: Builder) -> None:
    a, b = two(g)
    sized = g.resize(a, "sized", like=b)
    assert counted(fused(g.graph(g.sum(a, b, "s"), sized))) == (0, 1)


def test_a_tensor_added_to_itself_stays(g: Builder) -> None:
    a, _ = two(g)
    assert counted(fused(g.graph(g.sum(a, a, "s")))) == (0, 1)


def test_depthwise_and_transposed_ones_and_pictures_stay(g: Builder) -> None:
    a, _ = two(g)
    deep = g.depthwise(a, "deep")
    up = g.add(Deconv("up", (a,), 4, 3, 1, padding=1))
    assert counted(fused(g.graph(g.sum(a, deep, "s"), g.sum(a, up, "t")))) == (0, 2)
    plain = Builder((6, 5))
    thin = plain.conv(plain.image, "thin", 3)
    assert counted(fused(plain.graph(plain.sum(plain.image, thin, "s")))) == (1, 0)


def test_a_sum_of_sums(g: Builder) -> None:
    """A convolution adds once: the second sum has no convolution left before it."""
    a, b = two(g)
    first = g.sum(a, b, "first")
    assert counted(fused(g.graph(g.sum(first, a, "again")))) == (1, 1)
    c = g.conv(first, "c", 4)
    assert counted(fused(g.graph(g.sum(first, c, "second")))) == (2, 0)


def test_a_sum_must_fit() -> None:
    x, y = Tensor("x", (4, 4, 2)), Tensor("y", (4, 4, 3))
    assert Sum("s", (x, y), 3).output.shape == (4, 4, 3)
    with pytest.raises(ValueError, match=r"cannot add \(4, 4, 3\) to \(4, 4, 2\)"):
        Sum("s", (x, y), 2).output  # noqa: B018
    with pytest.raises(ValueError, match="takes what it convolves and what it adds"):
        Sum("s", (x,), 2).output  # noqa: B018
    assert isinstance(Sum("s", (x, y), 3), Conv)
