"""Every hyperparameter is said once, and every recipe can be followed for a step."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from spindle.data.samples import Dataset, Listed, Objects, Sample
from spindle.data.synthetic import KINDS, scene
from spindle.model.heads import Task
from spindle.training import recipe as recipes
from spindle.training.recipe import RECIPES, Recipe, mixing, named, usual, variety
from spindle.training.start import train

TASKS: tuple[Task, ...] = ("classify", "detect", "segment", "pose", "embed")
# for each recipe a task that it is for
FOR: dict[str, Task] = {"ssdlite": "detect", "deeplab": "segment", "pose": "pose", "reid": "embed"}


def lesson(task: Task, seed: int, most: int = 3) -> Sample:
    """A drawn picture with the truth that a task wants of it."""
    drawn = scene(seed, 64, 64, most)
    boxes = np.array([(s.left, s.top, s.right, s.bottom) for s in drawn.shapes], np.float32)
    kinds = np.array([s.kind for s in drawn.shapes])
    no = np.zeros(len(boxes), bool)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    things = Objects(boxes, kinds, no, no, areas, np.zeros((len(boxes), 0, 3), np.float32))
    name = f"drawn {seed}"
    match task:
        case "detect":
            return Sample(drawn.picture, name, objects=things)
        case "segment":
            return Sample(drawn.picture, name, mask=drawn.mask)
        case "pose":
            corner, middle = boxes[:1, :2], (boxes[:1, :2] + boxes[:1, 2:]) / 2
            points = np.stack([corner, middle], axis=1)
            points = np.concatenate([points, np.full((1, 2, 1), 2, np.float32)], axis=2)
            body = Objects(boxes[:1], kinds[:1] * 0, no[:1], no[:1], areas[:1], points)
            left, top, right, bottom = boxes[0].tolist()
            return Sample(drawn.picture, name, objects=body, part=(left, top, right, bottom))
        case "embed":
            kind = seed // 2 % len(KINDS)
            asks = Sample(drawn.picture, name, kind, camera=seed % 2, role="query")
            return asks if seed % 2 else replace(asks, role="gallery")
    return Sample(drawn.picture, name, int(kinds[-1]))


def lessons(task: Task, number: int = 8, judged: int = 4, most: int = 3) -> Dataset:
    labels = {"pose": ("corner", "middle"), "segment": ("nothing", *KINDS)}.get(task, KINDS)
    drawn = Listed(lesson(task, seed, most) for seed in range(number))
    return Dataset(
        Path("drawn"), "drawn", task, labels, {"train": drawn, "val": Listed(drawn[:judged])}
    )


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_a_step(name: str, tmp_path: Path) -> None:
    recipe = replace(RECIPES[name], epochs=1, batch=4)
    task = FOR.get(name, "classify")
    made = train(lessons(task), tmp_path, recipe, width=0.1, size=64, device="cpu")
    assert made.recipe == {field.name: getattr(recipe, field.name) for field in fields(Recipe)}
    assert (tmp_path / "model.safetensors").exists() and made.metrics


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("begun", [False, True])
def test_there_is_a_usual_recipe_for_every_task(task: Task, begun: bool) -> None:
    assert usual(task, begun) in RECIPES
    assert variety(RECIPES[usual(task, begun)], task).crop == recipes.CROPS[task]


def test_a_recipe_says_how_its_pictures_are_varied() -> None:
    recipe = named("modern", least=0.5, flip=0.25)
    assert variety(recipe, "classify").least == 0.5 and variety(recipe, "classify").flip == 0.25
    assert variety(named("frozen"), "classify").crop == "none"
    assert (mixing(recipe).policy, mixing(recipe).cutmix) == ("wide", 1.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 0}, "epochs 0 is out of range: 1 to"),
        ({"optimizer": "adam"}, "'adam' is none of sgd, rmsprop, adamw"),
        ({"rate": float("nan")}, "rate nan is out of range"),
        ({"crop": "middle"}, "'middle' is none of usual, none, random"),
        ({"mixup": -0.1}, "mixup -0.1 is out of range"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        named("quick", **changes)


def test_an_unknown_recipe_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no recipe 'fast': choose one of paper, modern"):
        named("fast")
