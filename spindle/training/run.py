"""What is a run?  One network, its pictures, its recipe and the folder that it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spindle.data.labels import mirror
from spindle.data.samples import Dataset
from spindle.model.graph import Graph
from spindle.model.weights import Model, Weights, versions
from spindle.training.feed import Order, Teach, feed, stacked, workers
from spindle.training.learner import Batch
from spindle.training.machines import Machine
from spindle.training.recipe import Recipe, counts_anew, variety

MODEL, LOG = "model.safetensors", "metrics.jsonl"
LEARNING = "learning"  # the phase that all others interrupt
ENDED = "ended before"  # the phase of a run that has nothing more to do
COUNTED = 16  # batches from which the statistics of batch norm are counted
Row = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """Where a run is, for whoever watches it."""

    phase: str  # what it does just now, and how much of that is done
    done: int
    total: int
    said: str = ""
    row: Row | None = None  # of metrics.jsonl, once an epoch is over


Watch = Callable[[Moment], None]


def quiet(moment: Moment) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Run:
    """One run in its folder: what is taught to which network, and from which pictures."""

    folder: Path
    data: Dataset
    recipe: Recipe
    machine: Machine
    graph: Graph
    notes: tuple[str, ...]
    settings: dict[str, Any]
    watch: Watch = quiet

    @property
    def order(self) -> Order:
        return Order(
            self.data.splits["train"], self.recipe.batch, self.machine, self.recipe.seed,
            self.recipe.repeats, self.recipe.accumulate, by_identity=self.data.task == "embed",
        )  # fmt: skip

    @property
    def steps(self) -> int:
        """Of an epoch: each is one move of the weights."""
        return self.order.steps // self.recipe.accumulate

    @property
    def counts_anew(self) -> bool:
        return counts_anew(self.recipe, self.machine.world)

    def lessons(self, epoch: int = 0, step: int = 0) -> Iterator[list[Batch]]:
        """All that is still to be learnt, `accumulate` batches a step."""
        recipe, task = self.recipe, self.data.task
        flips = mirror(self.data.labels) if task == "pose" else ()
        teach = Teach(task, self.graph.image, variety(recipe, task), flips)
        todo = self.order.from_(epoch, step * recipe.accumulate, recipe.epochs)
        gpu = self.machine.device.type == "cuda"
        fed = feed(teach, todo, stacked, workers(self.machine), gpu)
        while batches := list(islice(fed, recipe.accumulate)):
            yield batches

    def model(self, learnt: Weights, scores: dict[str, float]) -> Model:
        """The network as it is used: what only learning needs is left out."""
        graph = self.graph.until(self.graph.output.name)
        kept = {name: learnt[name] for name in graph.arrays}
        return Model(
            graph, kept, self.data.task, () if self.data.task == "embed" else self.data.labels,
            metrics=scores, recipe=asdict(self.recipe), source=self.notes,
            versions=versions() | {"torch": str(torch.__version__)},
        )  # fmt: skip

    def counted(self) -> Iterator[Tensor]:
        """Pictures as lessons show them, the same ones whenever they are asked for."""
        for number, batches in enumerate(islice(self.lessons(), COUNTED)):
            self.watch(
                Moment("counting batch norm", number, min(COUNTED, self.steps * self.recipe.epochs))
            )
            yield from (pixels for pixels, _ in batches)
