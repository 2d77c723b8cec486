"""How does a network learn that it will reckon with bytes?  By rounding now as it will then.

A tensor on a grid goes about as whole steps from its zero, so sums are of whole numbers here too,
and exact.  Rounding has no slope: gradients pass it as if it were not there, but for what is cut
off at the ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from spindle.model.graph import Graph
from spindle.model.grids import LARGEST_STEP, PAIR, grids, whole
from spindle.model.ops import Add, Concat, Conv, Deconv, Image, Mean, Op, Resize
from spindle.model.weights import Weights

LARGEST_PAIR = PAIR - 0.01  # steps of two weights, which once they are whole are no more


class Steps(NamedTuple):
    """Whole numbers: bytes less their zeros, or sums of them that no grid has rounded yet."""

    counts: Tensor  # batch x channels x height x width
    worth: Tensor  # of a step in each channel
    aside: Tensor  # of each channel, how many steps 0 lies beside its zero: a picture's mean


def numbers(x: Tensor | Steps) -> Tensor:
    return x.counts * x.worth[:, None, None] if isinstance(x, Steps) else x


class Nearest(torch.autograd.Function):
    """The nearest whole number between two; a gradient passes, where none is cut off."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Any, high: Any) -> Tensor:
        near = x.round()
        made = near.clamp(low, high)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(made == near)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (inside,) = ctx.saved_tensors
        return torch.where(inside, grads[0], 0), None, None


