"""Bytes and the numbers they stand for; files of them; grids that mean nothing are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spindle
from spindle.compiler import reference
from spindle.model import grids
from spindle.model.graph import Graph
from spindle.model.grids import Grid
from spindle.model.ops import Conv
from spindle.model.weights import Model, Weights, load, save
from tests.gridded import gridded
from tests.settled import settled

GRAPH = spindle.mobilenet_v2(0.1, (32, 32), classes=3)


@pytest.fixture(scope="module")
def bytewise() -> tuple[Graph, Weights]:
    return gridded(GRAPH, settled(GRAPH))


@given(st.floats(1e-6, 1e3), st.integers(0, 255))
def test_a_byte_is_its_own_number(scale: float, zero: int) -> None:
    grid = Grid(np.array([scale], np.float32), np.array([zero], np.float32))
    every = np.arange(256, dtype=np.uint8)[:, None]
    assert (grid.bytes(grid.numbers(every)) == every).all()
    assert grid.numbers(np.array([[zero]], np.uint8)) == 0


@given(st.floats(-1e6, 1e6), st.integers(0, 255))
def test_numbers_go_to_the_nearest_byte_or_to_the_ends(steps: float, zero: int) -> None:
    grid = Grid(np.ones(1, np.float32), np.array([zero], np.float32))
    found = int(grid.nearest(np.array([steps], np.float32))[0])
    exact = min(max(float(np.float32(steps)) + zero, 0), 255)
    assert abs(found - exact) <= 0.5
    half = grid.nearest(np.array([0.5, 1.5, 2.5], np.float32)) - np.float32(zero)
    assert zero > 252 or half.tolist() == [0, 2, 2]


def test_a_file_holds_them_as_bytes(bytewise: tuple[Graph, Weights], tmp_path: Path) -> None:
    graph, weights = bytewise
    save(Model(graph, weights, "classify"), tmp_path / "small.safetensors")
    save(Model(GRAPH, settled(GRAPH), "classify"), tmp_path / "large.safetensors")
    small, large = (
        (tmp_path / f"{name}.safetensors").stat().st_size for name in ("small", "large")
    )
    assert small < large
    read = load(tmp_path / "small.safetensors")
    known, again = grids.grids(graph, weights), grids.grids(graph, read.weights)
    for op in graph.ops:
        if isinstance(op, Conv) and op.whole:
            meant = grids.steps(op, weights, known)
            assert (grids.steps(op, read.weights, again) == meant).all()
    picture = np.random.default_rng(0).integers(0, 256, GRAPH.input.shape, np.uint8)
    one, other = (reference.run(graph, numbers, picture) for numbers in (weights, read.weights))
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize(
    "part, value, said",
    [
        ("block02_expand.scale", 0.0, "is not above 0"),
        ("block02_expand.scale", 1.0, "makes nothing above 6"),
        ("block02_expand.zero", 3.0, "makes nothing below 0"),
        ("block02_project.zero", 1.5, "is no byte"),
        ("block02_project.zero", 256.0, "is no byte"),
        ("logits.step", -1.0, "is not above 0"),
    ],
)
def test_grids_that_mean_nothing(
    bytewise: tuple[Graph, Weights], part: str, value: float, said: str
) -> None:
    graph, weights = bytewise
    with pytest.raises(ValueError, match=said):
        grids.check(graph, weights | {part: np.full_like(weights[part], value)})


def test_ops_that_cannot_be_on_a_grid(bytewise: tuple[Graph, Weights]) -> None:
    graph, weights = bytewise
    ends = graph.map(lambda op: replace(op, grid=True) if op.name == "probabilities" else op)
    with pytest.raises(ValueError, match="answers in numbers"):
        grids.check(ends, weights)
    kept = grids.written(graph, weights)
    with pytest.raises(ValueError, match="is not of float32"):
        grids.read(graph, kept | {"logits.bias": kept["logits.bias"].astype(np.int8)})
    with pytest.raises(ValueError, match="in the way of bytes"):
        GRAPH.map(lambda op: replace(op, grid=True) if op.name == "image" else op)
