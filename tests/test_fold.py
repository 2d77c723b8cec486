"""Norms, groups and transposed kernels, reckoned beforehand, leave every answer as it was."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from spindle.compiler import reference
from spindle.compiler.fold import fold, phases, spread
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import TORCH, Graph
from spindle.model.ops import Act, BatchNorm, Conv, Deconv, Image, Norm, Tensor
from spindle.model.weights import Weights
from tests.networks import error
from tests.settled import settled

ACTS = st.sampled_from([None, "relu", "relu6"])


def same_after_folding(graph: Graph, most: float = 1e-5) -> tuple[Graph, Weights]:
    weights = settled(graph)
    after, numbers = fold(graph, weights)
    assert [op.name for op in after.ops] == [op.name for op in graph.ops]
    assert after.outputs == graph.outputs and after.image == graph.image
    assert after.arrays == {name: array.shape for name, array in numbers.items()}
    assert all(array.dtype == np.float32 for array in numbers.values())
    assert not any(op.statistics for op in after.ops)
    for op in after.ops:
        assert not isinstance(op, Conv) or op.groups == 1 or op.depthwise
    picture = np.random.default_rng(1).integers(0, 256, graph.input.shape, np.uint8)
    meant, found = (reference.run(g, w, picture) for g, w in ((graph, weights), (after, numbers)))
    for name, value in meant.items():
        assert error(value, found[name]) <= most, (name, error(value, found[name]))
    return after, numbers


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), ACTS, st.booleans(), st.data())
def test_a_convolution_with_norm_in_groups(
    groups: int, each: int, out: int, act: Act, norm: bool, more: st.DataObject
) -> None:
    channels = groups * each
    image = Image("image", (), 7, 6, (100.0,) * channels, (70.0,) * channels)
    kind = more.draw(st.sampled_from([Conv, Deconv]))
    op = kind(
        "op", (image.output,), groups * out, more.draw(st.integers(1, 4)), 2, groups=groups,
        padding=1, norm=Norm() if norm else None, act=act,
    )  # fmt: skip
    try:
        made = op.output
    except ValueError:
        assume(False)
    same_after_folding(Graph((image, op), (made,)))


def test_a_norm_by_itself_becomes_a_depthwise_convolution() -> None:
    image = Image("image", (), 5, 4)
    norm = BatchNorm("neck", (image.output,), Norm())
    after, numbers = same_after_folding(Graph((image, norm), (norm.output,)))
    assert isinstance(after.ops[1], Conv) and after.ops[1].depthwise and after.ops[1].kernel == 1
    assert numbers["neck.weight"].shape == (3, 1, 1, 1)


def test_whole_networks() -> None:
    for graph in (
        mobilenet_v2(0.1, (64, 96), classes=4).until("logits"),
        mobilenet_v2(0.1, (64, 96), family=TORCH).until("head"),
        mobilenet_v2(0.1, (96, 64), "embedding", classes=3),
        mobilenet_v1(0.1, 64, "pose-light").until("heatmaps"),
    ):
        after, _ = same_after_folding(graph, 1e-4)  # after so many layers
        again, _ = fold(after, fold(graph, settled(graph))[1])
        assert again == after  # twice is once


def test_groups_spread_are_zeros_elsewhere() -> None:
    weight = np.arange(1, 13, dtype=np.float32).reshape(4, 1, 1, 3)  # two groups of 3 in, 2 out
    full = spread(weight, 2)[:, 0, 0]
    assert full.shape == (4, 6) and (full[:2, :3] == weight[:2, 0, 0]).all()
    assert (full[2:, 3:] == weight[2:, 0, 0]).all() and (full == 0).sum() == 12


@given(
    st.integers(1, 6), st.integers(1, 4), st.integers(0, 3), st.integers(1, 5), st.integers(1, 5)
)
def test_the_phases_of_a_transposed_convolution(
    kernel: int, stride: int, padding: int, height: int, width: int
) -> None:
    """Each output pixel is a plain convolution by the taps of its phase."""
    x = Tensor("x", (height, width, 2))
    op = Deconv("op", (x,), 3, kernel, stride, padding=padding)
    assume(min((s - 1) * stride + kernel - 2 * padding for s in (height, width)) >= 1)
    rng = np.random.default_rng(0)
    values, weight = (
        rng.normal(size=(1, *x.shape)),
        rng.normal(size=(3, kernel, kernel, 2)).astype(np.float32),
    )
    meant = reference.deconvolve(op, values, weight)[0]
    parts, taps = phases(op, weight), -(-kernel // stride)
    assert parts.shape == (stride, stride, 3, taps, taps, 2)
    found = np.zeros(op.output.shape)
    for y, x_, v, u in np.ndindex(*op.output.shape[:2], taps, taps):
        row, column = ((at + padding) // stride - (taps - 1) for at in (y, x_))
        if 0 <= row + v < height and 0 <= column + u < width:
            part = parts[(y + padding) % stride, (x_ + padding) % stride, :, v, u]
            found[y, x_] += part @ values[0, row + v, column + u]
    assert np.abs(found - meant).max() <= 1e-6 * max(np.abs(meant).max(), 1)
