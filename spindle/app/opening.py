"""Where is the model that is meant?  In a file of ours or of somebody else, or published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spindle import training
from spindle.app import hub
from spindle.compiler.targets import LIBRARIES
from spindle.model import tasks, weights
from spindle.model.weights import Model, NotAModel


def open_model(source: str | Path, **unsaid: Any) -> Model:
    path = Path(source)
    if not path.exists() and hub.known(str(source)):
        path = hub.fetch(str(source))
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it")
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        raise ValueError(
            f"there is no file {path}, nor a published model of that name; "
            f"published are {', '.join(hub.PUBLISHED)}"
        )
    if path.suffix in LIBRARIES:
        raise ValueError(f"{path} is compiled already: give the model file that it was made from")
    if path.suffix == ".safetensors":
        try:
            return told(weights.load(path), path, **unsaid)
        except NotAModel:
            pass
    return training.adopt_weights(path, **unsaid)


def told(model: Model, path: Path, labels: Sequence[str] = (), **unsaid: Any) -> Model:
    """A model file with the labels it lacks; nothing else that it says can be changed."""
    if unsaid:
        raise ValueError(f"{path} says itself what it is: {', '.join(unsaid)} cannot be changed")
    if labels and model.labels:
        raise ValueError(f"{path} has labels of its own: {', '.join(model.labels[:3])} ...")
    tasks.check(model.graph, model.task, labels, path)
    return replace(model, labels=tuple(labels)) if labels else model
