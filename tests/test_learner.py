"""A step changes what the recipe lets it change, and no more."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from spindle.model.family import mobilenet_v2
from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.weights import Model, Weights
from spindle.training.feed import Order, Teach, feed, stacked
from spindle.training.learner import Batch, Learner
from spindle.training.machines import Machine
from spindle.training.recipe import RECIPES, Recipe, counts_anew, variety
from spindle.training.transfer import begin
from tests.scramble import scrambled
from tests.test_recipe import TASKS, lessons

CPU = Machine(torch.device("cpu"))
PLAIN = replace(RECIPES["quick"], epochs=2, batch=16, schedule="constant", drop=0.0, average=0.0)


def learner(recipe: Recipe, task: Task = "classify", teacher: Model | None = None) -> Learner:
    graph, _, _ = begin(task, lessons(task).labels, width=0.1, size=64)
    return Learner(graph, scrambled(graph), task, recipe, CPU, 2, teacher)


def batches(recipe: Recipe, graph: Graph, task: Task = "classify", number: int = 2) -> list[Batch]:
    data = lessons(task, recipe.batch * number)
    teach = Teach(task, graph.image, variety(recipe, task))
    order = Order(data.splits["train"], recipe.batch, CPU)
    return list(feed(teach, order.epoch(0), stacked, 0))


def changed(before: Weights, after: Weights) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


def stepped(recipe: Recipe, task: Task = "classify") -> tuple[Learner, Weights, Weights]:
    made = learner(recipe, task)
    before = made.weights()
    made.step(batches(recipe, made.network.graph, task)[: recipe.accumulate])
    return made, before, made.weights()


@pytest.mark.parametrize("task", TASKS)
def test_a_step_moves_everything(task: Task) -> None:
    _, before, after = stepped(replace(PLAIN, warmup=0), task)
    assert changed(before, after) == set(before)


def test_what_is_frozen_stays_to_the_bit() -> None:
    _, before, after = stepped(replace(PLAIN, freeze="block06"))
    moved = {name.split("_")[0].split(".")[0] for name in changed(before, after)}
    assert "stem" not in moved and "block06" not in moved
    assert {"block07", "block17", "head", "logits"} <= moved
    _, before, after = stepped(replace(PLAIN, freeze="trunk"))
    assert changed(before, after) == {"logits.weight", "logits.bias"}


def test_frozen_norms_learn_but_do_not_count() -> None:
    _, before, after = stepped(replace(PLAIN, norms="frozen"))
    moved = changed(before, after)
    assert not any(name.endswith((".mean", ".var")) for name in moved)
    assert "stem.gamma" in moved and "stem.weight" in moved


def test_a_norm_that_sees_few_values_keeps_its_statistics() -> None:
    few = replace(PLAIN, batch=2)  # the last maps are 2 x 2: eight values
    _, before, after = stepped(few)
    moved = changed(before, after)
    assert "head.mean" not in moved and "stem.mean" in moved
    _, before, after = stepped(replace(few, norms="train"))
    assert "head.mean" in changed(before, after)


@pytest.mark.parametrize(
    ("norms", "batch", "anew"),
    [("auto", 15, True), ("auto", 16, False), ("train", 2, False), ("estimate", 64, True)],
)
def test_small_batches_are_judged_by_statistics_counted_anew(
    norms: Any, batch: int, anew: bool
) -> None:
    assert counts_anew(replace(PLAIN, norms=norms, batch=batch), 1) == anew


def test_gradients_of_several_batches_are_those_of_one() -> None:
    whole = replace(PLAIN, norms="frozen", optimizer="sgd", batch=16)
    parts = replace(whole, batch=8, accumulate=2)
    one, two = learner(whole), learner(parts)
    (batch,) = batches(whole, one.network.graph, number=1)
    pixels, truth = batch
    halves = [
        (pixels[part], {key: value[part] for key, value in truth.items()})
        for part in (slice(0, 8), slice(8, 16))
    ]
    one.mixing = two.mixing = replace(one.mixing, colour=0.0)  # drawn for each batch
    assert one.step([batch]) == pytest.approx(two.step(halves), rel=1e-5)
    for name, value in one.weights().items():
        np.testing.assert_allclose(two.weights()[name], value, atol=1e-4)


def test_the_moving_average_follows() -> None:
    recipe = replace(PLAIN, average=0.9)
    made = learner(recipe)
    before = made.network.weights()["logits.weight"]
    made.step(batches(recipe, made.network.graph)[:1])
    now = made.network.weights()["logits.weight"]
    keep = min(0.9, 2 / 11)
    np.testing.assert_allclose(
        made.weights()["logits.weight"], keep * before + (1 - keep) * now, atol=1e-6
    )


def test_the_rate_rises_and_falls_as_the_recipe_says() -> None:
    recipe = replace(PLAIN, schedule="cosine", warmup=1.0, rate=0.1)
    made, rates = learner(recipe), []
    for _ in range(4):
        rates.append(made.rate)
        made.done += 1
    assert rates == pytest.approx([0.05, 0.1, 0.1, 0.05])


def test_a_teacher_is_followed() -> None:
    graph, _, _ = begin("classify", lessons("classify").labels, width=0.1, size=64)
    teacher = Model(graph, scrambled(graph, seed=9), "classify")
    recipe = replace(PLAIN, teaching=1.0, norms="frozen", rate=3e-3)
    made = learner(recipe, teacher=teacher)
    (batch, *_) = batches(recipe, made.network.graph)
    first = made.step([batch])
    last = [made.step([batch]) for _ in range(15)][-1]
    assert last < 0.7 * first


def test_a_teacher_of_another_form_is_refused() -> None:
    other = mobilenet_v2(0.1, 64, classes=9)
    with pytest.raises(ValueError, match="this teacher answers in another form"):
        learner(PLAIN, teacher=Model(other, scrambled(other), "classify"))


def test_a_state_goes_on_to_the_bit() -> None:
    recipe = replace(PLAIN, average=0.9, optimizer="rmsprop", drop=0.2)
    one, two = learner(recipe), learner(recipe)
    lots = batches(recipe, one.network.graph)
    one.step(lots[:1])
    two.restore(copy.deepcopy(one.state()))  # as through a file
    one.step(lots[1:])
    two.step(lots[1:])
    assert not changed(one.weights(), two.weights())
