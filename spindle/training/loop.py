"""How does a network learn?  One loop: a batch, a step, and a word on how it goes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from spindle.model.graph import Graph
from spindle.model.weights import Weights
from spindle.training.network import Network


def teach(
    graph: Graph,
    pictures: NDArray[np.uint8],
    classes: NDArray[np.int64],
    steps: int,
    show: Callable[[int, str], None] = lambda step, said: None,
    batch: int = 64,
    rate: float = 1e-2,
    seed: int = 0,
) -> Weights:
    """A classifier's weights after so many steps on these pictures; the same for the same seed."""
    torch.manual_seed(seed)
    network = Network(graph.until("logits"), seed=seed).train()
    optimizer = torch.optim.AdamW(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    inputs = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    targets = torch.from_numpy(classes)
    for step in range(steps):
        chosen = torch.randint(len(inputs), (batch,))
        logits = network(inputs[chosen]).flatten(1)
        loss = functional.cross_entropy(logits, targets[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        show(step + 1, f"loss {loss.item():.3f}")
    return network.weights()
