"""How must bytes be meant for other runtimes?  One grid for a whole tensor, and every sum on one.

Their kernels know one scale of what they read and one of what they make, so that a shortcut is
added to bytes.  They pad with one byte, so that bytes of pictures must share a mean.  Those of
machines without VNNI add products in pairs of 16 bits, and what is too large they cut off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.compiler.quantize import LARGEST_BIAS
from spindle.model.graph import Graph
from spindle.model.grids import LARGEST_STEP, PAIR, Grid, grids, steps, unit
from spindle.model.ops import Add, Concat, Conv, Image, Op, Resize, Tensor
from spindle.model.weights import Weights

Array = NDArray[Any]
Ends = dict[str, tuple[float, float]]
FITS = PAIR / (PAIR - 1)  # rounding may have made a pair larger by one


def uniform(graph: Graph, weights: Weights, pictures: Array | None = None) -> tuple[Graph, Weights]:
    """The same network, a scale and a zero for each tensor: no better, and such is said below.

    What is added to a shortcut gets the grid that is wide enough for any two bytes.  With pictures
    it gets the one that they need, and so do the answers and what is resized: then whatever comes
    of bytes is bytes.
    """
    known = grids(graph, weights)
    ends = {op.name: span(known[op.name]) for op in graph.ops if "scale" in op.numbers}
    ends |= added(graph, ends) if pictures is None else observed(graph, weights, pictures)
    widen(graph, ends)
    answers = {tensor.name for tensor in graph.outputs}

    def change(op: Op) -> Op:
        if isinstance(op, Image):
            return replace(op, grid=op.grid and len(set(op.mean)) == 1)
        resized = isinstance(op, Resize) and pictures is not None and op.inputs[0].grid
        return replace(op, grid=op.grid or op.name in ends or (resized and op.name not in answers))

    made = graph.map(change)
    numbers = {name: array for name, array in weights.items() if name in made.arrays}
    for op in made.ops:
        if "scale" in op.numbers and not (op.name in known and ends[op.name] == only(known, op)):
            for part, value in zip(("scale", "zero"), wide(op, *ends[op.name]), strict=True):
                numbers[f"{op.name}.{part}"] = np.full(op.output.shape[2], value, np.float32)
    new = grids(made, numbers)
    for op in made.ops:
        if isinstance(op, Conv) and op.whole:
            read = op.inputs[0].name
            whole = steps(op, numbers, new).astype(np.float64)
            if (known[read].scale != new[read].scale).any() or (lone(op, whole) > FITS).any():
                numbers[f"{op.name}.step"] = step(op, numbers, new[read])
                exact = steps(op, numbers, new) * unit(op, numbers, new)
                numbers[f"{op.name}.weight"] = exact
    return made, numbers


def span(grid: Grid) -> tuple[float, float]:
    """The least and the largest number of any channel."""
    low, high = -grid.middle * grid.scale, (255 - grid.middle) * grid.scale
    return float(low.min()), float(high.max())


def only(known: dict[str, Grid], op: Op) -> tuple[float, float] | None:
    """The same, of a grid that is one for all channels."""
    grid = known[op.name]
    return span(grid) if alike(grid) else None


def alike(grid: Grid) -> bool:
    return bool((grid.scale == grid.scale[0]).all() and (grid.middle == grid.middle[0]).all())


def sums(graph: Graph) -> list[Tensor]:
    """What comes of bytes, but is none yet."""
    return [op.output for op in graph.ops if isinstance(op, Conv) and op.whole and not op.grid]


def added(graph: Graph, ends: Ends) -> Ends:
    """Whatever may be added to one byte to make another."""
    found: Ends = {}
    bare = {tensor.name for tensor in sums(graph)}
    for op in graph.ops:
        if isinstance(op, Add) and op.grid:
            for own, other in zip(op.inputs, op.inputs[::-1], strict=True):
                if own.name in bare and other.name in ends:
                    (low, high), (least, most) = ends[op.name], ends[other.name]
                    found[own.name] = low - most, high - least
    return found


def observed(graph: Graph, weights: Weights, pictures: Array) -> Ends:
    bare = [tensor for tensor in sums(graph) if tensor not in graph.outputs]
    seen = reference.run(Graph(graph.ops, tuple(bare)), weights, pictures)
    return {name: (min(x.min(), 0.0), max(x.max(), 1e-3)) for name, x in seen.items()}


def widen(graph: Graph, ends: Ends) -> None:
    """Those side by side share the widest."""
    makers = {op.name: op for op in graph.ops}

    def roots(tensor: Tensor) -> list[str]:
        op = makers[tensor.name]
        moved = isinstance(op, Concat | Resize)
        return [name for t in op.inputs for name in roots(t)] if moved else [op.name]

    rows = [op for op in graph.ops if isinstance(op, Concat) and op.grid]
    for op in rows * len(rows):
        names = roots(op.output)
        if all(name in ends for name in names):
            low, high = zip(*(ends[name] for name in names))
            ends |= dict.fromkeys(names, (min(low), max(high)))


def wide(op: Op, low: float, high: float) -> tuple[float, float]:
    """The scale and the zero of a grid from end to end."""
    if isinstance(op, Conv) and op.act:
        low, high = 0.0, min(high, 6.0) if op.act == "relu6" else high
    scale = (high - low) / 255
    return scale, round(-low / scale)


def lone(op: Conv, weight: Array) -> Array:
    """Of each channel the smallest step with which any two neighbours fit into 16 bits."""
    most = np.abs(weight).max((1, 2, 3))
    if op.groups > 1:
        return np.asarray(most / LARGEST_STEP)
    if weight.shape[3] % 2:  # who is whose neighbour is not known
        return np.asarray(most / (PAIR // 2 - 1))
    both = np.abs(weight[..., ::2] + weight[..., 1::2]).max((1, 2, 3))
    return np.asarray(np.maximum(most / LARGEST_STEP, both / (PAIR - 1)))


def step(op: Conv, weights: Weights, read: Grid) -> NDArray[np.float32]:
    """Of each channel, so small that its weights are almost what they were."""
    scale = read.scale.astype(np.float64)
    by_input = scale.reshape(-1, 1, 1, 1) if op.groups > 1 else scale
    least = np.abs(weights[f"{op.name}.bias"]) / LARGEST_BIAS
    found = np.maximum(lone(op, weights[f"{op.name}.weight"] * by_input), least)
    return np.maximum(found, np.finfo(np.float32).tiny).astype(np.float32)
