"""What do the tensors of a network hold?  Counted while pictures go through it in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.reference import step
from spindle.model.graph import Graph
from spindle.model.ops import Conv, Deconv, Op
from spindle.model.weights import Weights

Array = NDArray[Any]
PATCHES = 8192  # windows that are counted of a convolution, of all pictures together
WIDEST = 2048  # numbers in a window whose every pair is counted; of a larger one tap by tap
ROUGH = 1e-6
AT_ONCE = 1 << 23  # numbers in the largest tensor of a batch


@dataclass(frozen=True)
class Ends:
    """The least and the largest number of each channel: pictures x channels."""

    low: Array
    high: Array


@dataclass(frozen=True)
class Windows:
    """Of what a convolution reads: how the numbers of a window spread, each with each."""

    mean: Array  # groups x numbers
    spread: Array  # groups x numbers x numbers: their covariance


@dataclass(frozen=True)
class Seen:
    """What is known of the numbers that a network makes, by the names of its ops."""

    ends: dict[str, Ends]
    windows: dict[str, Windows]


def trace(graph: Graph, weights: Weights, images: Array) -> Iterator[tuple[Op, list[Array], Array]]:
    """Every op with what it reads and makes, in running order."""
    last = {tensor.name: op for op in graph.ops for tensor in op.inputs}
    values: dict[str, Array] = {}
    for op in graph.ops:
        xs = [values[tensor.name] for tensor in op.inputs] or [images]
        own = {part: weights[f"{op.name}.{part}"] for part in op.weights}
        values[op.name] = step(op, xs, own)
        yield op, xs, values[op.name]
        for tensor in op.inputs:
            if last[tensor.name] is op:
                values.pop(tensor.name, None)


def observe(
    graph: Graph, weights: Weights, images: Array, show: Callable[[int], None] = lambda done: None
) -> Seen:
    """The ends of all tensors and the windows of all convolutions, on these pictures."""
    rng = np.random.default_rng(0)
    ends: dict[str, list[tuple[Array, Array]]] = {}
    sums: dict[str, tuple[int, Array, Array]] = {}
    at_once = max(1, AT_ONCE // max(op.output.size for op in graph.ops))
    for start in range(0, len(images), at_once):
        batch = images[start : start + at_once]
        share = -(-PATCHES * len(batch) // len(images))
        for op, xs, made in trace(graph, weights, batch):
            ends.setdefault(op.name, []).append((made.min((1, 2)), made.max((1, 2))))
            if isinstance(op, Conv):
                x = windows(op, xs[0], rng, share)
                pairs = np.matmul(x.transpose(1, 2, 0), x.transpose(1, 0, 2)).astype(np.float64)
                count, first, second = sums.get(op.name, (0, np.zeros(()), np.zeros(())))
                sums[op.name] = count + len(x), first + x.sum(0, np.float64), second + pairs
        show(start + len(batch))
    found = {}
    for name, (count, first, second) in sums.items():
        mean = first / count
        spread = second / count - mean[:, :, None] * mean[:, None]
        np.einsum("gkk->gk", spread)[:] += ROUGH * mean**2  # of which float32 may lose as much
        found[name] = Windows(mean, spread)
    joined = {name: (np.concatenate(part) for part in zip(*each)) for name, each in ends.items()}
    return Seen({name: Ends(*both) for name, both in joined.items()}, found)


def by_tap(op: Conv) -> bool:
    """Whether a window is read as if its taps had nothing to do with each other."""
    return isinstance(op, Deconv) or (
        op.groups == 1 and op.kernel**2 * op.inputs[0].shape[2] > WIDEST
    )


def windows(op: Conv, x: Array, rng: np.random.Generator, share: int) -> Array:
    """Some of the windows that pixels are made of: windows x groups x numbers."""
    if op.kernel == 1 or by_tap(op):
        flat = x.reshape(-1, x.shape[3])
        some = flat[chosen(rng, len(flat), share)]
        return some[:, :, None] if op.depthwise else some[:, None]
    height, width, _ = op.output.shape
    x = np.pad(x, ((0, 0), *op.pads, (0, 0)))
    place = chosen(rng, len(x) * height * width, share)
    picture, row, column = (
        i[:, None, None] for i in np.unravel_index(place, (len(x), height, width))
    )
    taps = np.arange(op.kernel) * op.dilation
    some = x[picture, row * op.stride + taps[:, None], column * op.stride + taps]
    flat = some.reshape(len(place), op.kernel**2, -1)
    return np.asarray(flat.transpose(0, 2, 1) if op.depthwise else flat.reshape(len(place), 1, -1))


def chosen(rng: np.random.Generator, count: int, share: int) -> Array:
    return np.asarray(np.arange(count) if share >= count else rng.integers(0, count, share))
