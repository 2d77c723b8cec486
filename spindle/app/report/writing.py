"""How does a page come about?  A model is judged, all that is known of it is looked up and told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from spindle.app.predictor import Predictor
from spindle.app.progress import Bar
from spindle.app.report import cards, course, gallery, head, material, price, scores
from spindle.app.report.latency import compiled, measured
from spindle.app.report.loss import lost
from spindle.app.report.markup import Markup
from spindle.app.report.story import Row, Told
from spindle.app.report.style import STYLE
from spindle.app.report.sureness import interval
from spindle.app.report.witness import Witness
from spindle.compiler.library import Library
from spindle.compiler.targets import LIBRARIES
from spindle.data import metrics
from spindle.data.check import examine
from spindle.data.forms.shards import Shards
from spindle.data.health import Report
from spindle.data.judges.judge import Judge
from spindle.data.parting import parted
from spindle.data.samples import Dataset, Listed, Samples
from spindle.model import atomic
from spindle.model.graph import Graph
from spindle.model.weights import Model, describe

NAME, LOG = "report.html", "metrics.jsonl"  # in the folder of a run
BEGIN = "<!doctype html>\n<!-- a report of Spindle -->\n"
WORK = 1e11  # multiply-adds that judging for a page may take: some seconds
LEAST, MOST = 50, 1000  # pictures
EXAMINED = 1000  # pictures that are looked through for a page


def of_run(folder: Path, found: Dataset, model: Model, share: float, command: str) -> None:
    """The page of a run, beside its model; what goes wrong with it is said, and harms no run."""

    def told() -> Told:
        data = parted(found, share, model.recipe.get("seed", 0))
        library = compiled(model)
        predictor = Predictor(library) if library else Predictor(model, "torch")
        samples = some(data.splits["val"], model)
        witness = Witness(lambda picture: predictor(picture, 0.0), samples, data.task, data.labels)
        bar = Bar("writing the report", len(samples), "pictures")
        try:
            judge = metrics.evaluate(witness, witness, data.task, data.labels, bar.show)
        finally:
            bar.end()
        path = folder / "model.safetensors"
        learnt, judges = data.splits["train"], data.splits["val"]
        return whole(path, folder.resolve().name, model.graph, model, library, data, judge,
                     witness, len(judges), learnt, judges, command)  # fmt: skip

    attempt(folder / NAME, told)


def of_eval(
    path: Path, source: str, predictor: Predictor, data: Dataset, judge: Judge, witness: Witness,
    learnt: Samples, command: str,
) -> None:  # fmt: skip
    """The page of a judgement that is done; `learnt` are pictures that ranges may be set by."""

    def told() -> Told:
        file, model, library = Path(source), None, None
        if file.suffix in LIBRARIES:
            library = Library(file)
        elif file.suffix != ".onnx":
            model = predictor.model
            library = compiled(model)
        (judges,) = data.splits.values()
        return whole(file, file.name, predictor.graph, model, library, data, judge, witness,
                     witness.looked, learnt, judges, command)  # fmt: skip

    attempt(path, told)


def whole(
    file: Path, name: str, graph: Graph, model: Model | None, library: Library | None,
    data: Dataset, judge: Judge, witness: Witness, pictures: int, learnt: Samples,
    judges: Samples, command: str,
) -> Told:  # fmt: skip
    """With all that is still to be found out."""
    known = describe(model) | {"hash": model.hash} if model else library.info if library else {}
    looked = few(data)
    health = examine(looked)
    count = sum(map(len, looked.splits.values()))
    if count < sum(map(len, data.splits.values())):
        health = unsure(health)
    latency = measured(model, library)
    loss = lost(model, library, latency, learnt, judges, witness.labels, witness.only)
    return Told(
        name, graph, model, known, data, judge, witness, pictures,
        interval(judge, witness.parts), health, count, logged(file),
        latency, file.stat().st_size if file.exists() else 0, command, loss,
    )  # fmt: skip


def some(samples: Samples, model: Model) -> Samples:
    """As many pictures as can be judged in some seconds; people to be found again, all of them."""
    if model.task == "embed":
        return samples
    return lot(samples, int(min(max(WORK / max(model.graph.madds, 1), LEAST), MOST)))


def few(data: Dataset) -> Dataset:
    """So much of every split that it is looked through in some seconds."""
    share = min(EXAMINED / max(sum(map(len, data.splits.values())), 1), 1.0)
    parts = {name: lot(part, round(share * len(part))) for name, part in data.splits.items()}
    return replace(data, splits=parts)


def lot(samples: Samples, count: int) -> Samples:
    """So many of the samples, in their order; always the same."""
    if count >= len(samples):
        return samples
    rows = np.sort(np.random.default_rng(0).permutation(len(samples))[:count])
    if isinstance(samples, Shards):
        return samples.chosen(rows)
    wanted = set(rows.tolist())
    return Listed(sample for row, sample in enumerate(samples) if row in wanted)


def unsure(health: Report) -> Report:
    """Of a part of the data nobody can say which classes the whole of it lacks."""
    sound = (problem for problem in health.problems if not problem.file.startswith("class "))
    return replace(health, problems=tuple(sound))


def logged(model: Path) -> tuple[Row, ...]:
    """What the run of this model has written down, where it is one of a run."""
    if not of_a_run(model):
        return ()
    rows = map(json.loads, (model.parent / LOG).read_text("utf-8").splitlines())
    return tuple(row for row in rows if isinstance(row, dict))


def of_a_run(model: Path) -> bool:
    return model.is_file() and (model.parent / LOG).is_file()


def page(told: Told) -> str:
    """The page as a file holds it."""
    parts: list[tuple[str, str, Markup | None]] = [
        ("predictions", "Predictions", gallery.predictions(told)),
        ("classes", "Classes", scores.classes(told)),
        ("confusion", "Confusion", scores.confusion(told)),
        ("measures", "Measures", scores.measures(told)),
        ("training", "Training", course.curves(told)),
        ("data", "Data", material.material(told)),
        ("cost", "Cost", price.cost(told)),
        ("among-the-paper-s-networks", "Among the paper's", price.among(told)),
        ("model-card", "Model card", cards.card(told)),
        ("how-to-reproduce-it", "Reproduce", cards.making(told)),
    ]
    there = [(name, said, part) for name, said, part in parts if part is not None]
    ways = head.contents([(name, said) for name, said, _ in there])
    sections = (part for *_, part in there)
    text = head.page(head.title(told), STYLE, head.header(told), ways, head.hero(told), *sections,
                     head.footer())  # fmt: skip
    return BEGIN + text


def attempt(path: Path, told: Callable[[], Told]) -> None:
    """Writes the page, or says in a line why there is none: what it tells of is done already."""
    try:
        writable(path)
        atomic.write(path, page(told()).encode())
    except Exception as error:  # a picture of a result must never cost the result
        reason = " ".join(f"{error}".split()) or type(error).__name__
        print(f"spindle: {path} could not be written: {reason}", file=sys.stderr)


def beside(model: str, asked: str | None) -> Path:
    """Where the page of a judgement goes: beside the model of a run, else here."""
    if asked is not None:
        writable(Path(asked))
        return Path(asked)
    return (Path(model).parent if of_a_run(Path(model)) else Path()) / NAME


def writable(path: Path) -> None:
    """That a page may be written there: never over anything but an older one."""
    if path.suffix != ".html":
        raise ValueError(f"{path} is no name for a page: let it end in .html")
    if atomic.placed(path).exists():
        with path.open("rb") as file:
            if not file.read(len(BEGIN)).startswith(BEGIN.encode()):
                raise ValueError(f"{path} is there already and is no report: choose another name")
