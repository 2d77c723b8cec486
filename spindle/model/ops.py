"""What is a network made of?  Tensors, and the few kinds of op that join them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import prod
from typing import Literal

Shape = tuple[int, int, int]
Act = Literal["relu", "relu6"] | None
Fit = Literal["stretch", "crop", "pad"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LARGEST_SIDE, LARGEST_TENSOR = 1 << 20, 1 << 31


@dataclass(frozen=True)
class Tensor:
    """A value on its way between two ops, height x width x channels; the batch is left out.

    On a grid it is bytes: each channel has a scale and a zero of its own (`grids`).  Else float32.
    """

    name: str
    shape: Shape
    grid: bool = False

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Norm:
    """Batch norm as a family of weights states it; momentum is the share of the new batch."""

    eps: float = 1e-3
    momentum: float = 0.003

    def __post_init__(self) -> None:
        if not (0 < self.eps <= 1 and 0 < self.momentum <= 1):
            raise ValueError(f"a norm with eps {self.eps:g}, momentum {self.momentum:g} is none")


@dataclass(frozen=True)
class Op:
    """One step of a graph.  A kind of op knows its shape, its weights and its cost: no more."""

    name: str
    inputs: tuple[Tensor, ...]
    grid: bool = field(default=False, kw_only=True)  # whether what it makes is on one

    def shape(self) -> Shape:
        raise NotImplementedError(self)

    @cached_property
    def output(self) -> Tensor:
        """The tensor this op makes; asking for it is what proves the op's settings possible."""
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no op name: use small letters, digits and _")
        for setting in fields(self):
            value = getattr(self, setting.name)
            if type(value) is int and not (setting.name == "padding" and value == 0):
                require(self, 1 <= value <= LARGEST_SIDE, f"{setting.name} {value} is out of range")
        shape = self.shape()
        require(self, min(shape) >= 1, f"its input is too small, the output would be {shape}")
        require(
            self,
            max(shape) <= LARGEST_SIDE and prod(shape) <= LARGEST_TENSOR,
            f"its output would be {shape}, larger than any machine here holds",
        )
        return Tensor(self.name, shape, self.grid)

    @property
    def reads(self) -> tuple[Tensor, ...]:
        """The tensors whose shape this op must know: its inputs, and what it only measures by."""
        return self.inputs

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """What it learns."""
        return {}

    @property
    def statistics(self) -> dict[str, tuple[int, ...]]:
        """What its batch norm has counted."""
        return {}

    @property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """What says how its numbers are written as bytes."""
        return dict.fromkeys(("scale", "zero"), (self.output.shape[2],)) if self.grid else {}

    @property
    def params(self) -> int:
        return sum(prod(shape) for shape in self.weights.values())

    @property
    def params_without_norm(self) -> int:
        """As the paper counts: once norm is folded away, and without the bias that this leaves."""
        learnt = self.weights.items()
        return sum(prod(shape) for name, shape in learnt if name not in ("gamma", "beta"))

    @property
    def madds(self) -> int:
        return 0


def require(op: Op, condition: bool, reason: str) -> None:
    if not condition:
        raise ValueError(f"op {op.name!r} ({type(op).__name__}): {reason}")


@dataclass(frozen=True)
class Image(Op):
    """The way in: a picture of bytes, one mean and std (in bytes too) for each of its channels.

    `fit` says how a picture of another size is brought to this one: stretched; covering it, with
    the middle `fraction` kept; or inside it, with the right and the bottom padded.
    """

    height: int
    width: int
    mean: tuple[float, ...] = (127.5, 127.5, 127.5)
    std: tuple[float, ...] = (127.5, 127.5, 127.5)
    fit: Fit = "stretch"
    fraction: float = 0.875
    resample: Literal["bilinear", "bicubic"] = "bilinear"

    @property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        return {}  # bytes they are; mean and std say of what

    def shape(self) -> Shape:
        require(self, not self.inputs, "a picture has no inputs")
        require(self, len(self.mean) == len(self.std) > 0, "one mean and one std a channel")
        require(self, min(self.std) > 0 and 0 < self.fraction <= 1, "std and fraction are positive")
        return self.height, self.width, len(self.mean)


