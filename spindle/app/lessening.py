"""What is somebody's model still worth once it reckons with bytes?  The verb quantize."""

from __future__ import annotations

import json as jsonlib
from functools import partial
from typing import Any

import numpy as np

from spindle.app.decibels import draw_ladder, show_ladder
from spindle.app.opening import open_model
from spindle.app.predictor import Predictor
from spindle.app.progress import Bar
from spindle.app.quantizing import found_at, quantize_model, samples_at
from spindle.app.typed import model_file
from spindle.compiler.calibrate import Method
from spindle.data.augment import look
from spindle.data.judges.wording import NAMED, in_common
from spindle.data.metrics import HEADLINE, evaluate
from spindle.data.preprocess import Picture
from spindle.data.results import Classification, Mask, Result
from spindle.model.weights import Model, save

JUDGES = 50  # pictures at most by which a report judges


def quantize(
    model: str,
    calibrate: str | None = None,
    out: str = "model-int8.safetensors",
    method: Method = "measured",
    pictures: int = 100,
    mixed: bool = False,
    report: bool = False,
    json: bool = False,
) -> int:
    """Makes a model of bytes: a quarter as large, and faster in C.

    model: a model file, a published point, or weights of another project
    calibrate: pictures to set its ranges by, in any form that train takes, or a folder of them
    out: the model file to write
    method: measured on pictures left out, minmax, percentile, or plain as a baseline to compare
    pictures: how many to look at
    mixed: leave in float32 what loses most
    report: a table and a picture of where it loses what, and its answers before and after
    json: what was made and measured as JSON
    Example: spindle quantize run/model.safetensors --calibrate photos --report
    """
    path = model_file(out)
    if report and not calibrate:
        raise ValueError("without --calibrate nothing is measured that --report could show")
    opened = open_model(model)
    made = quantize_model(opened, calibrate, method, pictures, mixed)
    save(made.model, path)
    tensors, size = sum(op.grid for op in made.model.graph.ops), path.stat().st_size
    lost = f", {made.db:.1f} dB above what is lost" if made.rungs else ""
    known: dict[str, Any] = {"model": out, "bytes": size, "tensors": tensors}
    known |= {"decibels": made.db} if made.rungs else {}
    said = [f"{path}: {size / 1e6:.1f} MB, {tensors} tensors of bytes, "
            f"answers{lost or ' not measured'}"]  # fmt: skip
    if report:
        drawing = path.with_suffix(".png")
        draw_ladder(made).save(drawing)
        measures, judges = compared(opened, made.model, str(calibrate), pictures)
        known["judged"] = judges
        known["measures"] = {name: [before, after] for name, before, after in measures}
        said.append(show_ladder(made, mixed))
        said += (f"{name:<24} {before:>8.4f} -> {after:.4f}" for name, before, after in measures)
        said.append(f"{'judged by':<24} {judges}")
        said.append(f"{drawing}: the same as a picture")
    print(jsonlib.dumps(known) if json else "\n".join(said))
    return 0


def compared(
    before: Model, after: Model, path: str, calibrated_by: int
) -> tuple[list[tuple[str, float, float]], str]:
    """Measures of the model in float32 and in int8, and by which pictures: not those if any."""
    found, samples = found_at(path, before.task), samples_at(path, before.task)
    fresh = samples[calibrated_by:][:JUDGES]
    left = fresh or samples[:JUDGES]
    judges = f"{len(left)} pictures{'' if fresh else ', which had set the ranges as well'}"
    looks = [Watched(Predictor(model, "numpy")) for model in (before, after)]
    names, labels = looks[0].predictor.names, found.labels
    judged = found.task == before.task and (labels or found.task == "embed")
    if judged and found.task in NAMED:
        judged = in_common(labels, names)
    bar, scores = Bar("judging", 2 * len(left), "pictures"), []
    try:
        for number, watched in enumerate(looks):
            if judged:
                done = partial(step, bar, number * len(left))
                only = names if found.task in NAMED else None
                judge = evaluate(watched, left, found.task, labels, done, only)
                scores.append(judge.scores()[HEADLINE[found.task]])
            else:
                for count, sample in enumerate(left, start=1):
                    watched(look(sample)[0])
                    step(bar, number * len(left), count)
    finally:
        bar.end()
    rows = [(HEADLINE[found.task], scores[0], scores[1])] if judged else []
    same = [alike(a, b) for a, b in zip(*(watched.said for watched in looks), strict=True)]
    shares = [one for one in same if one is not None]
    if shares:
        rows.append(("same answer", 1.0, float(np.mean(shares))))
    return rows, judges


def step(bar: Bar, before: int, count: int) -> None:
    bar.show(before + count)


class Watched:
    """A predictor, and all that it has said."""

    def __init__(self, predictor: Predictor):
        self.predictor = predictor
        self.said: list[Result] = []

    def __call__(self, picture: Picture) -> Result:
        result = self.predictor(picture, 0.0)
        self.said.append(result)
        return result


def alike(a: Result, b: Result) -> float | None:
    """How far two answers are the same, where that can be said: the first class, or pixels."""
    match a, b:
        case Classification(), Classification():
            return float(a.classes[0][0] == b.classes[0][0])
        case Mask(), Mask():
            return float((a.pixels == b.pixels).mean())
    return None
