"""Whoever runs the network, a picture becomes a result in its own pixels and words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.app.seeing import Sight
from spindle.data.results import Classification
from spindle.data.synthetic import scene
from spindle.model.family import mobilenet_v2
from spindle.model.graph import Graph

GRAPH = mobilenet_v2(0.1, 32, classes=3)
SEEN: list[tuple[int, ...]] = []


class Brightness:
    """A network that says how red, green and blue a picture is."""

    def __init__(self, fits: bool):
        self.fits = fits

    def __call__(self, graph: Graph, pixels: NDArray[Any]) -> dict[str, NDArray[Any]]:
        SEEN.append(pixels.shape)
        return {graph.output.name: pixels.mean((0, 1), np.float32)[None, None] / 255}


@pytest.mark.parametrize("fits", [False, True])
def test_a_picture_is_fitted_by_whoever_can(fits: bool) -> None:
    sight = Sight("classify", GRAPH, ("red", "green", "blue"), Brightness(fits))
    picture = np.zeros((40, 60, 3), np.uint8) + np.array([0, 255, 51], np.uint8)
    SEEN.clear()
    result = sight.see(picture)
    assert isinstance(result, Classification) and sight.fits is fits
    assert dict(result.classes) == pytest.approx({"green": 1, "blue": 0.2, "red": 0})
    assert SEEN.pop() == ((40, 60, 3) if fits else (32, 32, 3)) and not SEEN


def test_a_plain_function_runs_a_network_too() -> None:
    sight = Sight("classify", GRAPH, ("a", "b", "c"), lambda graph, _: {
        graph.output.name: np.array([[[0.1, 0.7, 0.2]]], np.float32)
    })  # fmt: skip
    assert not sight.fits
    assert str(sight.see(scene(1).picture)) == "b 0.70, c 0.20, a 0.10"


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_never_given(number: float) -> None:
    sight = Sight("classify", GRAPH, ("a", "b", "c"), lambda graph, _: {
        graph.output.name: np.full((1, 1, 3), number, np.float32)
    })  # fmt: skip
    with pytest.raises(ValueError, match="not finite"):
        sight.see(scene(1).picture)
