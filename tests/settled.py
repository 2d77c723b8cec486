"""Weights at random for tests that go through a whole network, in which no number blows up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.model.graph import Graph
from spindle.model.ops import BatchNorm, Conv
from spindle.model.weights import Weights


def settled(graph: Graph, seed: int = 0) -> Weights:
    """Every norm has counted what it sees of a few pictures, and shifts and scales it a little.

    So what comes out of it is about as large as one, as in a network that has learnt.
    """
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (4, *graph.input.shape), np.uint8)
    pictures[1:3] //= 3  # darker, one of them flatter
    pictures[2] += 40
    values: dict[str, NDArray[Any]] = {}
    weights: Weights = {}
    for op in graph.ops:
        xs = [values[tensor.name] for tensor in op.inputs] or [pictures]
        own: Weights = {}
        for part, shape in (op.weights | op.statistics).items():
            match part:
                case "weight":
                    drawn = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
                case "gamma":
                    drawn = rng.uniform(0.5, 1.5, shape)
                case _:
                    drawn = rng.normal(0, 0.5, shape)
            own[part] = drawn.astype(np.float32)
        if op.statistics and isinstance(op, (Conv, BatchNorm)):
            assert op.norm
            idle = {"gamma": np.sqrt(1 + np.float32(op.norm.eps)), "beta": 0, "mean": 0, "var": 1}
            plain = {part: own[part] * 0 + np.float32(value) for part, value in idle.items()}
            bare = replace(op, act=None) if isinstance(op, Conv) else op
            seen = reference.step(bare, xs, own | plain)
            own["mean"] = seen.mean((0, 1, 2), dtype=np.float32)
            own["var"] = seen.var((0, 1, 2), dtype=np.float32) + np.float32(0.2)
        weights |= {f"{op.name}.{part}": array for part, array in own.items()}
        values[op.name] = reference.step(op, xs, own)
    return weights
