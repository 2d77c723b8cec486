"""One scale for a tensor means almost the same, and what means it already is left alone."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from spindle.app.bench import noise
from spindle.compiler import reference
from spindle.compiler.calibrate import calibrated
from spindle.compiler.uniform import alike, uniform
from spindle.model.graph import Builder
from spindle.model.grids import PAIR, check, grids, steps
from spindle.model.heads import Task
from spindle.model.ops import Concat, Conv, Image, Resize
from spindle.model.weights import Model
from tests.gridded import gridded
from tests.settled import settled
from tests.small import small

TASKS = get_args(Task)


def quantized(task: Task, method: str = "minmax") -> Model:
    model = small(task)
    return calibrated(model, noise(model.graph, 6), method).model  # type: ignore[arg-type]


@pytest.mark.parametrize("pictures", [0, 4])
@pytest.mark.parametrize("task", TASKS)
def test_every_grid_is_one_and_pairs_of_weights_fit(task: Task, pictures: int) -> None:
    model = quantized(task)
    assert not all(alike(grid) for grid in grids(model.graph, model.weights).values())
    graph, weights = uniform(
        model.graph, model.weights, noise(model.graph, pictures) if pictures else None
    )
    check(graph, weights)
    known = grids(graph, weights)
    assert set(weights) == set(graph.arrays) and all(alike(grid) for grid in known.values())
    for op in graph.ops:
        if isinstance(op, Conv) and op.whole:
            assert op.grid or not pictures or op.output in graph.outputs
            whole = steps(op, weights, known).astype(int)
            if op.groups == 1 and whole.shape[3] % 2 == 0:
                assert np.abs(whole[..., ::2] + whole[..., 1::2]).max() <= PAIR
    added = {t.name for op in graph.ops if op.name == "block_add" for t in op.inputs}
    assert added <= set(known), "what is added is bytes too"


@pytest.mark.parametrize("task", ["classify", "embed", "pose"])
def test_it_means_almost_the_same(task: Task) -> None:
    model = quantized(task)
    seen = noise(model.graph, 3)
    want = reference.run(model.graph, model.weights, seen)
    for pictures in (None, seen):
        got = reference.run(*uniform(model.graph, model.weights, pictures), seen)
        for name, array in want.items():
            apart = np.abs(got[name] - array)
            assert 0 < np.median(apart[apart > 0]) < 0.05 * np.abs(array).max()


@pytest.mark.parametrize("task", TASKS)
def test_twice_is_once(task: Task) -> None:
    model = quantized(task)
    graph, weights = uniform(model.graph, model.weights)
    again, same = uniform(graph, weights)
    assert again == graph and same.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(same[name], array)


def test_numbers_are_left_alone() -> None:
    model = small("classify")
    graph, weights = uniform(model.graph, model.weights)
    assert graph == model.graph and weights == model.weights


def test_what_stands_side_by_side_shares_its_scale() -> None:
    """Also through a resize, and beside itself."""
    g = Builder((16, 16))
    x = g.conv(g.image, "first", 6, 3, stride=2)
    far = g.resize(g.conv(g.mean(x, "middle"), "low", 4, act="relu"), "back", like=x)
    near = g.conv(x, "near", 4, act="relu")
    both = g.concat([g.concat([far, near], "two"), x], "three")
    graph = g.graph(g.conv(both, "last", 3, act=None))
    made, numbers = gridded(graph, settled(graph))
    made, numbers = uniform(made, numbers)
    known = grids(made, numbers)
    assert all(op.grid for op in made.ops if isinstance(op, Concat | Resize))
    assert alike(known["three"]) and known["low"].scale[0] == known["first"].scale[0]


def test_a_picture_of_three_means_is_numbers() -> None:
    """One byte pads all channels."""
    for task, stays in (("classify", True), ("detect", False)):
        model = quantized(task)  # type: ignore[arg-type]
        assert model.graph.image.grid
        graph, weights = uniform(model.graph, model.weights)
        image = graph.ops[0]
        assert isinstance(image, Image) and image.grid == stays
        assert ("stem.step" in weights) == stays
