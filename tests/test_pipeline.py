"""From a model to C by passes that are checked at their seams, within the memory promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spindle.compiler import build, pipeline
from spindle.compiler.library import MOST_THREADS
from spindle.compiler.targets import FOREIGN, target
from spindle.model.family import mobilenet_v2
from spindle.model.graph import PAPER, Builder, Graph
from spindle.model.ops import Mean
from spindle.model.weights import Model, Weights, initial


def model(width: float = 0.1, size: int = 64, head: str = "classifier") -> Model:
    graph = mobilenet_v2(width, size, head, classes=5)
    labels = ("a", 'b "quoted"', "c\\", "d??/", "é")
    return Model(graph, initial(graph), "classify", labels=labels, hash="abc")


def test_the_source_tells_what_it_was_made_from() -> None:
    made = model()
    source = pipeline.compile(made, target("x86-64-v3"), threads=2)
    assert source.threads == 2 and source.info["threads"] == 2 and source.info["isa"] == "avx2"
    assert source.info["labels"] == list(made.labels) and source.info["hash"] == "abc"
    assert source.info["outputs"] == [
        {"name": "probabilities", "shape": [1, 1, 5], "dtype": "float32"}
    ]
    assert source.arena == source.info["arena"] > 0 and len(source.weights) % 64 == 0
    assert source.info["preprocessing"]["kind"] == "Image" and "graph" not in source.info


def test_the_same_model_gives_the_same_text() -> None:
    for name in ("c", "x86-64-v4", "wasm32"):
        first, again = (pipeline.compile(model(), target(name), threads=3) for _ in range(2))
        assert first == again


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_run_nothing(threads: int) -> None:
    with pytest.raises(ValueError, match=f"{threads} threads run nothing: say 1 or more"):
        pipeline.compile(model(), target("c"), threads=threads)


def test_no_more_threads_than_a_pool_has() -> None:
    with pytest.raises(ValueError, match="1000 threads cannot share a picture: say 64 or fewer"):
        pipeline.compile(model(), target("c"), threads=1000)
    pool = (build.HEADERS / "kernels" / "pool.h").read_text()
    assert f"pool_most = {MOST_THREADS}," in pool


def test_no_wider_pictures_than_can_be_fitted() -> None:
    graph = mobilenet_v2(0.1, (1, 70_000), classes=2)
    with pytest.raises(ValueError, match="look at 16384 pixels a side, not at 70000 x 1"):
        pipeline.compile(Model(graph, initial(graph), "classify"), target("c"))


def test_a_pass_that_loses_something_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(graph: Graph, numbers: Weights) -> tuple[Graph, Weights]:
        return graph, {name: array for name, array in numbers.items() if name != "logits.bias"}

    def shorter(graph: Graph, numbers: Weights) -> tuple[Graph, Weights]:
        return graph.until("logits"), numbers

    usual = pipeline.PASSES
    for change in (careless, shorter):
        monkeypatch.setattr(pipeline, "PASSES", (*usual, change))
        with pytest.raises(AssertionError, match=change.__name__):
            pipeline.compile(model(), target("c"))


@pytest.mark.parametrize("name", [name for name, one in FOREIGN.items() if not one.needs])
def test_the_paper_s_network_works_in_the_memory_that_is_promised(name: str) -> None:
    """1.6 MB, where all tensors of a naive plan would take 6 MB; the text is no burden either."""
    graph = mobilenet_v2(1.0, 224)
    zeros = {key: np.zeros(shape, np.float32) for key, shape in graph.arrays.items()}
    whole = Model(graph, zeros, "classify")
    for threads in (1, 2):
        source = pipeline.compile(whole, target(name), threads)
        assert source.arena <= 1_600_000, source.arena
        assert len(source.c) < 200_000
        assert 4 * graph.params * 0.98 < len(source.weights) < 4 * graph.params * 1.05


def test_memory_can_be_asked_for() -> None:
    graph = mobilenet_v2(1.0, 224)
    zeros = {key: np.zeros(shape, np.float32) for key, shape in graph.arrays.items()}
    whole = Model(graph, zeros, "classify")
    assert pipeline.compile(whole, target("x86-64-v3"), memory=700_000).arena <= 700_000
    with pytest.raises(ValueError, match="does not fit into 1,000 bytes; the least it can work in"):
        pipeline.compile(model(), target("x86-64-v3"), memory=1000)


def test_what_the_c_cannot_say_is_refused_in_a_sentence() -> None:
    grey = Builder((32, 32), replace(PAPER, image=replace(PAPER.image, mean=(1.0,), std=(1.0,))))
    graph = grey.graph(grey.conv(grey.image, "stem", 8, 3))
    with pytest.raises(ValueError, match="compiled networks read RGB, this one 1 channels"):
        pipeline.passed(graph, initial(graph))
    twice = mobilenet_v2(0.1, 64, "pose")
    heat = next(op for op in twice.ops if op.name == "points").inputs[0]
    ops = (*twice.ops, Mean("middle", (heat,)))
    again = Graph(ops, (*twice.outputs, ops[-1].output))
    with pytest.raises(ValueError, match="'points' reads a map that nothing else reads"):
        pipeline.passed(again, initial(again))
