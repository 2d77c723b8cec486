"""Where in a network do bytes lose what?  It goes through both, float32 and bytes, op by op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.fuse import fuse
from spindle.compiler.fused import Sum
from spindle.compiler.reference import activate, step
from spindle.model.graph import Graph
from spindle.model.grids import Grid, grids
from spindle.model.ops import Add, Concat, Conv, Image, Mean, Op, Resize
from spindle.model.weights import Weights

Array = NDArray[Any]


@dataclass(frozen=True)
class Rung:
    """Of a tensor: how much stronger than what is lost its numbers are, in decibels."""

    name: str
    db: float  # of all that was lost up to here
    own: float  # of what its own weights and its own bytes lose
    answers: bool  # whether an answer is made of it, in float32


def climb(
    graph: Graph,
    weights: Weights,
    exact: Weights,
    images: Array,
    learnt: int = 0,
    show: Callable[[int], None] = lambda done: None,
    correct: bool = True,
) -> tuple[list[Rung], Weights]:
    """What each op loses; and the weights with biases that make up for it.

    By the first `learnt` pictures the biases are moved, op by op, to where sums are right on
    average, if they are to be `correct`; the losses are of the others.  `exact` are the weights
    before they were on steps.
    """
    fused, numbers = fuse(graph, weights)
    known, moved, rungs = grids(fused, numbers), dict(weights), []
    makers = swallowed(graph, fused)
    last = {tensor.name: op for op in fused.ops for tensor in op.inputs}
    inner = {t.name for op in fused.ops if isinstance(op, Conv | Add | Mean) for t in op.inputs}
    true: dict[str, Array] = {}
    near: dict[str, Array] = {}
    for count, op in enumerate(fused.ops):
        maker = makers.get(op.name, op.name)
        straight = replace(op, act=None) if isinstance(op, Conv) else op
        ours, theirs = (
            {p: w[f"{n}.{p}"] for p in op.weights} for w, n in ((numbers, op.name), (exact, maker))
        )
        xs, ys = ([some[t.name] for t in op.inputs] or [images] for some in (true, near))
        right, made = step(straight, xs, theirs), step(straight, ys, ours)
        if isinstance(op, Conv) and op.whole and learnt and correct:
            by = (right[:learnt] - made[:learnt]).mean((0, 1, 2), np.float32)
            moved[f"{maker}.bias"] = moved[f"{maker}.bias"] + by
            made = made + by
        if isinstance(op, Conv):
            right, made = activate(right, op.act), activate(made, op.act)
        lost = on_grid(op, made, known)
        if not isinstance(op, Image | Concat | Resize) and (
            op.grid or any(t.grid for t in op.inputs)
        ):
            alone = activate(step(straight, ys, theirs), getattr(op, "act", None))
            power = np.var(right[learnt:]) * right.shape[3]  # of one picture's mean too
            db, own = (ratio(power, one[learnt:] - lost[learnt:]) for one in (right, alone))
            ends = isinstance(op, Conv) and op.name not in inner and not op.grid
            rungs.append(Rung(op.name, db, own, ends))
        true[op.name], near[op.name] = right, lost
        for tensor in op.inputs:
            if last[tensor.name] is op:
                for some in (true, near):
                    some.pop(tensor.name, None)
        show(count + 1)
    return rungs, moved


def swallowed(graph: Graph, fused: Graph) -> dict[str, str]:
    """For each Sum the convolution in the graph that it was made of."""
    alive, ops = {op.name for op in fused.ops}, {op.name: op for op in graph.ops}
    return {
        op.name: next(t.name for t in ops[op.name].inputs if t.name not in alive)
        for op in fused.ops
        if isinstance(op, Sum)
    }


def on_grid(op: Op, values: Array, known: dict[str, Grid]) -> Array:
    """Numbers rounded to those that bytes can stand for."""
    if not op.grid or isinstance(op, Image | Concat | Resize):
        return values
    grid = known[op.name]
    zero = grid.zero.astype(np.float32)
    return np.asarray(np.rint(values * (1 / grid.scale)).clip(-zero, 255 - zero) * grid.scale)


def ratio(power: float, lost: Array) -> float:
    """In decibels, for each channel of so much power together; 99 where nothing is lost."""
    noise = float((lost.astype(np.float64) ** 2).mean((0, 1, 2)).sum())
    return min(10 * float(np.log10(max(float(power), 1e-12) / max(noise, 1e-20))), 99.0)


def answering(rungs: list[Rung]) -> float:
    """The decibels of all that answers are made of, as one."""
    noises = [10 ** (-rung.db / 10) for rung in rungs if rung.answers]
    return -10 * float(np.log10(np.mean(noises))) if noises else 99.0
