"""Weights of every op drawn at random, so that no part of a network is idle."""

from __future__ import annotations

import numpy as np

from spindle.model.graph import Graph
from spindle.model.weights import Weights


def scrambled(graph: Graph, seed: int = 0) -> Weights:
    """Kernels that keep the size of what goes through them; norms and biases far from idle."""
    rng = np.random.default_rng(seed)
    weights: Weights = {}
    for name, shape in graph.arrays.items():
        match name.rsplit(".", 1)[1]:
            case "weight":
                values = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
            case "gamma":
                values = rng.uniform(0.5, 1.5, shape)
            case "var":
                values = rng.uniform(0.5, 2.0, shape)
            case _:
                values = rng.normal(0, 0.3, shape)
        weights[name] = values.astype(np.float32)
    return weights
