"""What does every op mean?  The definition, in numpy, that all other readings must agree with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.fuse import fuse
from spindle.compiler.fused import Cast, Sum
from spindle.compiler.integers import Integers, integers, ratio, share
from spindle.model import boxes
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import Graph
from spindle.model.grids import Grid, grids, whole
from spindle.model.ops import (
    Act,
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
from spindle.model.weights import Weights

Array = NDArray[Any]  # batch x height x width x channels


def run(graph: Graph, weights: Weights, images: Array) -> dict[str, Array]:
    """The outputs of a graph for one picture or a batch of them, bytes of the graph's own size."""
    return reader(graph, weights)(images)


def reader(graph: Graph, weights: Weights) -> Callable[[Array], dict[str, Array]]:
    """This reading as a function of pictures, for any number of which it is made ready once.

    Where tensors are bytes, a shortcut is part of the sum before it, as it is in C.
    """
    if graph.of_bytes:
        graph, weights = fuse(graph, weights)
    shape, known = graph.input.shape, grids(graph, weights)
    sums = counted(graph, weights, known)
    last = {t.name: op for op in graph.ops for t in op.inputs}
    outputs = {tensor.name for tensor in graph.outputs}

    def read(images: Array) -> dict[str, Array]:
        if images.shape[-3:] != shape or images.ndim not in (3, 4):
            raise ValueError(f"this network takes pictures of {shape}, these are {images.shape}")
        values: dict[str, Array] = {}
        for op in graph.ops:
            xs = [values[t.name] for t in op.inputs] or [images.reshape(-1, *shape)]
            values[op.name] = bytewise(op, xs, weights, known, sums)
            for tensor in op.inputs:
                if last[tensor.name] is op and tensor.name not in outputs:
                    values.pop(tensor.name, None)
        return {
            t.name: values[t.name] if images.ndim == 4 else values[t.name][0] for t in graph.outputs
        }

    return read


def counted(graph: Graph, weights: Weights, known: dict[str, Grid]) -> dict[str, Integers]:
    """The whole numbers of every convolution of bytes."""
    there = (op for op in graph.ops if isinstance(op, Conv) and whole(op))
    return {op.name: integers(op, weights, known) for op in there}


def bytewise(
    op: Op, xs: list[Array], weights: Weights, known: dict[str, Grid], sums: dict[str, Integers]
) -> Array:
    """What an op makes, in bytes where it is on a grid; of bytes, or of what they stand for."""
    grid = known.get(op.name)
    if isinstance(op, Image) and grid:
        return xs[0]
    if whole(op):
        made = reckoned(op, xs, known, sums)
    else:
        read = [known[t.name].numbers(x) if t.grid else x for t, x in zip(op.inputs, xs)] or xs
        own = {part: weights[f"{op.name}.{part}"] for part in op.weights | op.statistics}
        made = step(op, read, own)
    return grid.bytes(made) if grid and made.dtype != np.uint8 else made


def reckoned(op: Op, xs: list[Array], known: dict[str, Grid], sums: dict[str, Integers]) -> Array:
    """Whole numbers until the last: sums are exact, times a float32, rounded once.

    `byte = clamp(rint(float32(sum) * scale) + zero)`; a shortcut is added before it is rounded.
    """
    mine = [known[tensor.name] for tensor in op.inputs]
    less = [x - one.zero for x, one in zip(xs, mine, strict=True)]
    match op:
        case Conv():
            own = sums[op.name]
            total = summed(op, less[0].astype(np.float64), own.weight.astype(np.float64))
            made = (total + own.start).astype(np.float32) * own.scale
            if isinstance(op, Sum):
                made = made + less[1].astype(np.float32) * ratio(mine[1], known.get(op.name))
            if not op.grid:
                return activate(made, op.act)
        case Add():
            a, b = (x.astype(np.float32) * ratio(one, known[op.name]) for x, one in zip(less, mine))
            made = a + b
        case Mean():
            total = less[0].sum((1, 2), keepdims=True).astype(np.float32)
            made = total * share(op, mine[0], known.get(op.name))
        case Concat():
            return np.concatenate(xs, axis=3)
        case Resize():
            return np.broadcast_to(xs[0], (len(xs[0]), *op.output.shape))
        case _:
            raise NotImplementedError(op)
    return known[op.name].nearest(made) if op.grid else np.asarray(made)


def step(op: Op, xs: list[Array], w: Weights) -> Array:
    match op:
        case Image():
            mean, std = np.asarray(op.mean, np.float32), np.asarray(op.std, np.float32)
            return np.asarray((xs[0].astype(np.float32) - mean) / std)
        case Sum():
            return np.asarray(step(op.alone, xs[:1], w) + xs[1])
        case Conv():
            sums = summed(op, xs[0], w["weight"])
            return activate(batch_norm(sums, op.norm, w) if op.norm else sums + w["bias"], op.act)
        case BatchNorm():
            return batch_norm(xs[0], op.norm, w)
        case Cast():
            return xs[0]
        case Add():
            return np.asarray(xs[0] + xs[1])
        case Mean():
            return np.asarray(xs[0].mean((1, 2), keepdims=True))
        case Resize():
            return resize(
                resize(xs[0], 1, op.output.shape[0], op.corners), 2, op.output.shape[1], op.corners
            )
        case Rows():
            return xs[0].reshape(-1, *op.output.shape)
        case Concat():
            return np.concatenate(xs, axis=3 if op.axis == "channels" else 1)
        case Softmax():
            wide = np.exp(xs[0] - xs[0].max(axis=3, keepdims=True))
            return np.asarray(wide / wide.sum(axis=3, keepdims=True))
        case ArgMax():
            return np.asarray(xs[0].argmax(axis=3, keepdims=True), np.int32)
        case Normalize():
            length = np.sqrt((xs[0] ** 2).sum(axis=3, keepdims=True))
            return np.asarray(xs[0] / np.maximum(length, 1e-12))
        case Peaks():
            return peaks(xs[0])
        case Detect():
            deltas, scores = xs[0][:, :, 0], xs[1][:, :, 0]
            return np.stack([boxes.detect(op, d, s) for d, s in zip(deltas, scores, strict=True)])[
                :, :, None
            ]
    raise NotImplementedError(op)


