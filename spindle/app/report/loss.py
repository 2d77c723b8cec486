"""What would it lose in bytes?  Quantized by some pictures, it is judged by others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from spindle.app.predictor import Predictor
from spindle.app.progress import Bar
from spindle.app.quantizing import by_pictures, gathered
from spindle.app.report.latency import Latency, compiled, measured
from spindle.compiler.library import Library
from spindle.data import metrics
from spindle.data.preprocess import Picture
from spindle.data.results import Result
from spindle.data.samples import Sample, Samples
from spindle.model.weights import Model

LEARNT, JUDGED = 24, 100  # pictures at most
CROWD = 1000  # pictures in which people are looked for: all of them, or it is another measure
MOST = 1e9  # multiply-adds of a network that is weighed in less than a minute
ELSE = "`spindle quantize --report` does it at any time."


@dataclass(frozen=True)
class Loss:
    """By number format what was measured, accuracy and milliseconds; and how, or why not."""

    how: str
    formats: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def lost(
    model: Model | None,
    library: Library | None,
    latency: Latency | None,
    learnt: Samples,
    judges: Samples,
    labels: Collection[str],
    only: Collection[str] | None = None,
) -> Loss | None:
    """Of a model in float32: both formats on the same pictures, in C."""
    if model is None or model.graph.of_bytes:
        return None
    if library is None or latency is None:
        return Loss(f"Not measured: no C compiler is here. {ELSE}")
    if model.graph.madds > MOST or (model.task == "embed" and len(judges) > CROWD):
        return Loss(f"Not measured: for a task so large it takes minutes. {ELSE}")
    if model.recipe.get("cached"):  # whose run took some seconds: so may its page
        return Loss(f"Not measured: it would have taken longer than learning did. {ELSE}")
    began = perf_counter()
    shown = first(learnt, LEARNT)
    try:
        images = gathered(shown, model.graph.image, "the data")
        small = by_pictures(model, images).model
    except ValueError as reason:  # nothing in it can be bytes, say
        return Loss(f"Not measured: {reason}.")
    other = compiled(small)
    if other is None:
        return Loss(f"Not measured: its C was not built here. {ELSE}")
    asked = list(judges) if model.task == "embed" else first(judges, JUDGED)
    key = metrics.HEADLINE[model.task]
    bar, formats = Bar("judging in bytes", 2 * len(asked), "pictures"), {}
    try:
        for number, (name, one) in enumerate((("float32", library), ("int8", other))):
            judge = metrics.evaluate(
                partial(answer, Predictor(one)), asked, model.task, labels,
                partial(step, bar, number * len(asked)), only,
            )  # fmt: skip
            ms = measured(model, one) if one is other else latency
            formats[name] = {"accuracy": judge.scores()[key], "ms": ms.least if ms else 0.0}
    finally:
        bar.end()
    return Loss(
        f"Measured here in {perf_counter() - began:.0f} s: ranges set by {len(images)} pictures, "
        f"both judged by {len(asked)}{overlap(asked, shown)}; in C, one thread.",
        formats,
    )


def overlap(asked: list[Sample], shown: list[Sample]) -> str:
    """What must be said where a model is judged by what it was set by."""
    both = {sample.name for sample in asked} & {sample.name for sample in shown}
    return f", {len(both)} of them the same" if both else " others"


def answer(predictor: Predictor, picture: Picture) -> Result:
    return predictor(picture, 0.0)


def step(bar: Bar, before: int, count: int) -> None:
    bar.show(before + count)


def first(samples: Samples, count: int) -> list[Sample]:
    """So many of them, by a lot that is always the same."""
    found: list[Sample] = []
    for _, sample in samples.shuffled(0):
        if len(found) == count:
            break
        found.append(sample)
    return found
