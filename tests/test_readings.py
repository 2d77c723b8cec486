"""Numpy answers for few pictures, a library for many, and a built file always by itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.app import later, readings
from spindle.app.readings import MANY, Made, Quickest, Whole, reading_of
from spindle.compiler.fuse import fuse
from spindle.model.family import mobilenet_v2
from spindle.model.graph import Graph
from spindle.model.weights import Model, Weights
from tests.gridded import gridded
from tests.scramble import scrambled
from tests.settled import settled

GRAPH = mobilenet_v2(0.1, 32, classes=3)
MODEL = Model(GRAPH, scrambled(GRAPH), "classify")
PIXELS = np.zeros((32, 32, 3), np.uint8)
Answer = dict[str, NDArray[Any]]


class Library:
    """Stands for a compiled network, and says so."""

    def picture(self, pixels: NDArray[Any]) -> Answer:
        return {"by": np.array("library")}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Model]:
    """What was compiled; nothing lies in the cache, and numpy says who it is."""
    done: list[Model] = []

    def keep(model: Model, threads: int) -> Library:
        done.append(model)
        return Library()

    monkeypatch.setitem(vars(later), "keep", keep)
    monkeypatch.setitem(vars(later), "kept", lambda model, threads: None)
    monkeypatch.setitem(vars(later), "reader", lambda *_: lambda _: {"by": np.array("numpy")})
    return done


def by(reading: Quickest) -> str:
    return str(reading(GRAPH, PIXELS)["by"])


def test_numpy_has_the_first_and_a_library_the_rest(built: list[Model]) -> None:
    reading = Quickest(MODEL, 1)
    said = [by(reading) for _ in range(MANY + 3)]
    assert said == ["numpy"] * (MANY - 1) + ["library"] * 4 and built == [MODEL]
    assert reading.fits


def test_of_many_to_come_all_are_the_library_s(built: list[Model]) -> None:
    reading = Quickest(MODEL, 1)
    reading.foresee(MANY - 1)
    assert not built and not reading.fits
    reading.foresee(MANY)
    reading.foresee(MANY)
    assert built == [MODEL] and by(reading) == "library"


def test_what_was_built_before_is_taken_at_once(
    built: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(later), "kept", lambda model, threads: Library())
    reading = Quickest(MODEL, 1)
    assert reading.fits and by(reading) == "library" and not built


def test_another_size_of_the_network_is_numpy_s(built: list[Model]) -> None:
    reading = Quickest(MODEL, 1)
    reading.foresee(MANY)
    assert str(reading(GRAPH.resized(64, 64), PIXELS)["by"]) == "numpy"


@pytest.mark.parametrize("error", [ValueError, NotImplementedError, OSError])
def test_what_cannot_be_compiled_is_numpy_s_and_that_is_said_once(
    built: list[Model], error: type[Exception], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def keep(*_: object) -> None:
        raise error("there is no\nC compiler here")

    monkeypatch.setitem(vars(later), "keep", keep)
    reading = Quickest(MODEL, 1)
    assert {by(reading) for _ in range(2 * MANY)} == {"numpy"}
    assert capsys.readouterr() == (
        "", "spindle: numpy runs this network: there is no C compiler here\n"
    )  # fmt: skip


def test_while_one_thread_builds_numpy_answers_the_others(
    built: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def keep(model: Model, threads: int) -> Library:
        built.append(model)
        begun.set()
        assert go_on.wait(600)
        return Library()

    monkeypatch.setitem(vars(later), "keep", keep)
    reading = Quickest(MODEL, 1)
    with ThreadPoolExecutor(3) as pool:
        builder = pool.submit(reading.foresee, MANY)
        assert begun.wait(600)
        others = [pool.submit(by, reading) for _ in range(2 * MANY)]
        assert {other.result(30) for other in others} == {"numpy"}
        go_on.set()
        builder.result(30)
    assert by(reading) == "library" and built == [MODEL]


def test_a_name_insists_on_a_reading() -> None:
    assert isinstance(reading_of(MODEL, None, 1), Quickest)
    for name in ("numpy", "torch", "c"):
        made = reading_of(MODEL, name, 1)
        assert isinstance(made, Made) and made.fits == (name == "c")
    with pytest.raises(ValueError, match="choose numpy, torch, c"):
        reading_of(MODEL, "tea leaves", 1)


def test_a_built_file_runs_itself() -> None:
    class File:
        path, info = Path("m.onnx"), dict[str, Any]()

        def picture(self, pixels: NDArray[Any]) -> Answer:
            return {"mean": pixels.mean()}

    reading = reading_of(File(), None, 1)
    assert isinstance(reading, Whole) and not reading.fits
    assert reading(GRAPH, PIXELS + 3)["mean"] == 3


def test_a_network_of_bytes_is_made_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fused: list[Graph] = []

    def counting(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
        fused.append(graph)
        return fuse(graph, weights)

    monkeypatch.setattr("spindle.compiler.reference.fuse", counting)
    model = Model(*gridded(GRAPH, settled(GRAPH)), "classify")
    reading = reading_of(model, "numpy", 1)
    said = [reading(model.graph, PIXELS + by)[GRAPH.output.name] for by in (0, 90, 0)]
    assert len(fused) == 1
    assert (said[0] == said[2]).all() and (said[0] != said[1]).any()


def test_networks_of_a_few_sizes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, ...]] = []

    def make(_: Made, graph: Any) -> Any:
        made.append(graph.input.shape)
        return lambda pixels: {}

    monkeypatch.setattr(Made, "make", make)
    reading = Made(MODEL, "torch", 1)
    for side in (32, 64, 32, 64):
        reading(GRAPH.resized(side, side), PIXELS)
    assert made == [(32, 32, 3), (64, 64, 3)]
    for side in range(32, 32 * (readings.MOST_NETWORKS + 3), 32):
        reading(GRAPH.resized(side, side), PIXELS)
    assert len(reading.made) <= readings.MOST_NETWORKS
