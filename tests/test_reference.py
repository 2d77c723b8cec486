"""Every op kind means in numpy what it means in torch: random weights, random odd sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spindle.compiler import reference
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import Graph
from spindle.model.ops import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    Deconv,
    Image,
    Mean,
    Norm,
    Op,
    Resize,
    Rows,
    Tensor,
)  # fmt: skip
from spindle.model.record import KINDS
from spindle.training.network import reader
from tests.scramble import scrambled

Draw = Callable[[Any], Any]
ACTS = st.sampled_from([None, "relu", "relu6"])
NORMS = st.sampled_from([None, Norm(), Norm(1e-5, 0.1)])


def conv(draw: Draw, x: Tensor) -> Op:
    groups = draw(st.sampled_from([n for n in range(1, x.shape[2] + 1) if x.shape[2] % n == 0]))
    return Conv(
        "op",
        (x,),
        channels=groups * draw(st.integers(1, 4)),
        kernel=draw(st.integers(1, 5)),
        stride=draw(st.integers(1, 3)),
        dilation=draw(st.integers(1, 3)),
        groups=groups,
        padding=draw(st.sampled_from(["same", 0, 1, 2, 3])),
        norm=draw(NORMS),
        act=draw(ACTS),
    )


def deconv(draw: Draw, x: Tensor) -> Op:
    like = conv(draw, x)
    assert isinstance(like, Conv)
    same = (like.channels, like.kernel, like.stride, 1, like.groups)
    return Deconv("op", (x,), *same, draw(st.integers(0, 2)), like.norm, like.act)


def resize(draw: Draw, x: Tensor) -> Op:
    like = Tensor("like", (draw(st.integers(1, 40)), draw(st.integers(1, 40)), 1))
    return Resize("op", (x,), like, draw(st.booleans()))


def rows(draw: Draw, x: Tensor) -> Op:
    return Rows("op", (x,), draw(st.sampled_from([n for n in range(1, 7) if x.shape[2] % n == 0])))


def detect(draw: Draw, x: Tensor) -> Op:
    """The picture's own pixels are the scores, and the first four of their channels the boxes."""
    assume(x.shape[2] == 5)
    count = x.shape[0] * x.shape[1]
    column = Tensor("column", (count, 1, 5))
    deltas = Tensor("deltas", (count, 1, 4))
    return Detect("op", (deltas, column), x, (x,), (((0.3, 1.5),),), most=7, overlap=0.4)


STRATEGIES: dict[type[Op], Callable[[Draw, Tensor], Op]] = {
    Conv: conv,
    Deconv: deconv,
    BatchNorm: lambda draw, x: BatchNorm("op", (x,), draw(st.sampled_from([Norm(), Norm(1e-5)]))),
    Add: lambda draw, x: Add("op", (x, x)),
    Mean: lambda draw, x: Mean("op", (x,)),
    Resize: resize,
    Rows: rows,
    Concat: lambda draw, x: Concat("op", (x, x), draw(st.sampled_from(["channels", "rows"]))),
    Softmax: lambda draw, x: Softmax("op", (x,)),
    ArgMax: lambda draw, x: ArgMax("op", (x,)),
    Normalize: lambda draw, x: Normalize("op", (x,)),
    Peaks: lambda draw, x: Peaks("op", (x,)),
    Detect: detect,
}


def test_every_kind_is_drawn() -> None:
    assert {Image, *STRATEGIES} == set(KINDS)


@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)
@given(choices=st.data(), seed=st.integers(0, 10**6))
def test_numpy_and_torch_agree(kind: type[Op], choices: st.DataObject, seed: int) -> None:
    height, width, channels = (choices.draw(st.integers(1, n)) for n in (13, 13, 6))
    image = Image("image", (), height, width, (3.0,) * channels, (1.5,) * channels)
    op = STRATEGIES[kind](choices.draw, image.output)
    try:
        made = op.output
    except ValueError:
        assume(False)
    ops: tuple[Op, ...] = (image, op)
    if isinstance(op, Detect):
        column = Rows("column", (image.output,), 5)
        pick = Conv("deltas", (column.output,), 4, act=None)
        ops = (image, column, pick, op)
    graph = Graph(ops, (made,))
    weights = scrambled(graph, seed)
    pictures = (
        np.random.default_rng(seed).normal(3, 4, (2, height, width, channels)).astype(np.float32)
    )
    ours = reference.run(graph, weights, pictures)["op"]
    theirs = reader(graph, weights)(pictures)["op"]
    assert ours.shape == theirs.shape == (2, *made.shape)
    if kind is ArgMax:
        assert (ours == theirs).all()
    else:
        assert np.abs(ours - theirs).max() <= 1e-5 * max(np.abs(ours).max(), 1e-3)


def test_a_picture_of_bytes_becomes_the_network_s_range() -> None:
    image = Image("image", (), 2, 2)
    graph = Graph((image,), (image.output,))
    bytes_ = np.array([[[0, 127, 255]] * 2] * 2, np.uint8)
    assert np.allclose(reference.run(graph, {}, bytes_)["image"][0, 0], [-1, -0.5 / 127.5, 1])


def test_a_batch_is_its_pictures_one_by_one() -> None:
    image = Image("image", (), 5, 4)
    graph = Graph((image, Conv("op", (image.output,), 3, 3, padding=1)), ())
    graph = Graph(graph.ops, (graph["op"],))
    weights = scrambled(graph)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    together = reference.run(graph, weights, pictures)["op"]
    for one, picture in zip(together, pictures, strict=True):
        assert np.allclose(one, reference.run(graph, weights, picture)["op"], atol=1e-6)


def test_a_picture_of_another_size_is_refused() -> None:
    image = Image("image", (), 5, 4)
    with pytest.raises(ValueError, match=r"takes pictures of \(5, 4, 3\), these are \(4, 5, 3\)"):
        reference.run(Graph((image,), (image.output,)), {}, np.zeros((4, 5, 3), np.uint8))


def test_peaks_move_towards_the_larger_neighbour() -> None:
    heat = np.zeros((1, 4, 8, 1), np.float32)
    heat[0, 2, 3, 0], heat[0, 2, 4, 0], heat[0, 1, 3, 0] = 1.0, 0.5, 0.25
    ((x, y, value),) = reference.peaks(heat)[0, :, 0].tolist()
    assert (x, y, value) == (3.75 / 8, 2.25 / 4, 1.0)
