"""The whole chain on one small network: data, a graph, a run, a file, and the same answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import spindle
from spindle.compiler import build, reference
from spindle.compiler.library import Library
from spindle.compiler.pipeline import compile
from spindle.compiler.targets import target
from spindle.data.samples import Dataset
from spindle.model.family import mobilenet_v2
from spindle.model.graph import PAPER
from spindle.model.heads import Task
from spindle.model.weights import Model
from spindle.training.recipe import RECIPES
from spindle.training.start import train
from tests import abroad, networks
from tests.settled import settled
from tests.test_recipe import TASKS, lessons

BY_HEART = replace(
    RECIPES["quick"], epochs=60, batch=6, crop="none", flip=0.0, colour=0.0, judge_every=10
)
# what each task must reach on the handful that it has learnt by heart
LEARNT: dict[Task, tuple[str, float]] = {
    "classify": ("top1", 0.99), "detect": ("ap50", 0.4), "segment": ("miou", 0.5),
    "pose": ("oks_ap50", 0.8), "embed": ("rank1", 0.8),
}  # fmt: skip


def handful(task: Task) -> Dataset:
    return lessons(task, number=6, judged=6, most=1)  # of several some would be hidden


def test_a_network_taught_kept_and_opened_says_the_same(tmp_path: Path) -> None:
    data = lessons("classify")
    recipe = replace(RECIPES["tiny"], batch=4)
    taught = train(data, tmp_path, recipe, width=0.1, size=48, family=PAPER, device="cpu")
    path = tmp_path / "model.safetensors"
    opened = spindle.open_model(path)
    assert opened.graph == taught.graph and opened.labels == data.labels
    assert opened.metrics == taught.metrics and opened.hash == taught.hash
    assert all((opened.weights[name] == taught.weights[name]).all() for name in taught.weights)
    assert opened.recipe["batch"] == 4 and "torch" in opened.versions
    for sample in data.splits["val"]:
        numpy_says = spindle.load(path)(sample.picture)
        torch_says = spindle.load(path, reading="torch")(sample.picture)
        assert isinstance(numpy_says, spindle.Classification)
        assert isinstance(torch_says, spindle.Classification)
        scores = [dict(says.classes) for says in (numpy_says, torch_says)]
        assert all(abs(scores[0][kind] - scores[1][kind]) < 1e-5 for kind in data.labels)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_learnt_by_heart(task: Task, tmp_path: Path) -> None:
    data, (measure, least) = handful(task), LEARNT[task]
    size = 128 if task in ("detect", "segment") else 64  # what they say is on maps of a 16th
    # vectors take longer: after 60 epochs it is luck, after 120 five seeds of five had them all
    recipe = replace(BY_HEART, epochs=120) if task == "embed" else BY_HEART
    taught = train(data, tmp_path, recipe, width=0.2, size=size, device="cpu")
    print(task, taught.metrics)
    assert taught.metrics[measure] >= least


def test_c_here_and_in_plain_c_says_what_numpy_says(tmp_path: Path) -> None:
    """By any number of threads, one picture or several: the same bits."""
    graph = mobilenet_v2(0.1, (48, 33), classes=7)
    weights = settled(graph)
    model = Model(graph, weights, "classify")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 33, 3), np.uint8)
    meant = reference.run(graph, weights, pictures)["probabilities"]

    def near(found: dict[str, NDArray[Any]]) -> None:
        assert np.abs(found["probabilities"] - meant).max() <= 1e-4 * meant.max()

    here = build.build(compile(model, target(), threads=3), target(), tmp_path / "model.so")
    alone = Library(here).run(pictures)
    near(alone)
    for threads in (2, 3, 4):
        several = Library(here, threads)
        shared = [several.run(picture)["probabilities"] for picture in pictures]
        assert np.stack(shared).tobytes() == alone["probabilities"].tobytes()
        assert several.run(pictures)["probabilities"].tobytes() == alone["probabilities"].tobytes()
    plain = networks.built([compile(model, target("c"))], target("c").isa)[0]
    near({"probabilities": np.stack([plain.run(one)["probabilities"] for one in pictures])})


@pytest.mark.parametrize("name", ["aarch64-linux", "wasm32"])
@pytest.mark.parametrize("head", ["classifier", "ssdlite", "deeplab"])
def test_other_machines_say_what_numpy_says(name: str, head: str) -> None:
    graph = mobilenet_v2(0.1, (48, 65), head, classes=6)  # a vector and a half
    weights = settled(graph)
    source = networks.emitted(graph, weights, target(name).isa)
    source.info.update(preprocessing={}, labels=[])
    pictures = np.random.default_rng(0).integers(0, 256, (2, 48, 65, 3), np.uint8)
    if target(name).system == "wasm":
        found = abroad.in_wasm(source, name, pictures)
    else:
        found = abroad.on_arm(source, pictures)
    for number, picture in enumerate(pictures):
        networks.alike(graph, weights, picture, {key: one[number] for key, one in found.items()})