def summed(op: Conv, x: Array, w: Array) -> Array:
    return deconvolve(op, x, w) if isinstance(op, Deconv) else convolve(op, x, w)


def convolve(op: Conv, x: Array, w: Array) -> Array:
    """The sums over each window, tap by tap."""
    height, width, channels = op.output.shape
    x = np.pad(x, ((0, 0), *op.pads, (0, 0)))
    s, total = op.stride, np.zeros((len(x), height, width, channels), x.dtype)
    for u in range(op.kernel):
        for v in range(op.kernel):
            row, column = u * op.dilation, v * op.dilation
            patch = x[
                :, row : row + s * (height - 1) + 1 : s, column : column + s * (width - 1) + 1 : s
            ]
            total += tap(patch, w[:, u, v], op)
    return total


def deconvolve(op: Deconv, x: Array, w: Array) -> Array:
    """Each pixel painted through the taps, then the padding cut away."""
    _, height, width, _ = x.shape
    (top, _), (left, _) = op.pads
    rows, columns, channels = op.output.shape
    s, full = op.stride, (height - 1) * op.stride + op.kernel
    total = np.zeros((len(x), full, (width - 1) * s + op.kernel, channels), x.dtype)
    for u in range(op.kernel):
        for v in range(op.kernel):
            total[:, u : u + s * (height - 1) + 1 : s, v : v + s * (width - 1) + 1 : s] += tap(
                x, w[:, u, v], op
            )
    return total[:, top : top + rows, left : left + columns]


def tap(x: Array, w: Array, op: Conv) -> Array:
    """One tap of a kernel, (out, in / groups), on every pixel."""
    if op.depthwise:
        return np.asarray(x * w[:, 0])
    flat = x.reshape(-1, x.shape[3])  # one product, not one for every row of every picture
    each = zip(np.split(flat, op.groups, axis=1), np.split(w, op.groups), strict=True)
    made = [part @ weight.T for part, weight in each]
    return np.concatenate(made, axis=1).reshape(*x.shape[:3], -1)


def batch_norm(x: Array, norm: Norm, w: Weights) -> Array:
    scale = w["gamma"] / np.sqrt(w["var"] + np.float32(norm.eps))
    return np.asarray(x * scale + (w["beta"] - w["mean"] * scale))


def activate(x: Array, act: Act) -> Array:
    return x if act is None else np.clip(x, 0, 6) if act == "relu6" else np.maximum(x, 0)


def resize(x: Array, axis: int, size: int, corners: bool) -> Array:
    """Bilinear along one axis."""
    low, high, share = between(x.shape[axis], size, corners)
    share = share.astype(x.dtype).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.asarray(x.take(low, axis) * (1 - share) + x.take(high, axis) * share)


def between(old: int, new: int, corners: bool) -> tuple[Array, Array, Array]:
    """For each new place the two old ones it lies between, and its share of the second.

    Places are float32, so that every machine finds the same ones.
    """
    steps = np.arange(new, dtype=np.float32)
    if corners:
        at = steps * np.float32((old - 1) / max(new - 1, 1))
    else:
        at = np.maximum((steps + np.float32(0.5)) * np.float32(old / new) - np.float32(0.5), 0)
    low = np.minimum(at.astype(np.int32), old - 1)
    return low, np.minimum(low + 1, old - 1), at - low.astype(np.float32)


def peaks(heat: Array) -> Array:
    """Where each channel is largest, moved a quarter of a pixel towards its larger neighbour."""
    batch, height, width, channels = heat.shape
    flat = heat.reshape(batch, height * width, channels)
    best = flat.argmax(axis=1)  # batch x channels
    n, c = np.ogrid[:batch, :channels]
    places = []
    for index, size, axis in ((best % width, width, "x"), (best // width, height, "y")):
        below, above = np.maximum(index - 1, 0), np.minimum(index + 1, size - 1)
        if axis == "x":
            slope = heat[n, best // width, above, c] - heat[n, best // width, below, c]
        else:
            slope = heat[n, above, best % width, c] - heat[n, below, best % width, c]
        inside = (index > 0) & (index < size - 1)
        places.append((index + 0.5 + 0.25 * np.sign(slope) * inside) / size)
    value = np.take_along_axis(flat, best[:, None], axis=1)[:, 0]
    return np.stack([*places, value], axis=-1).astype(np.float32)[:, :, None]
