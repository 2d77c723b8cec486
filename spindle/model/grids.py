"""How is a number written as a byte?  By steps of its channel's grid, away from a zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.model.graph import Graph
from spindle.model.ops import Add, Concat, Conv, Image, Mean, Op, Resize

Array = NDArray[Any]
Numbers = dict[str, NDArray[np.float32]]
LARGEST_STEP = 127  # of a weight on its grid
PAIR = 128  # steps of two weights of one sign: multiplied by bytes and added, they have 16 bits
HIGHEST = np.float32(6 * (1 + 1e-6) / 255)  # the largest scale on which no byte is above 6


@dataclass(frozen=True)
class Grid:
    """Of each channel of a tensor, what a step of its bytes is worth, and where 0 lies."""

    scale: NDArray[np.float32]
    middle: NDArray[np.float32]  # a whole number, but for pictures

    @property
    def zero(self) -> NDArray[np.int32]:
        """The byte that stands for 0, such as padding."""
        return np.rint(self.middle).astype(np.int32)

    def numbers(self, values: Array) -> NDArray[np.float32]:
        """What bytes stand for."""
        return (values.astype(np.float32) - self.middle) * self.scale

    def bytes(self, values: Array) -> NDArray[np.uint8]:
        """How numbers are written."""
        return self.nearest(values * (1 / self.scale))

    def nearest(self, steps: Array) -> NDArray[np.uint8]:
        """Of so many steps from 0 the nearest byte: the even one of two, beyond the ends they."""
        near = np.rint(steps).clip(-256, 256).astype(np.int32)
        return (near + self.zero).clip(0, 255).astype(np.uint8)


def grids(graph: Graph, weights: Numbers) -> dict[str, Grid]:
    """The grid of every tensor that has one."""
    found: dict[str, Grid] = {}
    for op in graph.ops:
        if op.grid:
            found[op.name] = grid(op, weights, found)
    return found


def grid(op: Op, weights: Numbers, found: dict[str, Grid]) -> Grid:
    match op:
        case Image():
            std, mean = np.array(op.std, np.float32), np.array(op.mean, np.float32)
            return Grid(np.float32(1) / std, mean)
        case Concat():
            parts = [found[tensor.name] for tensor in op.inputs]
            scales, middles = ([getattr(p, name) for p in parts] for name in ("scale", "middle"))
            return Grid(np.concatenate(scales), np.concatenate(middles))
        case Resize():
            return found[op.inputs[0].name]
    return Grid(weights[f"{op.name}.scale"], weights[f"{op.name}.zero"])


def whole(op: Op) -> bool:
    """Whether an op reckons with bytes; any other reads the numbers that bytes stand for."""
    if not op.inputs or not all(tensor.grid for tensor in op.inputs):
        return False
    match op:
        case Conv():
            return op.whole
        case Mean():
            return True
        case Add():
            return op.grid
        case Concat():
            return op.grid and op.axis == "channels"
        case Resize():
            return op.grid and op.inputs[0].shape[:2] == (1, 1)
    return False


def check(graph: Graph, weights: Numbers) -> None:
    """A sentence for grids that mean nothing, or that an op cannot have."""
    if any(tensor.grid for tensor in graph.outputs):
        raise ValueError("a network answers in numbers, not in bytes on a grid")
    for op in graph.ops:
        for part in op.numbers:
            values = weights[f"{op.name}.{part}"]
            if (
                part == "zero"
                and ((values != np.rint(values)) | (values < 0) | (values > 255)).any()
            ):
                raise ValueError(f"{op.name}.zero is no byte")
            if part != "zero" and values.min() < np.finfo(np.float32).tiny:
                raise ValueError(f"{op.name}.{part} is not above 0")
        if op.grid and not isinstance(op, (Image, Conv, Add, Mean, Concat, Resize)):
            raise ValueError(f"{op.name!r} is a {type(op).__name__}, which makes no bytes")
        if op.grid and isinstance(op, (Concat, Resize)) and not all(t.grid for t in op.inputs):
            raise ValueError(f"{op.name!r} has the grid of what it reads, which has none")
        if not isinstance(op, Conv):
            continue
        if op.grid and op.act and weights[f"{op.name}.zero"].any():
            raise ValueError(f"{op.name!r} makes nothing below 0, so its zero is 0")
        if op.grid and op.act == "relu6" and weights[f"{op.name}.scale"].max() > HIGHEST:
            raise ValueError(f"{op.name!r} makes nothing above 6, but its bytes go beyond")


def written(graph: Graph, weights: Numbers) -> dict[str, Array]:
    """The arrays as a file keeps them: weights on grids as bytes."""
    known, kept = grids(graph, weights), dict[str, Array](weights)
    for op in graph.ops:
        if isinstance(op, Conv) and op.whole:
            kept[f"{op.name}.weight"] = steps(op, weights, known)
    return kept


def read(graph: Graph, kept: dict[str, Array]) -> Numbers:
    """The numbers that the arrays of a file stand for."""
    small = {f"{op.name}.weight": op for op in graph.ops if isinstance(op, Conv) and op.whole}
    for name, array in kept.items():
        if array.dtype != np.float32 and (name not in small or array.dtype != np.int8):
            raise ValueError(f"{name} is not of float32")
    check(graph, kept)
    known, found = grids(graph, kept), dict[str, NDArray[np.float32]](kept)
    for name, op in small.items():
        if kept[name].dtype == np.int8:
            found[name] = kept[name] * unit(op, kept, known)
    return found


def steps(op: Conv, weights: Numbers, known: dict[str, Grid]) -> NDArray[np.int8]:
    """The weights in steps of their grids."""
    exact: Array = np.rint(weights[f"{op.name}.weight"] / unit(op, weights, known))
    return exact.clip(-LARGEST_STEP, LARGEST_STEP).astype(np.int8)


def unit(op: Conv, weights: Numbers, known: dict[str, Grid]) -> NDArray[np.float32]:
    """What a step of each weight is worth, for numbers: a sum's step over that of its input."""
    scale = known[op.inputs[0].name].scale
    by_input = scale.reshape(-1, 1, 1, 1) if op.groups > 1 else scale
    return (weights[f"{op.name}.step"].reshape(-1, 1, 1, 1) / by_input).astype(np.float32)
