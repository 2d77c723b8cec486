"""Networks get grids where nothing needs more, and then say nearly the same in bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spindle.compiler import quads, reference
from spindle.compiler.fold import fold
from spindle.compiler.fuse import fuse
from spindle.compiler.quantize import PLAIN, Manner, edges, quantize
from spindle.compiler.ranges import observe
from spindle.compiler.targets import AVX2
from spindle.model import grids
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.family import mobilenet_v2
from spindle.model.graph import Builder, Graph
from spindle.model.ops import Conv
from tests.settled import settled

HEADS = [
    "classifier",
    "ssdlite",
    "ssd",
    "deeplab",
    "deeplab-aspp",
    "pose",
    "pose-light",
    "embedding",
]


def network(head: str) -> Graph:
    return (
        mobilenet_v2(0.1, 64, head=head, classes=4)
        if head != "embedding"
        else mobilenet_v2(0.1, 64, head=head)
    )


def pictures(number: int = 6) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (number, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_in_bytes_says_nearly_the_same(head: str) -> None:
    whole = network(head)
    graph, weights = fold(whole, settled(whole))
    ends = [
        t.name
        for op in graph.ops
        for t in op.inputs
        if isinstance(op, Softmax | ArgMax | Detect | Peaks | Normalize)
    ]
    graph = graph.until(*ends)
    weights = {name: weights[name] for name in graph.arrays}
    images = pictures()
    changed, numbers = quantize(graph, weights, observe(graph, weights, images))
    grids.check(changed, numbers)
    assert changed.arrays == {name: array.shape for name, array in numbers.items()}
    convolutions = [op for op in changed.ops if isinstance(op, Conv)]
    assert sum(op.whole for op in convolutions) >= len(convolutions) - 3  # after a bilinear resize
    meant = reference.run(graph, weights, images[:2])
    found = reference.run(*fuse(changed, numbers), images[:2])
    for name in ends:
        off = (meant[name] - found[name]).std() / meant[name].std()
        assert off < 0.5, name  # of a network at random; chance would be 1.4


def test_what_a_float_op_reads_is_no_byte() -> None:
    whole = network("classifier")
    graph, weights = fold(whole, settled(whole))
    there = edges(graph, weights)
    fused, _ = fuse(graph, weights)
    last = [op.name for op in fused.ops if isinstance(op, Conv)][-1]
    assert "image" in there and "pool" in there
    assert last not in there and graph.output.name not in there
    assert there == {op.name for op in fused.ops} - {last, graph.output.name}


def test_a_tensor_left_in_float32_has_no_grid_and_its_readers_no_step() -> None:
    whole = network("classifier")
    graph, weights = fold(whole, settled(whole))
    images = pictures()
    name = "block05_add" if any(op.name == "block05_add" for op in graph.ops) else "block04_project"
    changed, numbers = quantize(graph, weights, observe(graph, weights, images), floats=(name,))
    assert not next(op for op in changed.ops if op.name == name).grid
    for op in changed.ops:
        if isinstance(op, Conv):
            reads = op.inputs[0].name == name
            assert (f"{op.name}.step" in numbers) is not reads or not op.inputs[0].grid
    out = graph.output.name
    assert np.isfinite(reference.run(*fuse(changed, numbers), images[:1])[out]).all()


def test_plain_has_one_scale_for_a_tensor_and_touches_no_bias() -> None:
    whole = network("classifier")
    graph, weights = fold(whole, settled(whole))
    changed, numbers = quantize(graph, weights, observe(graph, weights, pictures()), PLAIN)
    for op in changed.ops:
        if f"{op.name}.scale" in numbers:
            assert np.ptp(numbers[f"{op.name}.scale"]) == 0
        if isinstance(op, Conv):
            assert (numbers[f"{op.name}.bias"] == weights[f"{op.name}.bias"]).all()


@pytest.mark.parametrize("manner", [Manner(), Manner(hasty=True)])
def test_pairs_of_weights_fit_where_that_is_cheap(manner: Manner) -> None:
    """The kernels' own proof says so; without the rule few ops pass it."""
    whole = network("classifier")
    graph, weights = fold(whole, settled(whole))
    seen = observe(graph, weights, pictures())
    shares = []
    for way in (manner, replace(manner, pairs=False)):
        changed, numbers = quantize(graph, weights, seen, way)
        known = grids.grids(changed, numbers)
        ops = [op for op in changed.ops if isinstance(op, Conv) and op.whole]
        packed = [
            quads.filters(op, numbers, known, AVX2, -(-op.channels // 32), 1)
            if op.depthwise
            else quads.tiles(op, numbers, known, AVX2, ((1, -(-op.channels // 8)),), False)
            for op in ops
        ]
        shares.append(np.mean([one.sums == "narrow" for one in packed]))
        assert packed[-1].sums != "narrow"  # whose answers are numbers
    assert shares[0] > 0.5 > shares[1]


def test_channels_that_are_far_apart_keep_what_one_scale_would_lose() -> None:
    g = Builder((16, 16))
    x = g.conv(g.image, "stem", 16, 3, 2, norm=None, act="relu")
    x = g.depthwise(x, "filter", norm=None, act="relu")
    graph = g.graph(g.conv(x, "project", 8, norm=None, act=None))
    weights = settled(graph)
    far = np.float32(10) ** np.linspace(-2, 2, 16, dtype=np.float32)  # the same function
    for part in ("weight", "bias"):
        shape = (-1, 1, 1, 1) if part == "weight" else (-1,)
        weights[f"stem.{part}"] = weights[f"stem.{part}"] * far.reshape(shape)
    weights["filter.weight"] = weights["filter.weight"] / far.reshape(-1, 1, 1, 1)
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    meant = reference.run(graph, weights, images)["project"]
    seen, off = observe(graph, weights, images), []
    for manner in (Manner(), PLAIN, replace(PLAIN, setting="percentile")):
        found = reference.run(*quantize(graph, weights, seen, manner), images)["project"]
        off.append(float((found - meant).std() / meant.std()))
    assert off[0] < 0.05 < 0.1 < min(off[1:])
