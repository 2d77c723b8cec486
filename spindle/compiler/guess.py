"""What do tensors hold where there are no pictures?  What batch norms have counted tells."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.ranges import Ends, Seen, Windows, by_tap
from spindle.compiler.reference import activate
from spindle.model.graph import Graph
from spindle.model.ops import Add, Concat, Conv, Image, Op, Rows
from spindle.model.weights import Weights

Array = NDArray[Any]
FAR = 5.0  # standard deviations: no number is believed to lie further from its mean
ALIKE = 0.7  # of two neighbouring pixels
BELL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])[:, None]


def guess(whole: Graph, weights: Weights, graph: Graph, folded: Weights) -> Seen:
    """As `observe`, of a folded network, by the norms that it had when it was whole."""
    normed = {op.name for op in whole.ops if op.statistics}
    if not normed:
        raise ValueError(
            "its batch norms are folded in, so nothing is known of what it makes: "
            "give pictures to --calibrate"
        )
    held: dict[str, tuple[Array, Array]] = {}  # mean and variance of each channel
    ends, windows = {}, {}
    for op in graph.ops:
        read = [held[tensor.name] for tensor in op.inputs]
        if isinstance(op, Conv):
            windows[op.name] = window(op, *read[0])
        mean, var = made(op, read, weights if op.name in normed else {}, folded)
        far = FAR * np.sqrt(var)
        low, high = mean - far, mean + far
        act = op.act if isinstance(op, Conv) else None
        if act:
            bent = activate(mean + np.sqrt(var) * BELL, act)
            mean, var = bent.mean(0), bent.var(0)
        held[op.name], ends[op.name] = (mean, var), Ends(low[None], high[None])
    return Seen(ends, windows)


def made(
    op: Op, read: list[tuple[Array, Array]], weights: Weights, folded: Weights
) -> tuple[Array, Array]:
    """Mean and variance of each channel, before it is bent; `weights` where they hold a norm."""
    match op:
        case Image():
            mean, std = np.array(op.mean), np.array(op.std)
            return (127.5 - mean) / std, (64 / std) ** 2
        case Conv() if weights:
            return weights[f"{op.name}.beta"], weights[f"{op.name}.gamma"] ** 2
        case Conv():
            weight = folded[f"{op.name}.weight"].sum((1, 2)).astype(np.float64)
            mean, var = read[0]
            if op.depthwise:
                return weight[:, 0] * mean + folded[f"{op.name}.bias"], weight[:, 0] ** 2 * var
            return weight @ mean + folded[f"{op.name}.bias"], weight**2 @ var
        case Add():
            return read[0][0] + read[1][0], read[0][1] + read[1][1]
        case Concat(axis="channels"):
            mean, var = (np.concatenate(parts) for parts in zip(*read, strict=True))
            return mean, var
        case Rows():
            return np.zeros(op.channels), np.ones(op.channels)
    return read[0]


def window(op: Conv, mean: Array, var: Array) -> Windows:
    """Of channels that have nothing to do with each other, and of pixels that have."""
    taps = 1 if by_tap(op) else op.kernel**2
    near = np.full((taps, taps), ALIKE) + np.eye(taps) * (1 - ALIKE)
    if op.depthwise:
        return Windows(np.repeat(mean[:, None], taps, 1), var[:, None, None] * near)
    spread = np.kron(near, np.diag(var))
    return Windows(np.tile(mean, taps)[None], spread[None])