def nearest(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    made: Tensor = Nearest.apply(x, low, high)  # type: ignore[no-untyped-call]
    return made


class Grid(nn.Module):
    """The sum of all it reads, as bytes."""

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("zero", torch.zeros(channels))

    def forward(self, *xs: Tensor | Steps, among: int = 1) -> Steps:
        scale, zero = self.get_buffer("scale"), self.get_buffer("zero")[:, None, None]
        parts = [
            x.counts * (x.worth / scale / among)[:, None, None]
            if isinstance(x, Steps)
            else x * (1 / scale)[:, None, None]
            for x in xs
        ]
        counts = nearest(parts[0] if len(parts) == 1 else parts[0] + parts[1], -zero, 255 - zero)
        return Steps(counts, scale, torch.zeros_like(scale))


class Pixels(nn.Module):
    """A picture, whose own bytes are its steps."""

    def __init__(self, op: Image):
        super().__init__()
        mean = torch.tensor(op.mean)
        self.register_buffer("zero", mean.round(), persistent=False)
        self.register_buffer("aside", mean - mean.round(), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(op.std), persistent=False)

    def forward(self, pictures: Tensor) -> Steps:
        zero, scale = self.get_buffer("zero"), self.get_buffer("scale")
        steps = pictures.to(zero.dtype) - zero[:, None, None]
        return Steps(steps, scale, self.get_buffer("aside"))


class Whole(nn.Module):
    """A convolution that sums whole numbers; its parts are those it would have anyway."""

    def __init__(self, op: Conv, parts: dict[str, nn.Module]):
        super().__init__()
        self.op, self.turned = op, isinstance(op, Deconv) and not op.depthwise
        self.pad, self.conv = parts.get("pad", nn.Identity()), parts["conv"]
        self.grid, self.act = parts.get("grid"), parts.get("act")
        self.register_buffer("step", torch.ones(op.channels))

    def forward(self, x: Steps) -> Tensor | Steps:
        weight, start, step = self.whole(x)
        given = {"weight": weight, "bias": start}
        sums = functional_call(self.conv, given, (self.pad(x.counts),))
        made = Steps(sums, step, torch.zeros_like(step))
        if self.grid:
            made = self.grid(made)
        return self.act(numbers(made)) if self.act else made

    def whole(self, x: Steps) -> tuple[Tensor, Tensor, Tensor]:
        """Weight and start, and what a step of their sums is worth."""
        kernel, bias = self.conv.get_parameter("weight"), self.conv.get_parameter("bias")
        weight = kernel.transpose(0, 1) if self.turned else kernel  # out x in x high x wide
        read = (x.worth[:, None] if self.op.groups > 1 else x.worth)[:, None, None]
        step = self.get_buffer("step")
        if self.training:
            step = torch.maximum(step, least(self.op, weight.detach() * read))
        weight = nearest(weight / (step[:, None, None, None] / read), -LARGEST_STEP, LARGEST_STEP)
        taps = weight.sum((2, 3))
        beside = taps[:, 0] * x.aside if self.op.groups > 1 else taps @ x.aside
        start = nearest(bias.double() / step - beside, -torch.inf, torch.inf).to(bias.dtype)
        return weight.transpose(0, 1) if self.turned else weight, start, step


def least(op: Conv, weight: Tensor) -> Tensor:
    """The smallest step of each channel with which no pair of weights is too much for 16 bits.

    Pairs are what AVX2 multiplies at once: two neighbouring channels of a tap, or of a filter the
    rows above and below the middle.
    """
    if op.groups == 1:
        pairs = weight[:, 0:-1:2] + weight[:, 1::2]
    else:
        rows = torch.arange(op.kernel, device=weight.device)
        lower = rows[rows % 4 > 1]
        pairs = weight[:, :, lower - 2] + weight[:, :, lower]
    if not pairs.numel():
        return torch.zeros(len(weight), device=weight.device)
    return pairs.abs().amax((1, 2, 3)) / LARGEST_PAIR


class Beside(nn.Module):
    """Channels of tensors on grids, which keep theirs."""

    def forward(self, *xs: Steps) -> Steps:
        counts, worth, aside = zip(*xs, strict=True)
        return Steps(torch.cat(counts, 1), torch.cat(worth), torch.cat(aside))


class Resized(nn.Module):
    """Steps resized are steps of the same grid."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Steps) -> Steps:
        return x._replace(counts=nearest(self.inner(x.counts), -torch.inf, torch.inf))


class Written(nn.Module):
    """What an op makes, as bytes; a sum comes as its parts, to be rounded once."""

    def __init__(self, op: Op, inner: nn.Module | None = None):
        super().__init__()
        self.inner, self.grid = inner, Grid(op.output.shape[2])

    def forward(self, *xs: Tensor | Steps) -> Steps:
        made: Steps = self.grid(self.inner(*xs)) if self.inner else self.grid(*xs)
        return made


class Average(nn.Module):
    """The sum of all pixels, of which a whole number counts less."""

    def __init__(self, op: Mean):
        super().__init__()
        self.grid = Grid(op.output.shape[2])

    def forward(self, x: Steps) -> Steps:
        pixels = x.counts.shape[2] * x.counts.shape[3]
        sums = x._replace(counts=x.counts.sum((2, 3), keepdim=True))
        made: Steps = self.grid(sums, among=pixels)
        return made


def exact(op: Op) -> bool:
    """Whether an op takes whole numbers as they are; any other takes what they are worth."""
    match op:
        case Conv():
            return op.whole
        case Add() | Concat() | Resize():
            return op.grid
        case Mean():
            return op.grid and whole(op)
    return False


def on_grid(op: Op, inner: nn.Module) -> nn.Module:
    """An op that makes bytes, and is no convolution."""
    match op:
        case Image():
            return Pixels(op)
        case Concat():
            return Beside()
        case Resize():
            return Resized(inner)
        case Mean() if whole(op):
            return Average(op)
    return Written(op, None if isinstance(op, Add) else inner)


def settled(graph: Graph, weights: Weights) -> Weights:
    """Weights as they are written: no step is smaller than the least."""
    known, made = grids(graph, weights), dict(weights)
    for op in graph.ops:
        if isinstance(op, Conv) and op.whole:
            read = torch.from_numpy(known[op.inputs[0].name].scale)
            weight = torch.from_numpy(weights[f"{op.name}.weight"]).permute(0, 3, 1, 2)
            product = weight * (read[:, None] if op.groups > 1 else read)[:, None, None]
            step = np.maximum(weights[f"{op.name}.step"], least(op, product).numpy())
            made[f"{op.name}.step"] = step
    return made
