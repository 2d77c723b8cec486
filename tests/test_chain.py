"""The whole chain on one small network: data, a graph, a run, a file, and the same answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import spindle
from spindle.data.samples import Dataset
from spindle.model.graph import PAPER
from spindle.model.heads import Task
from spindle.training.recipe import RECIPES
from spindle.training.start import train
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
    taught = train(data, tmp_path, BY_HEART, width=0.2, size=size, device="cpu")
    print(task, taught.metrics)
    assert taught.metrics[measure] >= least
