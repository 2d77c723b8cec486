"""Ops know their shapes, and say in a sentence what cannot be."""

from __future__ import annotations

import pytest

from spindle.model.answers import Detect
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

X = Tensor("x", (7, 5, 6))


def test_tensorflow_pads_below_and_right_first() -> None:
    even, odd = Tensor("e", (224, 224, 3)), Tensor("o", (225, 113, 3))
    conv = Conv("c", (even,), 8, 3, 2, padding="same")
    assert conv.pads == ((0, 1), (0, 1)) and conv.output.shape == (112, 112, 8)
    conv = Conv("c", (odd,), 8, 3, 2, padding="same")
    assert conv.pads == ((1, 1), (1, 1)) and conv.output.shape == (113, 57, 8)
    wide = Conv("c", (even,), 8, 3, dilation=4, padding="same")
    assert wide.pads == ((4, 4), (4, 4)) and wide.output.shape == (224, 224, 8)


def test_a_convolution_counts_its_weights_and_its_work() -> None:
    conv = Conv("c", (X,), 12, 3, groups=3, padding=1, norm=Norm())
    assert conv.weights == {"weight": (12, 3, 3, 2), "gamma": (12,), "beta": (12,)}
    assert conv.statistics == {"mean": (12,), "var": (12,)}
    assert conv.madds == 7 * 5 * 12 * 9 * 2
    assert Conv("c", (X,), 4).weights == {"weight": (4, 1, 1, 6), "bias": (4,)}


def test_a_deconvolution_works_at_its_input() -> None:
    up = Deconv("d", (X,), 4, 4, 2, padding=1)
    assert up.output.shape == (14, 10, 4) and up.madds == 7 * 5 * 16 * 6 * 4


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Conv("c", (X,), 4, groups=4), "4 groups do not divide 6 channels"),
        (Conv("c", (X,), 4, kernel=9), "its input is too small"),
        (Conv("c", (X,), 4, kernel=0), "kernel 0 is out of range"),
        (Conv("c", (X,), 4, padding=-1), "padding -1 is out of range"),
        (Conv("c", (X,), 4, drop=1.0), "cannot drop 1.0"),
        (Conv("c", (X, X), 4), "takes one input, not 2"),
        (Conv("Bad name", (X,), 4), "is no op name"),
        (Deconv("d", (X,), 4, padding="same"), "pads symmetrically"),
        (Add("a", (X, Tensor("y", (7, 5, 1)))), "cannot add"),
        (Add("a", (X,)), "adds two"),
        (Concat("c", ()), "joins one tensor or more"),
        (Concat("c", (X, Tensor("y", (7, 5, 1))), "rows"), "cannot join"),
        (Rows("r", (X,), 4), "6 channels are no rows of 4"),
        (Mean("m", ()), "takes one input, not 0"),
        (BatchNorm("b", (X, X)), "takes one input, not 2"),
        (Resize("r", (X,), Tensor("y", (1 << 18, 1 << 18, 1))), "larger than any machine"),
        (Image("i", (), 4, 4, (0.0,), (0.0,)), "std and fraction are positive"),
        (Image("i", (), 4, 4, (0.0,), (1.0, 1.0)), "one mean and one std a channel"),
        (Image("i", (X,), 4, 4), "a picture has no inputs"),
        (Detect("d", (X, X), X, (X,), ()), "wants anchors for each"),
        (Detect("d", (X, X), X, (X,), (((0.1, 1.0),),)), "35 anchors do not go with"),
        (Detect("d", (X, X), X, (X,), (((0.1, 0.0),),)), "anchors have a size"),
    ],
)
def test_what_cannot_be_is_said(op: Op, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        op.output  # noqa: B018
