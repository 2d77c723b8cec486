"""What can be asked about learning in a terminal?  One short function a verb."""

from __future__ import annotations

import json as jsonlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from spindle import app, training
from spindle.app import report as pages
from spindle.app.progress import Bar
from spindle.app.typed import numbers, sides
from spindle.app.verbs import takes
from spindle.model import atomic
from spindle.model.graph import FAMILIES
from spindle.model.heads import Task

Form = Literal[
    "shards", "list", "coco", "voc", "yolo", "market", "masks", "csv", "folders"
]  # as data/datasets.py has them, which is too much to open for a help text


@takes(
    lambda: training.Recipe,
    "out", "task", "weights", "model", "size", "head", "split", "recipe", "device", "json",
    "epochs", "batch", "rate", "freeze", "seed",
)  # fmt: skip
def train(
    data: str,
    out: str = "run",
    task: Task | None = None,
    format: Form | None = None,
    weights: str | None = None,
    model: str | None = None,
    width: float | None = None,
    size: str | None = None,
    head: str | None = None,
    family: Literal["paper", "torch"] | None = None,
    output_stride: int | None = None,
    teacher: str | None = None,
    int8: bool = False,
    split: float = 0.2,
    recipe: str | None = None,
    device: str = "auto",
    json: bool = False,
    **changed: Any,
) -> int:
    """Teaches a network on your pictures, and keeps the best of it; goes on where it was stopped.

    data: a folder, an annotation file, a CSV or tar shards: found out by looking
    out: the folder of the run: model.safetensors, curves.png, report.html ...
    task: where the data would do for several
    format: where looking would find another
    weights: to begin with: a model file, a published point, or weights of another project
    model: without weights: mobilenetv2, mobilenetv1, or a point: mobilenetv2-0.35-96
    width: the width multiplier (1.0)
    size: of the picture: 224, or 192x256 for height and width (the model's own)
    head: such as ssdlite, deeplab-aspp or pose-light (the task's usual one)
    family: padding and norms from nothing, as in the paper's code or in torchvision
    output_stride: 32, 16 or 8 (the head's own)
    teacher: a model file whose answers are learnt from as well
    int8: learns with the rounding of bytes; a float model is quantized, and is its own teacher
    split: the share of the pictures kept to judge by, where the data has no such part
    recipe: paper, modern, finetune, ssdlite, deeplab, pose, reid, frozen, aware, quick or tiny
    device: cpu, cuda, or whatever else torch knows
    json: the model's metrics as JSON
    Example: spindle train photos --weights mobilenetv2-1.0-224 --recipe frozen --out run
    """
    command = pages.command(train, locals())
    found = app.find(data, task, format)
    taught = app.teach(
        found, out,
        app.open_model(weights) if weights else None,
        recipe,
        app.open_model(teacher) if teacher else None,
        device, split, int8,
        {"model": model, "width": width, "size": sides(size), "head": head,
         "output_stride": output_stride} | ({"family": FAMILIES[family]} if family else {}),
        **changed,
    )  # fmt: skip
    if taught.hash:  # of many machines the first, which has kept it
        pages.of_run(Path(out), found, taught, split, command)
    if json:
        print(jsonlib.dumps({"model": str(Path(out) / "model.safetensors")} | taught.metrics))
    else:
        print(
            f"{Path(out) / 'model.safetensors'}: {found.task}, "
            + app.headline(taught.task, taught.metrics)
        )
    return 0


def eval_(
    model: str,
    data: str,
    task: Task | None = None,
    format: Form | None = None,
    part: str = "val",
    split: float = 0.2,
    seed: int = 0,
    reading: Literal["numpy", "torch", "c"] | None = None,
    scales: str | None = None,
    flip: bool = False,
    shared: bool = False,
    report: str | None = None,
    json: bool = False,
) -> int:
    """How good a model is, by the official metrics of its task.

    model: a model file, a published point, or weights of another project
    data: pictures and the truth about them, in any form that `train` takes
    task: the model's own
    format: where looking would find another
    part: of the data: val, test, train, or all
    split: the share that `train` has kept, where the data has no parts of its own
    seed: likewise
    reading: numpy, torch or c, which compiles (c from 50 pictures on, if it can be built)
    scales: sizes at which a segmenter looks, such as 0.5,1,1.5; "all" for the paper's six
    flip: the segmenter looks at the mirrored picture too
    shared: judge by those classes only that the model and the data both know
    report: the page to write (report.html beside a run's model, else here)
    json: all of it as JSON
    Example: spindle eval run/model.safetensors photos
    """
    command, page = pages.command(eval_, locals()), pages.beside(model, report)
    looks = app.MULTI_SCALE if scales == "all" else numbers(scales, "scales")
    predictor = app.load(model, reading)
    found = app.find(data, task or predictor.task, format)
    samples = app.part_of(found, part, split, seed)
    only = predictor.names if shared else None
    app.acquainted(found, predictor.names)
    predictor.foresee(len(samples))
    bar = Bar("judging", len(samples), "pictures")
    witness = pages.Witness(
        lambda picture: predictor(picture, 0.0, looks, flip),
        samples, found.task, found.labels, only,
    )  # fmt: skip
    try:
        judge = app.evaluate(witness, witness, found.task, found.labels, bar.show, only)
    finally:
        bar.end()
    judged = replace(found, splits={part: samples})
    learnt = app.learnt_from(found, samples, split, seed)
    pages.of_eval(page, model, predictor, judged, judge, witness, learnt, command)
    known = judge.scores() | {"classes": judge.per_class()}
    print(jsonlib.dumps(known) if json else app.show_scores(judge))
    return 0


def check(
    data: str,
    task: Task | None = None,
    format: Form | None = None,
    fix: str | None = None,
    json: bool = False,
) -> int:
    """What is in your data, and what is wrong with it, file by file.

    data: a folder, an annotation file, a CSV or tar shards
    task: where the data would do for several
    format: where looking would find another
    fix: a new .jsonl file for a list without what is broken, which train takes
    json: all of it as JSON
    Example: spindle check photos --fix clean.jsonl
    """
    if fix:
        unspoken(Path(fix))
    found = app.find(data, task, format)
    bar = Bar("looking", sum(map(len, found.splits.values())), "pictures")
    try:
        report = app.examine(found, lambda done, total: bar.show(done))
    finally:
        bar.end()
    print(jsonlib.dumps(report.to_json()) if json else report)
    if fix:
        app.write_list(report.clean(found), Path(fix))
    return 1 if report.fatal and not fix else 0


def unspoken(path: Path) -> None:
    """That a list may be written there: nothing that it is not is ever written over."""
    if path.suffix != ".jsonl":
        raise ValueError(f"{path} is no name for a list: let it end in .jsonl")
    atomic.placed(path)
    if path.exists() and not path.read_bytes()[:100].startswith(b'{"spindle": "list"'):
        raise ValueError(f"{path} is there already and is no list of ours: choose another name")


def draw(
    task: Task,
    folder: str,
    number: int = 1000,
    size: str = "96",
    seed: int = 0,
) -> int:
    """Draws pictures to learn a task from, in the form in which people keep them.

    task: classify, detect, segment, pose or embed
    folder: to write to
    number: of pictures
    size: of a picture: 96, or 192x256 for height and width
    seed: of everything that is drawn by lot
    Example: spindle draw pose figures --number 2000
    """
    bar = Bar("drawing", number, "pictures")
    try:
        app.draw_data(Path(folder), task, number, sides(size) or 96, seed, lambda i, n: bar.show(i))
    finally:
        bar.end()
    print(f"{folder}: {number} pictures for the task {task}")
    return 0
