"""A trunk and its ending are the whole; what the ending is taught is more than a last layer can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from spindle.compiler import reference
from spindle.data.synthetic import KINDS
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import PAPER, TORCH, Family
from spindle.model.weights import Model
from spindle.training import frozen, start
from spindle.training.ending import ending, taught
from spindle.training.machines import joined
from spindle.training.recipe import RECIPES
from tests.scramble import scrambled
from tests.test_recipe import lessons

FOLDED = Family("same", None)
FROZEN = RECIPES["frozen"]


@pytest.mark.parametrize("family", [PAPER, TORCH, FOLDED])
@pytest.mark.parametrize(
    ("number", "place"),
    [(0, "pool"), (1, "block17_project"), (4, "block16_add"), (5, "block15_add")],
)
def test_a_trunk_and_its_ending_are_the_whole(family: Family, number: int, place: str) -> None:
    graph = mobilenet_v2(0.35, (40, 33), classes=4, family=family)
    weights = scrambled(graph)
    part, own = frozen.trunk(graph, weights, number)
    assert part.output.name == place
    end = ending(graph, part.output)
    assert not set(end.arrays) & set(part.arrays)
    assert set(end.arrays) | set(part.arrays) == set(graph.until(graph.output.name).arrays)
    picture = np.random.default_rng(0).integers(0, 256, (40, 33, 3), np.uint8)
    whole = reference.run(graph, weights, picture)[graph.output.name]
    made = reference.run(part, own, picture)[place]
    asked = frozen.by_torch(end, {name: weights[name] for name in end.arrays})(made[None])
    np.testing.assert_allclose(asked.ravel(), whole.ravel(), rtol=1e-3, atol=1e-4)


def test_a_network_has_only_so_many_convolutions() -> None:
    graph = mobilenet_v1(0.25, 32, classes=2)
    assert frozen.before(graph.until("pool"), 4).name == "block11_project"
    with pytest.raises(ValueError, match="too short"):
        frozen.before(graph.until("pool"), 99)


def test_an_ending_learns_what_its_last_layer_cannot_and_the_same_each_time() -> None:
    graph = mobilenet_v2(0.35, 64, classes=2, family=TORCH)
    weights = scrambled(graph)
    part, _ = frozen.trunk(graph, weights, 4)
    end, shape = ending(graph, part.output), part.output.shape
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 1, (256, *shape)).astype(np.float32)
    kinds = rng.integers(0, 2, len(maps))  # by lot: the more of it is known, the more has moved
    recipe = replace(FROZEN, epochs=12, drop=0.0)

    def surprise(learnt: dict[str, np.ndarray]) -> float:
        logits = frozen.by_torch(
            end.until("logits"), {n: learnt[n] for n in end.until("logits").arrays}
        )
        return functional.cross_entropy(
            torch.from_numpy(logits(maps)), torch.from_numpy(kinds)
        ).item()

    with joined("cpu") as machine:
        seen: list[int] = []
        learnt, again = (
            taught(end, weights, maps, kinds, recipe, machine, seen.append) for _ in range(2)
        )
        still = taught(end, weights, maps, kinds, replace(recipe, rate=1e-9), machine)
    assert seen == [*range(1, 13)] * 2 and set(learnt) == set(end.arrays)
    assert all(np.array_equal(learnt[name], again[name]) for name in learnt)
    assert surprise(learnt) < surprise(still) - 0.1
    changed = {name for name in learnt if not np.array_equal(learnt[name], weights[name])}
    counted = {name for name in end.arrays if name.endswith((".mean", ".var"))}
    assert changed == set(end.arrays) - counted


END = {"block17", "head", "logits"}
MAPS = 8 * 4 * 2 * 2 * 56  # bytes: of 8 pictures, floats of 2 x 2 x 56


@pytest.mark.parametrize(
    ("few", "room", "stages"), [(9, MAPS, {"logits"}), (8, MAPS, END), (8, MAPS - 1, {"logits"})]
)
def test_many_pictures_teach_the_end_and_few_or_too_many_the_last_layer(
    few: int, room: int, stages: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "FEW", few)
    monkeypatch.setattr(start, "ROOM", room)
    graph = mobilenet_v2(0.35, 64, classes=len(KINDS), family=FOLDED)
    first = Model(graph, scrambled(graph), "classify", KINDS)
    made = start.train(lessons("classify", 8), tmp_path, FROZEN, first, device="cpu")
    kept = graph.until(graph.output.name)
    assert [op.name for op in made.graph.ops] == [op.name for op in kept.ops]
    changed = {
        name for name in made.weights if not np.array_equal(made.weights[name], first.weights[name])
    }
    assert {name.split(".")[0].split("_")[0] for name in changed} == stages
