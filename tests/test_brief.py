"""Edges carried in 16 bits: C says what numpy says, to the bit where the order of sums is nothing.

Weights of -1, 0 and 1 times a power of two, and a picture's range that is one too, leave sums
that float32 holds exactly, in whatever order: what differs was rounded wrongly, or elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import spindle
from spindle.compiler import brief, build, pipeline, reference, tune
from spindle.compiler.emit import emit
from spindle.compiler.schedule import Limits, Plan, schedule
from spindle.compiler.source import Source
from spindle.compiler.targets import AVX2, AVX512, NEON, PLAIN, WASM, Isa, swift, target
from spindle.compiler.targets import brief as in_brief
from spindle.model.graph import Graph
from spindle.model.ops import Image, Op
from spindle.model.weights import Model, Weights
from tests.abroad import in_wasm, needed, on_arm
from tests.compiled import HERE
from tests.networks import ISAS, Outputs, alike, built, emitted, error, played, simde
from tests.settled import settled

pytestmark = pytest.mark.skipif(not HERE, reason="there is no C compiler here: pip install ziglang")
NEAR = 1e-5  # of what is summed after the last brief edge
LOST = 20  # times as far are briefs from floats, at least
TASKS = {
    "classes": spindle.mobilenet_v2(0.35, (48, 64), classes=7).until("logits"),
    "boxes": spindle.mobilenet_v2(0.1, (64, 96), head="ssdlite", classes=3).until(
        "boxes", "classes"
    ),
    "masks": spindle.mobilenet_v2(0.1, (65, 49), head="deeplab", classes=4),
    "points": spindle.mobilenet_v2(0.1, (64, 64), head="pose-light"),
}
PLANS = (
    Limits(), Limits(rings=0), Limits(rings=0, streamed=3), Limits(rings=0, streamed=2, split=True),
)  # fmt: skip
BF16 = "x86_64_v4+avx512bf16"


def small() -> Graph:
    return spindle.mobilenet_v2(0.35, (32, 48)).until("block05")


def even(op: Op) -> Op:
    """A picture as numbers that add up exactly."""
    return replace(op, mean=(128.0,) * 3, std=(64.0,) * 3) if isinstance(op, Image) else op


def exact(graph: Graph) -> tuple[Graph, Weights]:
    """After all passes, with weights whose sums are exact."""
    graph, known = pipeline.passed(graph.map(even), settled(graph))
    rng = np.random.default_rng(0)
    weights: Weights = {}
    for name, array in known.items():
        near = np.round(np.log2(2 * np.prod(array.shape[1:]) ** -0.5)) if array.ndim > 1 else -2
        weights[name] = (rng.integers(-1, 2, array.shape) * 2.0**near).astype(np.float32)
    return graph, weights


def planned(graph: Graph, isa: Isa, threads: int = 1, limits: Limits = Limits()) -> Plan:
    return schedule(graph, replace(isa, brief=True), threads, limits)


def source(graph: Graph, weights: Weights, isa: Isa, threads: int = 1) -> Source:
    isa = replace(isa, brief=True)
    return emit(planned(graph, isa, threads), weights, isa, {"task": "test"})


def picture(graph: Graph) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, graph.input.shape, np.uint8)


def same(
    graph: Graph, weights: Weights, found: Outputs, carried: Collection[str] | None = None
) -> None:
    meant = brief.run(graph, weights, picture(graph), carried or brief.edges(graph))
    plain = reference.run(graph, weights, picture(graph))
    assert meant.keys() == found.keys()
    for name, value in meant.items():
        assert value.tobytes() == found[name].tobytes(), error(value, found[name])
        assert error(plain[name], value) > 1e-3  # so that it says something


def test_thin_tensors_and_what_a_filter_makes_are_brief() -> None:
    graph, _ = exact(TASKS["classes"])
    found = brief.edges(graph)
    names = [op.name for op in graph.ops]
    kept = ["image", "stem", *(name for name in names if name.endswith("_expand")), "head", "pool"]
    assert found == set(names) - {*kept, "logits"} and len(found) == 34
    assert not brief.edges(small().until("block02", "block02_filter")) & {"block02_filter"}
    layouts = planned(graph, AVX2).layouts
    assert {name for name, layout in layouts.items() if layout.brief} == found


def test_numbers_are_rounded_to_nearest_even() -> None:
    given = np.random.default_rng(0).normal(0, 1, 4000).astype(np.float32) ** 9
    ties = (np.arange(0x3F80, 0x4080, dtype=np.uint32) << 16 | 0x8000).view(np.float32)
    for values in (given, ties, -ties, np.array([0, -0.0, np.inf, 1e38], np.float32)):
        other = torch.from_numpy(values).to(torch.bfloat16).float().numpy()
        assert brief.rounded(values).tobytes() == other.tobytes()


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
def test_c_says_what_numpy_says_to_the_bit(isa: Isa) -> None:
    graph, weights = exact(small())
    (network,) = built([source(graph, weights, isa, 3)], isa)
    found = network.run(picture(graph))
    same(graph, weights, found)
    for threads in (2, 3):
        shared = network.run(picture(graph), threads)
        assert all(found[name].tobytes() == shared[name].tobytes() for name in found)


@pytest.mark.parametrize("limits", PLANS, ids=range(len(PLANS)))
def test_whatever_the_plan(limits: Limits) -> None:
    """A split group leaves parts of sums in what it makes, which is therefore no brief."""
    graph, weights = exact(small())
    plan = planned(graph, PLAIN, 1, limits)
    carried = {name for name, layout in plan.layouts.items() if layout.brief}
    assert (carried < brief.edges(graph)) == any(group.split for group in plan.groups)
    isa = replace(PLAIN, brief=True)
    (network,) = built([emit(plan, weights, isa, {"task": "test"})], isa)
    same(graph, weights, network.run(picture(graph)), carried)


@pytest.mark.parametrize("task", TASKS)
def test_every_task(task: str) -> None:
    graph, weights = exact(TASKS[task])
    names = [name for op in graph.ops[-1:] for name in (op.name, *(t.name for t in op.inputs))]
    graph = graph if len(graph.outputs) > 1 else graph.until(*names[-1:])
    (network,) = built([source(graph, weights, AVX2)])
    found = network.run(picture(graph))
    meant = brief.run(graph, weights, picture(graph), brief.edges(graph))
    plain = reference.run(graph, weights, picture(graph))
    for name, value in meant.items():
        assert error(value, found[name]) <= NEAR < error(plain[name], value) / LOST, name


def test_any_weights_lose_no_more_in_c_than_in_numpy() -> None:
    """Their sums differ in the last bit, so that an edge may now and then be the next brief: which
    does, hangs on the processor that numpy adds up on, so that one picture says nothing."""
    graph = TASKS["classes"]
    weights = settled(graph)
    isa = replace(AVX2, brief=True)
    (network,) = built([emitted(graph, weights, isa)])
    folded, numbers = pipeline.passed(graph, weights)
    pictures = np.random.default_rng(1).integers(0, 256, (12, *graph.input.shape), np.uint8)
    edges = brief.edges(folded)
    found = np.stack([network.run(one)["logits"] for one in pictures])
    meant = np.stack([brief.run(folded, numbers, one, edges)["logits"] for one in pictures])
    plain = np.stack([reference.run(graph, weights, one)["logits"] for one in pictures])

    def spread(of: NDArray[Any]) -> float:
        return float(np.sqrt(np.mean(of**2)))

    assert spread(found - plain) < 1.2 * spread(meant - plain)
    assert spread(found - meant) < spread(meant - plain) / 2


def test_instructions_that_are_not_here_say_it_too() -> None:
    if not simde():
        pytest.skip("SIMDe, which plays instructions, is absent: apt-get install libsimde-dev")
    graph, weights = exact(small())
    on = played(AVX512, "AVX512BF16")
    (network,) = built([source(graph, weights, AVX512)], AVX512, on=on)
    same(graph, weights, network.run(picture(graph)))


@pytest.mark.parametrize("cpu", ["", "generic+bf16"])
def test_arm_says_it_too(cpu: str) -> None:
    graph, weights = exact(small())
    found = on_arm(source(graph, weights, NEON), picture(graph)[None], cpu)
    same(graph, weights, {name: array[0] for name, array in found.items()})


def test_the_browser_says_it_too() -> None:
    graph, weights = exact(small())
    found = in_wasm(source(graph, weights, WASM), "wasm32", picture(graph)[None])
    same(graph, weights, {name: array[0] for name, array in found.items()})


@pytest.mark.parametrize("name", ["x86-64-v4", "aarch64-linux", "x86-64-v3"])
def test_it_builds_for_processors_that_are_not_here(name: str, tmp_path: Path) -> None:
    needed(zig=True, program=sys.executable, package="python3")
    chosen = in_brief(target(name))
    assert swift(chosen) == (name != "x86-64-v3") and chosen.isa.brief
    assert swift(chosen) == ("bf16" in chosen.cpu) and not swift(target(name))
    made = source(*exact(small()), chosen.isa)
    build.put(made, tmp_path)
    words = (*build.command(build.find(chosen), chosen), "-c", "model.c", "-o", "model.o")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_other_compilers_are_told_of_the_instructions() -> None:
    gcc = build.Compiler("gcc 13", ("gcc",))
    told = build.command(gcc, in_brief(target("x86-64-v4")))
    assert told[1:3] == ("-march=x86-64-v4", "-mavx512bf16")
    assert build.command(gcc, in_brief(target("aarch64-linux")))[1] == "-mcpu=generic+bf16"


def test_it_is_smaller_and_says_what_it_is() -> None:
    graph = TASKS["classes"]
    model = Model(graph, settled(graph), "classify")
    whole, half = (pipeline.compile(model, one) for one in (target("c"), in_brief(target("c"))))
    assert half.info["precision"] == "bf16" and "precision" not in whole.info
    assert "thin tensors in bf16" in half.h and "bf16" not in whole.h
    assert half.arena < 0.75 * whole.arena
    rest = 4 * sum(op.params for op in graph.ops if op.name in ("stem", "logits"))
    assert len(half.weights) - rest < 0.6 * (len(whole.weights) - rest)
    told = pipeline.explain(model, in_brief(target("c")))
    assert "34 of 55 edges carried in 16 bits" in told
    assert "16 bits" not in pipeline.explain(model, target("c"))


def test_plans_of_both_are_remembered_apart(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path))
    graph = small()
    files = {tune.file(graph, one, 1, None) for one in (target(), in_brief(target()))}
    assert len(files) == 2


def test_floats_stay_as_they_were() -> None:
    graph = small()
    weights = settled(graph)
    (network,) = built([emitted(graph, weights)])
    alike(graph, weights, picture(graph), network.run(picture(graph)))
