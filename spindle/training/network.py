"""A graph that can learn: the torch reading of every op."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spindle.model import boxes
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
)  # fmt: skip
from spindle.model.weights import Weights, initial, mismatch
from spindle.training.aware import Grid, Steps, Whole, exact, numbers, on_grid

Array = NDArray[Any]
# what torch calls the parts of an op
CONV = {"weight": "conv.weight", "bias": "conv.bias"}
NORM = {
    "gamma": "norm.weight",
    "beta": "norm.bias",
    "mean": "norm.running_mean",
    "var": "norm.running_var",
}
GRID = {"scale": "grid.scale", "zero": "grid.zero", "step": "step"}


class Network(nn.Module):
    """One module for each op, under the op's own name; pictures in, the graph's outputs out.

    Pictures are batch x channels x height x width with values 0 to 255, bytes or floats; the graph
    itself brings them into its range.  In memory channels lie last, whatever the batch or the size:
    torch's kernels for that are the faster ones at every size measured (training/layout.py).
    """

    order = torch.channels_last

    def __init__(self, graph: Graph, weights: Weights | None = None, seed: int = 0):
        super().__init__()
        self.graph = graph
        self.spent = spent(graph)
        for op in graph.ops:
            if hasattr(self, op.name):
                raise ValueError(f"torch has another use for the name {op.name!r}: rename this op")
            self.add_module(op.name, layer(op))
        self.load(initial(graph, seed) if weights is None else weights)
        self.to(memory_format=self.order)  # type: ignore[call-overload]

    def forward(self, pictures: Tensor) -> Tensor | tuple[Tensor, ...]:
        pictures = pictures.contiguous(memory_format=self.order)
        values: dict[str, Tensor | Steps] = {}
        for op, gone in zip(self.graph.ops, self.spent, strict=True):
            read = [values[tensor.name] for tensor in op.inputs] or [pictures]
            inputs = read if exact(op) else map(numbers, read)
            values[op.name] = self.get_submodule(op.name)(*inputs)
            for name in gone:
                del values[name]
        outputs = tuple(numbers(values[tensor.name]) for tensor in self.graph.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def load(self, weights: Weights) -> None:
        """Takes over the arrays of a model file."""
        if wrong := mismatch(self.graph, {name: array.shape for name, array in weights.items()}):
            raise ValueError(f"these weights do not fit the network: {wrong}")
        state = self.state_dict()
        with torch.no_grad():
            for op, part, key in self._parts():
                array = torch.from_numpy(weights[f"{op.name}.{part}"].copy())
                state[key].copy_(to_torch(op, array) if part == "weight" else array)

    def weights(self) -> Weights:
        """Hands the arrays back, as a model file holds them."""
        state = self.state_dict()
        return {
            f"{op.name}.{part}": (from_torch(op, state[key]) if part == "weight" else state[key])
            .detach().float().cpu().numpy().copy()
            for op, part, key in self._parts()
        }  # fmt: skip

    def _parts(self) -> list[tuple[Op, str, str]]:
        """Every array: whose it is, what the graph calls it, and what torch does."""
        return [
            (op, part, f"{op.name}.{(CONV | NORM | GRID)[part]}")
            for op in self.graph.ops
            for part in op.weights | op.statistics | op.numbers
        ]


def spent(graph: Graph) -> list[tuple[str, ...]]:
    """After each op, the tensors that nobody reads again: what is let go is memory to use anew."""
    kept = {tensor.name for tensor in graph.outputs}
    gone = []
    for op in reversed(graph.ops):
        names = {tensor.name for tensor in (*op.inputs, op.output)} - kept
        kept |= names
        gone.append(tuple(sorted(names)))
    return gone[::-1]


def to_torch(op: Op, weight: Tensor) -> Tensor:
    """Out, height, width, in as torch lays it: out, in, h, w; a deconvolution's in, out, h, w."""
    weight = weight.permute(0, 3, 1, 2)
    if isinstance(op, Deconv):
        out, in_, high, wide = weight.shape
        grouped = weight.reshape(op.groups, out // op.groups, in_, high, wide)
        return grouped.transpose(1, 2).reshape(in_ * op.groups, out // op.groups, high, wide)
    return weight


def from_torch(op: Op, weight: Tensor) -> Tensor:
    """The way back."""
    if isinstance(op, Deconv):
        in_, out, high, wide = weight.shape
        grouped = weight.reshape(op.groups, in_ // op.groups, out, high, wide)
        weight = grouped.transpose(1, 2).reshape(out * op.groups, in_ // op.groups, high, wide)
    return weight.permute(0, 2, 3, 1).contiguous()


def layer(op: Op) -> nn.Module:
    if isinstance(op, Conv):
        parts = OrderedDict(convolution(op))
        return Whole(op, parts) if op.whole else nn.Sequential(parts)
    return on_grid(op, plain(op)) if op.grid else plain(op)


def plain(op: Op) -> nn.Module:
    """An op that makes numbers, and is no convolution."""
    match op:
        case Image():
            return ToRange(op)
        case BatchNorm():
            return nn.Sequential(OrderedDict(norm=batch_norm(op.output.shape[2], op.norm)))
        case Add():
            return Apply(torch.add)
        case Mean():
            return nn.AdaptiveAvgPool2d(1)
        case Resize():
            height, width, _ = op.output.shape
            return Apply(
                lambda x: functional.interpolate(
                    x, (height, width), mode="bilinear", align_corners=op.corners
                )
            )
        case Rows():
            return Apply(
                lambda x: (
                    x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, op.channels, 1).transpose(1, 2)
                )
            )
        case Concat():
            return Apply(lambda *xs: torch.cat(xs, dim=1 if op.axis == "channels" else 2))
        case Softmax():
            return nn.Softmax(dim=1)
        case ArgMax():
            return Apply(lambda x: x.argmax(dim=1, keepdim=True).int())
        case Normalize():
            return Apply(functional.normalize)
        case Peaks():
            return Apply(peaks)
        case Detect():
            return Apply(lambda deltas, scores: detect(op, deltas, scores))
    raise NotImplementedError(op)


def convolution(op: Conv) -> list[tuple[str, nn.Module]]:
    """What stands around a convolution, and the convolution, each under a readable name."""
    height, width = op.pads
    symmetric = height == width and height[0] == height[1]
    # torch's own CPU kernels crash where a whole window is padding: then it is padded beforehand
    inside = symmetric and (isinstance(op, Deconv) or height[0] < op.reach)
    parts: list[tuple[str, nn.Module]] = []
    if op.drop:
        parts.append(("drop", nn.Dropout(op.drop)))
    if not inside:
        parts.append(("pad", nn.ZeroPad2d((*width, *height))))
    atrous = op.depthwise and op.dilation > 1 and op.stride == 1
    kind = nn.ConvTranspose2d if isinstance(op, Deconv) else Atrous if atrous else nn.Conv2d
    parts.append(("conv", kind(
        op.inputs[0].shape[2], op.channels, op.kernel, op.stride, height[0] if inside else 0,
        dilation=op.dilation, groups=op.groups, bias=not op.norm,
    )))  # fmt: skip
    if op.norm:
        parts.append(("norm", batch_norm(op.channels, op.norm)))
    if op.grid:
        parts.append(("grid", Grid(op.channels)))  # which bends as well
    elif op.act:
        bend = nn.ReLU6 if op.act == "relu6" else nn.ReLU
        parts.append(("act", bend(inplace=True)))  # nobody else reads what stands before it
    return parts


class Atrous(nn.Conv2d):
    """A dilated depthwise convolution as plain ones: each on every second row and column, say.

    The same numbers; torch's own gradient of a dilated one takes 25 times as long on a processor.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.is_cuda:
            return super().forward(input)
        rate, edge, reach = self.dilation[0], int(self.padding[0]), self.kernel_size[0] - 1
        count, channels, high, wide = input.shape
        rows, columns = (-(-(side + 2 * edge) // rate) for side in (high, wide))  # of each part
        beyond = edge, columns * rate - wide - edge, edge, rows * rate - high - edge
        padded = functional.pad(input, beyond).permute(0, 2, 3, 1)  # channels lie side by side
        parts = padded.reshape(count, rows, rate, columns, rate, channels).permute(2, 4, 0, 1, 3, 5)
        parts = parts.reshape(-1, rows, columns, channels).permute(0, 3, 1, 2)
        made = functional.conv2d(parts, self.weight, self.bias, groups=self.groups)
        rows, columns = rows - reach, columns - reach
        made = made.permute(0, 2, 3, 1).reshape(rate, rate, count, rows, columns, channels)
        whole = made.permute(2, 3, 0, 4, 1, 5).reshape(count, rows * rate, columns * rate, channels)
        high, wide = (side + 2 * edge - rate * reach for side in (high, wide))
        return whole[:, :high, :wide].permute(0, 3, 1, 2)


def batch_norm(channels: int, norm: Norm) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=norm.eps, momentum=norm.momentum)


class Apply(nn.Module):
    """A function without weights, as a module."""

    def __init__(self, function: Callable[..., Tensor]):
        super().__init__()
        self.function = function

    def forward(self, *xs: Tensor) -> Tensor:
        return self.function(*xs)


class ToRange(nn.Module):
    """The picture in the network's own range; the numbers travel with the module, not its state."""

    def __init__(self, op: Image):
        super().__init__()
        self.register_buffer("mean", torch.tensor(op.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(op.std).view(-1, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        return (
            pictures.to(self.get_buffer("mean").dtype) - self.get_buffer("mean")
        ) / self.get_buffer("std")


def peaks(heat: Tensor) -> Tensor:
    """Where each channel is largest, moved a quarter of a pixel towards its larger neighbour."""
    height, width = heat.shape[2:]
    value, best = heat.flatten(2).max(dim=2)
    x, y = best % width, best // width

    def at(x: Tensor, y: Tensor) -> Tensor:
        place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        return heat.flatten(2).gather(2, place[..., None])[..., 0]

    right = (at(x + 1, y) - at(x - 1, y)).sign() * ((x > 0) & (x < width - 1))
    down = (at(x, y + 1) - at(x, y - 1)).sign() * ((y > 0) & (y < height - 1))
    points = torch.stack(
        [(x + 0.5 + 0.25 * right) / width, (y + 0.5 + 0.25 * down) / height, value], dim=1
    )
    return points[..., None]  # batch x 3 x channels x 1


def detect(op: Detect, deltas: Tensor, scores: Tensor) -> Tensor:
    """Suppression is one long decision after another: numpy says what it means, on the CPU."""
    columns = (x.detach()[..., 0].mT.cpu().numpy() for x in (deltas, scores))
    rows = [torch.from_numpy(boxes.detect(op, d, s)) for d, s in zip(*columns, strict=True)]
    return torch.stack(rows).mT[..., None].to(deltas.device)  # batch x 6 x most x 1


def reader(graph: Graph, weights: Weights) -> Callable[[Array], dict[str, Array]]:
    """This reading as a function of numpy pictures, height x width x channels."""
    network = Network(graph, weights).eval()

    @torch.inference_mode()
    def read(pixels: Array) -> dict[str, Array]:
        batch = torch.from_numpy(pixels.copy()).reshape(-1, *graph.input.shape).permute(0, 3, 1, 2)
        made = network(batch)
        outputs = made if isinstance(made, tuple) else (made,)
        arrays = [output.permute(0, 2, 3, 1).numpy() for output in outputs]
        named = zip(graph.outputs, arrays, strict=True)
        return {tensor.name: array if pixels.ndim == 4 else array[0] for tensor, array in named}

    return read
