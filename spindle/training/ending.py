"""What can the end of a trunk learn in seconds?  Its last convolutions, from what reaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from spindle.model.cores import cores
from spindle.model.graph import Graph
from spindle.model.ops import Image, Tensor
from spindle.model.weights import Weights
from spindle.training.frozen import (
    Floats,
    batches,
    by_torch,
    features,
    fit_classifier,
    trunk,
    with_last,
)
from spindle.training.learner import Learner
from spindle.training.machines import Machine
from spindle.training.recipe import Recipe


def ending(graph: Graph, place: Tensor) -> Graph:
    """What of a classifier stands behind a tensor: a network that reads this as its picture."""
    graph = graph.until(graph.output.name)
    height, width, channels = place.shape
    image = Image(place.name, (), height, width, (0.0,) * channels, (1.0,) * channels)
    first = 1 + next(number for number, op in enumerate(graph.ops) if op.name == place.name)
    return Graph((image, *graph.ops[first:]), graph.outputs)


def taught(
    end: Graph,
    weights: Weights,
    maps: Floats,
    kinds: NDArray[np.int64],
    recipe: Recipe,
    machine: Machine,
    show: Callable[[int], None] = lambda done: None,
) -> Weights:
    """An ending's weights once it has seen these maps (pictures x height x width x channels).

    Its last layer begins where the others, as they are, are best used: those then move but little.
    """
    part = trunk(end, {name: weights[name] for name in end.arrays})
    ask = by_torch(*part, str(machine.device))
    rows = features(ask, end.image, maps, lambda shown: shown, workers=cores())
    classes = end.output.shape[2]
    first = with_last(end, weights, *fit_classifier(rows, kinds, classes, recipe.seed))
    # maps are no pictures: nothing that is done to those may be done to them
    recipe = replace(recipe, freeze="", colour=0, policy="none", erase=0, mixup=0, cutmix=0)
    steps = -(-len(maps) // recipe.batch)
    first = {name: first[name] for name in end.arrays}
    learner = Learner(end, first, "classify", recipe, machine, steps)
    rng = np.random.default_rng(recipe.seed)
    for epoch in range(recipe.epochs):
        for chosen in batches(rng.permutation(len(maps)), recipe.batch):
            shown = torch.from_numpy(maps[chosen]).permute(0, 3, 1, 2)
            learner.step([(shown, {"kind": torch.from_numpy(kinds[chosen])})])
        show(epoch + 1)
    return learner.weights()
