"""What is measured is a run of the network, compiled where that can be."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from spindle.app.bench import lively
from spindle.app.report.latency import LEAST, compiled, latency, measured, timed
from spindle.compiler.build import find
from spindle.compiler.targets import target
from spindle.model.family import mobilenet_v2
from spindle.model.weights import Model

GRAPH = mobilenet_v2(0.1, 32, classes=3)
MODEL = Model(GRAPH, lively(GRAPH), "classify", ("a", "b", "c"))


def test_times_are_those_of_the_runs() -> None:
    times = timed(lambda: time.sleep(0.003))
    assert len(times) >= LEAST and min(times) >= 3
    told = latency([3.0, 1.0, 2.0], "so", 0)
    assert (told.least, told.middle, told.runs, told.quick) == (1, 2, 3, False)


def test_without_a_compiler_numpy_is_measured_and_says_so() -> None:
    told = measured(MODEL, None)
    assert told and not told.quick and "no C compiler" in told.what
    assert measured(None, None) is None


def test_the_compiled_network_is_measured() -> None:
    try:
        find(target())
    except ValueError as absent:
        pytest.skip(str(absent))
    library = compiled(MODEL)
    assert library
    told = measured(MODEL, library)
    assert told and told.quick and told.arena == library.info["arena"]
    alone = measured(None, library)  # as of a compiled file
    assert alone and replace(alone, least=0, middle=0, runs=0) == replace(
        told, least=0, middle=0, runs=0
    )
