"""How does a run begin?  From data, a recipe and perhaps a model, to the first step."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, replace
from itertools import islice
from math import log, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.data.augment import unjudged
from spindle.data.datasets import parted
from spindle.data.preprocess import open_picture
from spindle.data.samples import Dataset, Listed, Sample, Samples
from spindle.model import weights
from spindle.model.cores import cores
from spindle.model.ops import Fit, Image
from spindle.model.weights import Model, Weights, digest, initial
from spindle.training import checkpoint
from spindle.training import recipe as recipes
from spindle.training.ending import ending, taught
from spindle.training.feed import Show, alive, with_cure
from spindle.training.frozen import (
    Reading,
    by_torch,
    features,
    fit_classifier,
    refit,
    trunk,
    with_last,
)
from spindle.training.judging import judged
from spindle.training.layout import has_bf16, hold_memory
from spindle.training.lock import alone
from spindle.training.loop import teach
from spindle.training.machines import Machine, joined
from spindle.training.norms import estimate, normed, normless
from spindle.training.recipe import Recipe
from spindle.training.run import ENDED, MODEL, Moment, Run, Watch, quiet
from spindle.training.transfer import begin

LOCK = ".lock"  # beside what the run leaves
A_FEW = 100  # pictures that show of what shape they all are
ALIKE = 0.05  # of two shapes, in logarithms
# of fewer pictures mirror images are worth their time, and the last layer is all they can teach;
# more teach so many convolutions before it as well: a bottleneck and what widens it (LOG.md)
FEW, TAUGHT = 1000, 4
ROOM = 2 << 30  # bytes of what reaches that end; where they are more, the last layer must do


def train(
    data: Dataset,
    out: str | Path,
    recipe: Recipe | None = None,
    start: Model | None = None,
    teacher: Model | None = None,
    device: str = "auto",
    share: float = 0.2,
    watch: Watch = quiet,
    reading: Reading = lambda graph, weights, pictures: None,
    **network: Any,
) -> Model:
    """Teaches a network on this data, and leaves the best of it in `out`; goes on where it was.

    `start` is a model to begin with, `teacher` one to listen to; `network` is what else is to be
    said of the network: model, width, size, head, family, output_stride.  Of data without a "val"
    split, `share` of the pictures is kept for judging.  `reading` may know a quicker way than torch
    to ask a frozen trunk on a processor.
    """
    recipe = recipe or recipes.RECIPES[recipes.usual(data.task, start is not None)]
    data = parted(data, share, recipe.seed)
    for label in data.labels:
        if not label.isprintable():
            raise ValueError(f"{data.path} has the label {label!r}: rename it, it is no plain text")
    for part in ("train", "val"):
        if data.task == "detect" and marks_nothing(data.splits[part]):
            raise ValueError(
                f"{data.path} marks nothing in its part {part}, so there is nothing to "
                f"{'learn' if part == 'train' else 'be judged by'}: spindle check shows why"
            )
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    hold_memory()
    with joined(device) as machine:
        if recipe.precision == "bf16" and machine.device.type == "cpu" and not has_bf16():
            raise ValueError(
                "this processor has no bf16 and would be many times slower with it: "
                "leave --precision at auto"
            )
        graph, first, notes = begin(data.task, data.labels, start, seed=recipe.seed, **network)
        if data.task == "classify" and (start is None or start.labels != data.labels):
            graph = refit(graph, fitting(data.splits["train"], graph.image))
        watch = watch if machine.first else quiet
        settings = described(data, recipe, start, teacher, machine, share, network)
        with sole(folder, machine), alive():
            state = checkpoint.load(folder, settings)
            if state and "learner" not in state:
                watch(Moment(ENDED, 1, 1))
                return weights.load(folder / MODEL)
            run = Run(folder, data, recipe, machine, graph, notes, settings, watch)
            if recipe.cached and graph.of_bytes:
                raise ValueError("a last layer of bytes is not fitted alone: leave out --cached")
            if recipe.cached:
                return by_its_end(run, first, teacher, reading)
            if normless(graph) and recipe.norms != "frozen":
                if state:
                    graph = normed(graph)
                    first = initial(graph)  # in whose place the state comes
                else:
                    graph, first = estimate(graph, first, run.counted())
                run = replace(run, graph=graph)
            return teach(run, first, teacher, state)


def marks_nothing(samples: Samples) -> bool:
    """Whether it is known that no picture says where anything is."""
    if not isinstance(samples, Listed):
        return False
    marked = (sample.objects for sample in samples if sample.objects is not None)
    return all(unjudged(objects).all() for objects in marked)


def sole(folder: Path, machine: Machine) -> AbstractContextManager[None]:
    """No other run in this folder meanwhile."""
    busy = f"another run is at work in {folder}: wait until it has ended, or choose another --out"
    return alone(folder / LOCK, busy) if machine.first else nullcontext()


def fitting(samples: Samples, image: Image) -> Fit:
    """How classes' pictures come to the network's size: whole where that distorts none of them."""
    sizes = []
    for sample in islice(samples, A_FEW):
        with suppress(ValueError):  # what cannot be read is told of once it is learned from
            sizes.append(open_picture(sample.picture).size)
    aspect = image.width / image.height
    alike = all(abs(log(wide / high / aspect)) < ALIKE for wide, high in sizes)
    return "stretch" if alike else "crop"


def by_its_end(run: Run, first: Weights, teacher: Model | None, reading: Reading) -> Model:
    """A classifier whose trunk stays, but for what many pictures teach its end."""
    data, graph, device = run.data, run.graph, run.machine.device
    if data.task != "classify":
        raise ValueError(f"only a classifier can be taught its last layer alone, not {data.task}")
    if teacher:
        raise ValueError("a last layer alone learns from no teacher: leave out one of the two")
    train = list(data.splits["train"])

    def see(sample: Sample) -> NDArray[np.uint8]:
        try:
            return Show(graph.image)(sample).pixels
        except ValueError as error:
            raise ValueError(with_cure(sample, error)) from None

    few, seed, classes = len(train) < FEW, run.recipe.seed, len(data.labels)
    part, alone = trunk(graph, first, 0 if few else TAUGHT), few
    if 4 * len(train) * prod(part[0].output.shape) > ROOM:
        part, alone = trunk(graph, first), True
    ask = reading(*part, len(train) * (1 + few)) if device.type == "cpu" else None
    rows = features(
        ask or by_torch(*part, str(device)), graph.image, train, see, few, cores(),
        show=lambda done: run.watch(Moment("looking at pictures", done, len(train))),
    )  # fmt: skip
    kinds = np.array([sample.kind for sample in train])
    if alone:
        learnt = with_last(graph, first, *fit_classifier(rows, kinds, classes, seed))
    else:
        place = part[0].output
        learnt = first | taught(
            ending(graph, place), first, rows.reshape(len(rows), *place.shape), kinds, run.recipe,
            run.machine,
            show=lambda done: run.watch(Moment("learning its end", done, run.recipe.epochs)),
        )  # fmt: skip
    scores = judged(graph, learnt, data, run.machine, run.watch).scores()
    weights.save(run.model(learnt, scores), run.folder / MODEL)
    checkpoint.save(run.folder, {"settings": run.settings})
    return weights.load(run.folder / MODEL)


def described(
    data: Dataset,
    recipe: Recipe,
    start: Model | None,
    teacher: Model | None,
    machine: Machine,
    share: float,
    network: dict[str, Any],
) -> dict[str, Any]:
    """All that decides how a run ends; one that is to go on must have the same."""
    return asdict(recipe) | {
        "data": str(data.path.resolve()),
        "pictures": {name: len(samples) for name, samples in data.splits.items()},
        "labels": list(data.labels),
        "split": share,
        "weights": digest({}, start.weights) if start else "",
        "teacher": digest({}, teacher.weights) if teacher else "",
        "machines": machine.world,
        "device": machine.device.type,
        "network": {name: repr(value) for name, value in network.items() if value is not None},
    }
