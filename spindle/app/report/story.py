"""What does a page tell of?  One model, judged on one data set, and all that is known of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spindle.app.report.latency import Latency
from spindle.app.report.loss import Loss
from spindle.app.report.sureness import Interval
from spindle.app.report.witness import Witness
from spindle.data.health import Report
from spindle.data.judges.judge import Judge
from spindle.data.metrics import HEADLINE
from spindle.data.reading import names
from spindle.data.samples import Dataset
from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.tasks import answers
from spindle.model.weights import Model

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Told:
    """All that a page is made of."""

    name: str  # of the model
    graph: Graph
    model: Model | None  # None of a compiled one, which keeps its numbers to itself
    known: Mapping[str, Any]  # what its file says: recipe, source, versions, hash
    data: Dataset
    judge: Judge
    witness: Witness
    pictures: int  # in the part that it was judged by, if not on all of them
    interval: Interval | None
    health: Report | None = None
    examined: int = 0  # pictures that `health` is about
    rows: tuple[Row, ...] = ()  # of metrics.jsonl
    latency: Latency | None = None
    size: int = 0  # bytes of the model's file
    command: str = ""
    loss: Loss | None = None  # in bytes

    @property
    def task(self) -> Task:
        return self.judge.task

    @property
    def headline(self) -> str:
        return HEADLINE[self.task]

    @property
    def names(self) -> tuple[str, ...]:
        """The words of the model itself."""
        if self.model is None:
            return ()
        return names(self.task, answers(self.graph, self.task), self.model.labels)

    @property
    def classes(self) -> int:
        """How many it is judged by."""
        return int((self.judge.words.truths >= 0).sum())

    @property
    def data_name(self) -> str:
        path = Path(self.data.path)
        return f"{path.parent.name}/{path.name}" if path.suffix else path.name or str(path)
