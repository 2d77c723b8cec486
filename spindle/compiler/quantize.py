"""How does a network come to reckon with bytes?  Its edges get grids, its weights steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.balance import Reader, balanced
from spindle.compiler.fuse import fuse
from spindle.compiler.margins import Setting, reach
from spindle.compiler.ranges import Seen, Windows
from spindle.compiler.rounding import by_sums, nearest, repeated, settled, steps, widest
from spindle.model.graph import Graph
from spindle.model.grids import Grid, grids
from spindle.model.ops import Add, Concat, Conv, Deconv, Image, Mean, Op, Resize, Tensor
from spindle.model.weights import Weights

Array = NDArray[Any]
LARGEST_BIAS = 1 << 24  # in steps: beyond, sums would not fit
DEAR = 1.3  # times the step, for the quicker kernel of a machine


@dataclass(frozen=True)
class Manner:
    """By what rules scales and steps are found."""

    setting: Setting = "measured"
    each: bool = True  # channel its own scale, and weights rounded together; else as usual
    pairs: bool = True  # of weights fit the quickest kernels of machines without VNNI
    hasty: bool = False  # to compare settings: weights are rounded by themselves


PLAIN = Manner("minmax", each=False, pairs=False, hasty=True)


def edges(graph: Graph, weights: Weights, floats: Collection[str] = ()) -> set[str]:
    """The tensors that are to be bytes: all that nobody needs more exactly."""
    fused, _ = fuse(graph, weights)
    readers: dict[str, list[Op]] = {}
    for op in fused.ops:
        for tensor in op.inputs:
            readers.setdefault(tensor.name, []).append(op)
    barred = {*floats, *(tensor.name for tensor in graph.outputs)}
    kinds = (Image, Conv, Add, Mean, Concat, Resize)
    found = {op.name for op in fused.ops if isinstance(op, kinds) and op.name in readers} - barred

    def sound(op: Op) -> bool:
        rank = op.inputs[0].shape[:2] if isinstance(op, Resize) else (1, 1)
        if isinstance(op, Concat) and op.axis == "rows" or rank != (1, 1):
            return False
        if isinstance(op, Concat | Resize) and not all(t.name in found for t in op.inputs):
            return False
        return all(isinstance(r, Conv | Mean) or r.name in found for r in readers[op.name])

    while lost := {op.name for op in fused.ops if op.name in found and not sound(op)}:
        found -= lost
    return found


def quantize(
    graph: Graph,
    weights: Weights,
    seen: Seen,
    manner: Manner = Manner(),
    floats: Collection[str] = (),
) -> tuple[Graph, Weights]:
    """A folded network with grids, as far as `floats` leaves it any, and weights on theirs."""
    there, numbers = edges(graph, weights, floats), dict(weights)
    changed = graph.map(lambda op: replace(op, grid=op.name in there))
    for op in changed.ops:
        if "scale" in op.numbers:
            low, high = reach(op, seen.ends[op.name], manner.setting)
            finest = (high - low) / 255
            scale = np.full_like(finest, finest.max())
            if manner.each:
                readers = list(sides(changed, op.output, numbers, seen))
                scale = balanced(finest, readers, manner.pairs)
            bent = isinstance(op, Conv) and op.act is not None
            middle = np.rint((255 - (low + high) / scale) / 2).clip(0, 255) * (not bent)
            numbers[f"{op.name}.scale"] = scale.astype(np.float32)
            numbers[f"{op.name}.zero"] = middle.astype(np.float32)
    known = grids(changed, numbers)
    added = {tensor.name for op in changed.ops if isinstance(op, Add) for tensor in op.inputs}
    for op in changed.ops:
        if isinstance(op, Conv) and op.whole:
            grid, read = known[op.inputs[0].name], seen.windows[op.name]
            numbers |= on_steps(op, numbers, grid, read, manner, op.grid or op.name in added)
    return changed, numbers


def sides(
    graph: Graph, tensor: Tensor, weights: Weights, seen: Seen, at: slice | None = None
) -> Iterator[Reader]:
    """The full convolutions that read a tensor, with the part of their weights that does."""
    for op in graph.ops:
        if tensor.name not in [each.name for each in op.inputs]:
            continue
        if isinstance(op, Concat) and op.grid:
            start = 0
            for each in op.inputs:
                if each.name == tensor.name:
                    part = slice(start, start + each.shape[2])
                    yield from sides(graph, op.output, weights, seen, part)
                start += each.shape[2]
        elif isinstance(op, Resize) and op.grid:
            yield from sides(graph, op.output, weights, seen, at)
        elif isinstance(op, Conv) and not op.depthwise:
            weight, spread = weights[f"{op.name}.weight"], seen.windows[op.name].spread
            if at is None:
                yield op, weight, spread
            elif op.kernel == 1:
                alone = Tensor(op.inputs[0].name, (*op.inputs[0].shape[:2], at.stop - at.start))
                yield replace(op, inputs=(alone,)), weight[..., at], spread[:, at, at]


def cheap(op: Conv, exact: Array) -> bool:
    """Whether weights that fit in pairs are hardly coarser."""
    return bool((widest(op, exact, True) / widest(op, exact, False)).mean() < DEAR)


def on_steps(
    op: Conv, weights: Weights, grid: Grid, read: Windows, manner: Manner, rounds: bool
) -> Weights:
    """Step, weights and bias of a convolution that reads bytes of this grid.

    Where nobody rounds its sums to bytes they are an answer, and weights as fine as can be.
    """
    weight = by_sums(op, weights[f"{op.name}.weight"].astype(np.float64))
    scale = grid.scale.astype(np.float64)
    if op.depthwise:
        by_input = np.repeat(scale[:, None], weight.shape[2], 1)[:, None]
    else:
        by_input = np.tile(scale, weight.shape[2] // len(scale))[None, None]
    exact = weight * by_input
    spread = read.spread / by_input / by_input.transpose(0, 2, 1)
    pairs = manner.pairs and rounds and cheap(op, exact)
    if manner.each:
        step = steps(op, exact, spread, pairs)
    else:
        step = widest(op, exact, pairs).reshape(op.channels, -1).max(1)
    bias = weights[f"{op.name}.bias"]
    step = np.maximum(step, np.abs(bias) / LARGEST_BIAS).astype(np.float32)
    unit = repeated(op, step.astype(np.float64))
    if manner.hasty:
        found = nearest(op, exact / unit, pairs)
    else:
        found = settled(op, exact / unit, spread, pairs)
    made = found * unit / by_input
    if manner.each:  # what is lost on average is given back
        lost = ((weight - made) @ read.mean[:, :, None]).reshape(op.channels, -1).sum(1)
        seldom = op.stride**2 if isinstance(op, Deconv) else 1  # a pixel is painted by few taps
        bias = bias + (lost / seldom).astype(np.float32)
    shape = weights[f"{op.name}.weight"].shape
    return {
        f"{op.name}.step": step,
        f"{op.name}.weight": made.reshape(shape).astype(np.float32),
        f"{op.name}.bias": bias,
    }
