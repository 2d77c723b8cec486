"""Networks of bytes for tests: any weights, put on grids by lot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.compiler.fold import fold
from spindle.compiler.fuse import fuse
from spindle.model.graph import Graph
from spindle.model.grids import PAIR, grids, whole
from spindle.model.ops import Add, Concat, Conv, Image, Mean, Op, Resize, Rows
from spindle.model.weights import Weights

KINDS = (Image, Conv, Add, Mean, Concat, Resize)


def gridded(
    graph: Graph, weights: Weights, seed: int = 0, share: float = 1.0
) -> tuple[Graph, Weights]:
    """Every tensor that can be, or such a share of them, on grids about as wide as it needs."""
    rng = np.random.default_rng(seed)
    graph, weights = fold(graph, weights)
    kept = {op.name for op in fuse(graph, weights)[0].ops}
    ends = {tensor.name for tensor in graph.outputs}

    def change(op: Op) -> Op:
        can = isinstance(op, KINDS) and op.name in kept - ends and rng.random() < share
        if isinstance(op, Concat):
            can &= op.axis == "channels"
        if isinstance(op, (Concat, Resize)):
            can &= all(tensor.grid for tensor in op.inputs)
        return replace(op, grid=can)

    made, numbers = graph.map(change), dict(weights)
    pictures = rng.integers(0, 256, (2, *graph.input.shape), np.uint8)
    values: dict[str, NDArray[Any]] = {}
    for op, plain in zip(made.ops, graph.ops, strict=True):
        xs = [values[tensor.name] for tensor in op.inputs] or [pictures]
        own = {part: weights[f"{op.name}.{part}"] for part in plain.weights}
        seen = values[op.name] = reference.step(plain, xs, own)
        if "scale" in op.numbers:
            scale, zero = around(seen, op, rng)
            numbers |= {f"{op.name}.scale": scale, f"{op.name}.zero": zero}
    known = grids(made, numbers)
    for op in made.ops:
        if isinstance(op, Conv) and op.whole:
            numbers[f"{op.name}.step"] = steps(op, numbers, known[op.inputs[0].name].scale, rng)
    return made, numbers


def around(seen: NDArray[Any], op: Op, rng: np.random.Generator) -> tuple[Any, Any]:
    """A scale and a zero for each channel; some of what was seen lies beyond the ends."""
    low, high = seen.min((0, 1, 2)), seen.max((0, 1, 2))
    wide = rng.uniform(0.8, 1.2, len(low))
    zero = np.rint(255 * np.clip(-low / np.maximum(high - low, 1e-3), 0, 1))
    scale = np.maximum(high - low, 0.1) * wide / 255
    if isinstance(op, Conv) and op.act:
        zero, scale = zero * 0, np.minimum(scale, 6 / 255)
    return scale.astype(np.float32), zero.astype(np.float32)


def steps(op: Conv, numbers: Weights, scale: Any, rng: np.random.Generator) -> Any:
    """Weights of half of the ops are small enough for narrow sums."""
    by_input = scale.reshape(-1, 1, 1, 1) if op.groups > 1 else scale
    weight = np.abs(numbers[f"{op.name}.weight"] * by_input).reshape(op.channels, -1)
    most = weight.max(1) / (PAIR // 2 - 1 if rng.random() < 0.5 else 127)
    least = np.abs(numbers[f"{op.name}.bias"]) / (1 << 20)
    return np.maximum(np.maximum(most, least), 1e-6).astype(np.float32)


def exact(graph: Graph, name: str) -> bool:
    """Whether a tensor comes of whole numbers alone."""
    op = next(op for op in graph.ops if op.name == name)
    moved = isinstance(op, (Image, Rows)) and (op.grid or bool(op.inputs))
    return (whole(op) or moved) and all(exact(graph, tensor.name) for tensor in op.inputs)