@dataclass(frozen=True)
class Conv(Op):
    """Every convolution: pointwise (kernel 1), depthwise (groups = channels), full, classifier."""

    channels: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: int | Literal["same"] = 0  # symmetric as in PyTorch, or as TensorFlow pads
    norm: Norm | None = None
    act: Act = None
    drop: float = 0.0  # the share of its input dropped while learning
    spread: float = 0.09  # of its first weights, a truncated normal

    @property
    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros (above, below), (left, right)."""
        if self.padding != "same":
            return ((self.padding,) * 2,) * 2
        height, width, _ = self.inputs[0].shape
        return self._same(height), self._same(width)

    @property
    def reach(self) -> int:
        """How many pixels a window spans."""
        return (self.kernel - 1) * self.dilation + 1

    def _same(self, size: int) -> tuple[int, int]:
        zeros = max((-(-size // self.stride) - 1) * self.stride + self.reach - size, 0)
        return zeros // 2, zeros - zeros // 2

    def shape(self) -> Shape:
        height, width = check_groups(self)
        plain = self.norm is None and (self.groups == 1 or self.depthwise)
        require(self, plain or not self.whole, "its norm or its groups are in the way of bytes")
        (above, below), (left, right) = self.pads
        return (
            (height + above + below - self.reach) // self.stride + 1,
            (width + left + right - self.reach) // self.stride + 1,
            self.channels,
        )

    @property
    def depthwise(self) -> bool:
        return 1 < self.groups == self.channels == self.inputs[0].shape[2]

    @property
    def pointwise(self) -> bool:
        return self.kernel == self.stride == self.groups == 1 and self.padding in (0, "same")

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """Weight is out, height, width, in; a convolution without norm has a bias instead."""
        in_ = self.inputs[0].shape[2] // self.groups
        learnt = ("gamma", "beta") if self.norm else ("bias",)
        weight = {"weight": (self.channels, self.kernel, self.kernel, in_)}
        return weight | dict.fromkeys(learnt, (self.channels,))

    @property
    def statistics(self) -> dict[str, tuple[int, ...]]:
        return {"mean": (self.channels,), "var": (self.channels,)} if self.norm else {}

    @property
    def whole(self) -> bool:
        """Whether it sums whole numbers: what it reads is bytes, and what a filter makes is too."""
        return self.inputs[0].grid and (self.grid or not self.depthwise)

    @property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Each channel's weights are on a grid too, whose zero is 0."""
        return super().numbers | ({"step": (self.channels,)} if self.whole else {})

    @property
    def madds(self) -> int:
        return self.output.size * self.kernel**2 * self.inputs[0].shape[2] // self.groups


@dataclass(frozen=True)
class Deconv(Conv):
    """A transposed convolution: each input pixel paints a kernel x kernel patch of the output."""

    def shape(self) -> Shape:
        height, width = check_groups(self)
        require(
            self, self.padding != "same" and self.dilation == 1, "pads symmetrically, dilates not"
        )
        grow = self.kernel - 2 * self.pads[0][0]
        return (height - 1) * self.stride + grow, (width - 1) * self.stride + grow, self.channels

    @property
    def pointwise(self) -> bool:
        return False

    @property
    def madds(self) -> int:
        return self.inputs[0].size * self.kernel**2 * self.channels // self.groups


def check_groups(op: Conv) -> tuple[int, int]:
    """The height and width a convolution reads, once its groups and its dropout make sense."""
    height, width, channels = one(op)
    require(
        op,
        channels % op.groups == 0 == op.channels % op.groups,
        f"{op.groups} groups do not divide {channels} channels in and {op.channels} out",
    )
    require(op, 0 <= op.drop < 1, f"cannot drop {op.drop} of the input")
    return height, width


def one(op: Op) -> Shape:
    """The shape of an op's only input."""
    require(op, len(op.inputs) == 1, f"takes one input, not {len(op.inputs)}")
    return op.inputs[0].shape


@dataclass(frozen=True)
class BatchNorm(Op):
    """Batch norm by itself: the neck of the embedding head."""

    norm: Norm = Norm()

    def shape(self) -> Shape:
        return one(self)

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("gamma", "beta"), (self.output.shape[2],))

    @property
    def statistics(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("mean", "var"), (self.output.shape[2],))


@dataclass(frozen=True)
class Add(Op):
    """The shortcut between two thin ends."""

    def shape(self) -> Shape:
        require(self, len(self.inputs) == 2, "adds two tensors")
        a, b = (tensor.shape for tensor in self.inputs)
        require(self, a == b, f"cannot add {a} and {b}")
        return a


@dataclass(frozen=True)
class Mean(Op):
    """Global average over height and width."""

    def shape(self) -> Shape:
        return 1, 1, one(self)[2]


@dataclass(frozen=True)
class Resize(Op):
    """Bilinear, to the height and width of `like`; `corners` keeps the corner pixels in place."""

    like: Tensor
    corners: bool = False

    @property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        return {}  # on the grid of what it reads

    def shape(self) -> Shape:
        return *self.like.shape[:2], one(self)[2]

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return *self.inputs, self.like


@dataclass(frozen=True)
class Rows(Op):
    """The same numbers as one long column: (height * width * k) x 1 x channels."""

    channels: int

    def shape(self) -> Shape:
        height, width, depth = one(self)
        require(
            self, depth % self.channels == 0, f"{depth} channels are no rows of {self.channels}"
        )
        return height * width * depth // self.channels, 1, self.channels


@dataclass(frozen=True)
class Concat(Op):
    """Tensors side by side: their channels, or their rows below each other."""

    axis: Literal["channels", "rows"] = "channels"

    @property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        return {}  # on the grids of what it reads

    def shape(self) -> Shape:
        require(self, len(self.inputs) > 0, "joins one tensor or more")
        along = 2 if self.axis == "channels" else 0
        rest = {tensor.shape[:along] + tensor.shape[along + 1 :] for tensor in self.inputs}
        require(self, len(rest) == 1, f"cannot join {[tensor.shape for tensor in self.inputs]}")
        height, width, channels = self.inputs[0].shape
        total = sum(tensor.shape[along] for tensor in self.inputs)
        return (height, width, total) if along == 2 else (total, width, channels)
