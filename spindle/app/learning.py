"""What is done with a model and somebody's data: how is it taught by them, and judged by them?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spindle import training
from spindle.app.kept import keep, kept
from spindle.app.progress import Bar
from spindle.app.quantizing import quantize_model
from spindle.app.watching import Watcher
from spindle.data.datasets import find
from spindle.data.judges.judge import Judge
from spindle.data.judges.wording import NAMED, in_common
from spindle.data.metrics import evaluate
from spindle.data.parting import part_of
from spindle.data.results import Result
from spindle.data.samples import Dataset, Samples
from spindle.model.family import sides
from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.weights import Model, Weights

Array = NDArray[Any]
WORTH = 1e11  # multiply-adds: what torch takes longer for than a compiler for a network


def teach(
    found: Dataset,
    out: str | Path = "run",
    start: Model | None = None,
    recipe: str | None = None,
    teacher: Model | None = None,
    device: str = "auto",
    split: float = 0.2,
    int8: bool = False,
    network: dict[str, Any] | None = None,
    **changed: Any,
) -> Model:
    """Trains on this data, shows how it goes, and leaves the best in the folder `out`.

    `changed` are fields of the recipe, `network` is what else `training.train` takes.  With `int8`
    a model in float32 is quantized first, and is its own teacher unless there is another.
    """
    warn(found)
    if int8 and start is None:
        raise ValueError("--int8 teaches what knows all else already: name it by --weights")
    rounded = start is not None and start.graph.of_bytes
    if int8 and start and not rounded:
        size = (network or {}).get("size")
        resized = start.graph.resized(*sides(size)) if size is not None else start.graph
        teacher = teacher or start
        start = quantize_model(replace(start, graph=resized), found.path).model
    usual = "aware" if int8 or rounded else training.usual(found.task, start is not None)
    watcher = Watcher(Path(out), found.task)
    try:
        named = training.named(recipe or usual, **changed)
        return training.train(
            found, out, named, start, teacher, device, split, watcher, compiled, **network or {}
        )
    finally:
        watcher.bar.end()


def compiled(graph: Graph, weights: Weights, pictures: int) -> Callable[[Array], Array] | None:
    """A trunk in C, where that is built sooner than torch would have looked at the pictures."""
    model = Model(graph, weights, "classify")
    try:
        work = pictures * graph.madds
        library = keep(model) if work > WORTH else kept(model)
    except (ValueError, NotImplementedError, OSError):  # no compiler, say
        return None
    if library is None:
        return None
    (said,) = graph.outputs
    return lambda shown: library.run(shown)[said.name].reshape(len(shown), -1)


def warn(found: Dataset) -> None:
    """Says that something is wrong with the data, where something is."""
    if found.problems:
        first = " ".join(str(found.problems[0]).split())
        print(
            f"spindle: {len(found.problems)} things in {found.path} are not as they should be "
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
    acquainted(found, names)
    foresee(len(samples))
    bar = Bar("judging", len(samples), "pictures")
    try:
        only = names if shared else None
        return evaluate(predict, samples, found.task, found.labels, bar.show, only)
    finally:
        bar.end()


def learnt_from(found: Dataset, judges: Samples, split: float, seed: int) -> Samples:
    """What a model would learn from, where there is any such part; else what judges it."""
    try:
        return part_of(found, "train", split, seed)
    except ValueError:
        return judges


def acquainted(found: Dataset, names: Sequence[str]) -> None:
    """A sentence where a model and data know nothing that both have a name for."""
    if found.task in NAMED and not in_common(found.labels, names):
        raise ValueError(
            f"the model and {found.path} have no class in common: it knows "
            f"{', '.join(names[:3])} ..., the data {', '.join(found.labels[:3])} ..."
        )
