"""What is done with a model and somebody's data: how is it taught by them, and judged by them?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spindle import training
from spindle.app.progress import Bar
from spindle.app.watching import Watcher
from spindle.data.datasets import find
from spindle.data.judges.judge import Judge
from spindle.data.judges.wording import in_common
from spindle.data.metrics import evaluate
from spindle.data.parting import part_of
from spindle.data.results import Result
from spindle.data.samples import Dataset
from spindle.model.heads import Task
from spindle.model.weights import Model


def teach(
    data: str | Path,
    out: str | Path = "run",
    start: Model | None = None,
    recipe: str | None = None,
    task: Task | None = None,
    form: str | None = None,
    teacher: Model | None = None,
    device: str = "auto",
    split: float = 0.2,
    network: dict[str, Any] | None = None,
    **changed: Any,
) -> Model:
    """Trains on this data, shows how it goes, and leaves the best in the folder `out`.

    `changed` are fields of the recipe, `network` is what else `training.train` takes.
    """
    found = find(data, task, form)
    warn(found, data)
    named = training.named(recipe or training.usual(found.task, start is not None), **changed)
    watcher = Watcher(Path(out), found.task)
    try:
        return training.train(
            found, out, named, start, teacher, device, split, watcher, **network or {}
        )
    finally:
        watcher.bar.end()


def warn(found: Dataset, data: str | Path) -> None:
    """Says that something is wrong with the data, where something is."""
    if found.problems:
        first = " ".join(str(found.problems[0]).split())
        print(
            f"spindle: {len(found.problems)} things in {data} are not as they should be "
            f"(the first: {first}); spindle check shows all",
            file=sys.stderr,
        )


def judged(
    predict: Callable[[Any], Result],
    names: Sequence[str],
    data: str | Path,
    task: Task,
    form: str | None = None,
    part: str = "val",
    split: float = 0.2,
    seed: int = 0,
    shared: bool = False,
    foresee: Callable[[int], None] = lambda pictures: None,
) -> Judge:
    """What a judge says of a model that names these `names`, once it has seen a part of this data.

    With `shared`, those classes alone count that both know; `foresee` hears how many are to come.
    """
    found = find(data, task, form)
    samples = part_of(found, part, split, seed)
    if found.task in ("classify", "detect", "segment") and not in_common(found.labels, names):
        raise ValueError(
            f"the model and {data} have no class in common: it knows "
            f"{', '.join(names[:3])} ..., the data {', '.join(found.labels[:3])} ..."
        )
    foresee(len(samples))
    bar = Bar("judging", len(samples), "pictures")
    try:
        only = names if shared else None
        return evaluate(predict, samples, found.task, found.labels, bar.show, only)
    finally:
        bar.end()
