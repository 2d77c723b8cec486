"""How does a model come to reckon with bytes, by the pictures that somebody has?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.app.progress import Bar
from spindle.compiler.calibrate import Method, Quantized, calibrated
from spindle.data.augment import look
from spindle.data.datasets import find
from spindle.data.forms import album
from spindle.data.preprocess import Unreadable, prepare
from spindle.data.samples import Dataset, Listed, Sample
from spindle.model.heads import Task
from spindle.model.ops import Image
from spindle.model.weights import Model

Array = NDArray[Any]


def quantize_model(
    model: Model,
    calibrate: str | Path | None = None,
    method: Method = "measured",
    pictures: int = 100,
    mixed: bool = False,
) -> Quantized:
    """A model in int8, by some pictures, or by what its batch norms have counted."""
    if pictures < 1:
        raise ValueError(f"{pictures} pictures show nothing: say 1 or more")
    if calibrate is None:
        if mixed or method != "measured":
            raise ValueError("without --calibrate nothing is measured: leave out method and mixed")
        return calibrated(model, None)
    images = gathered(samples_at(calibrate, model.task)[:pictures], model.graph.image, calibrate)
    return by_pictures(model, images, method, mixed)


def by_pictures(
    model: Model, images: Array, method: Method = "measured", mixed: bool = False
) -> Quantized:
    """The same by pictures as the network wants them, with bars that show how far it is."""
    bars: dict[str, Bar] = {}

    def show(what: str, done: int, total: int) -> None:
        unit = "pictures" if what == "looking" else "ops"
        bars.setdefault(what, Bar(what, total, unit)).show(done)

    try:
        return calibrated(model, images, method, mixed, show=show)
    finally:
        for bar in bars.values():
            bar.end()


def found_at(path: str | Path, task: Task) -> Dataset:
    """The data at a path; pictures that nothing is known of will do, of whatever task."""
    first: ValueError
    for wanted in (task, None):
        try:
            return find(path, wanted)
        except ValueError as error:
            first = error
    names = list(album.walk(Path(path)))
    if not names:
        raise first
    known = Listed(Sample(Path(path) / name, name) for name in names)
    return Dataset(Path(path), "pictures", task, (), {"train": known})


def samples_at(path: str | Path, task: Task) -> list[Sample]:
    """All samples there are, in an order by lot that is always the same: the first are to teach."""
    splits = found_at(path, task).splits
    order = sorted(splits, key=lambda name: (name != "train", name))
    return [sample for name in order for _, sample in islice(splits[name].shuffled(0), 1 << 16)]


def gathered(samples: Sequence[Sample], image: Image, path: object) -> Array:
    """Pictures as the network wants them; broken ones are left out."""
    bar, found = Bar("reading", len(samples), "pictures"), []
    try:
        for count, sample in enumerate(samples, start=1):
            try:
                found.append(prepare(look(sample)[0], image)[0])
            except Unreadable:
                continue
            bar.show(count)
    finally:
        bar.end()
    if not found:
        raise ValueError(f"{path} holds no picture that can be read: give some to calibrate by")
    return np.stack(found)
