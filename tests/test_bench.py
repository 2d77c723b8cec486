"""Everybody installed is measured and gives the same answer; the others are said to be absent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spindle.app import bench as room
from spindle.app.bench import PRECISIONS, Bench, Result, lively, measure, noise
from spindle.app.entries import OURS, entered
from spindle.app.machine import machine
from spindle.app.peers.prepare import PEERS
from spindle.app.standings import BLUE, draw_bench, show_bench, show_layers
from spindle.app.verdict import agreement, distance
from spindle.compiler.pipeline import Layer, layers
from spindle.compiler.targets import Target
from spindle.compiler.uniform import alike
from spindle.data.paint import ACCENT
from spindle.model.family import mobilenet_v2
from spindle.model.grids import grids
from spindle.model.heads import Task
from spindle.model.weights import Model
from tests.small import small as dozen

QUICK = [name for name in ("onnxruntime", "openvino", "litert", "ncnn") if PEERS[name].here]


def small(head: str = "classifier") -> Model:
    graph = mobilenet_v2(0.1, 64, head, 5)
    return Model(graph, lively(graph), "classify" if head == "classifier" else "detect")


@pytest.mark.skipif(not QUICK, reason="no runtime is installed")
@pytest.mark.parametrize("batch", [1, 3])
def test_all_say_the_same(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spindle.app.stopwatch.TURN_MS", 1.0)
    done = measure("small", small(), threads=(1,), batch=batch, rounds=1, against=QUICK)
    assert not done.absent and [result.runtime for result in done.results] == [OURS, *QUICK]
    for result in done.results:
        assert 0 < result.min_ms <= result.median_ms <= result.p90_ms
        assert result.max_error < 1e-4 and result.rss_mb > 1 and result.batch == batch
    known = json.loads(json.dumps(done.to_json()))
    assert known["peak_gflops"] > 1 and known["machine"]["cores"] >= 1
    assert {"runtime", "precision", "threads", "min_ms", "median_ms", "p90_ms", "rss_mb",
            "arena_bytes", "max_error"} <= set(known["results"][0])  # fmt: skip


@pytest.mark.skipif(not QUICK, reason="no runtime is installed")
@pytest.mark.parametrize("task", ["classify", "detect"])
def test_all_reckon_with_bytes(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside floats, in one run; those that have no bytes are not there."""
    monkeypatch.setattr("spindle.app.stopwatch.TURN_MS", 1.0)
    done = measure("small", dozen(task), ("float32", "int8"), rounds=1, against=QUICK)
    assert not done.absent and "drawn pictures" in done.remark
    whole = [result for result in done.results if result.precision == "int8"]
    able = [name for name in (OURS, *QUICK) if "int8" in PEERS[name].precisions]
    assert [result.runtime for result in whole] == able
    assert len(done.results) == 1 + len(QUICK) + len(able)
    for result in whole:
        assert result.agreement > 0.8 and (task == "detect" or result.max_error < 0.05)
    assert "one scale for each tensor; ranges are of drawn" in show_bench(done)


def test_ours_is_brief_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """In half the arena, and a little further from the definition, which is float32's."""
    monkeypatch.setattr("spindle.app.stopwatch.TURN_MS", 1.0)
    done = measure("small", small(), ("float32", "bf16"), rounds=1, against=())
    exact, brief = done.results
    assert (exact.precision, brief.precision) == ("float32", "bf16")
    assert exact.max_error < 1e-4 < brief.max_error < 0.1
    assert (brief.arena_bytes or 0) < (exact.arena_bytes or 0)


def test_who_is_given_what() -> None:
    model = small()
    light, other, whole = entered(model, ("bf16", "int8", "float32"), noise(model.graph, 2))
    assert [one.precision for one in (light, other, whole)] == ["bf16", "float32", "int8"]
    assert light.ours is light.theirs and not light.ours.graph.of_bytes
    ours, theirs = whole.given("spindle"), whole.given("litert")
    assert not all(alike(grid) for grid in grids(ours.graph, ours.weights).values())
    assert all(alike(grid) for grid in grids(theirs.graph, theirs.weights).values())
    (again,) = entered(ours, ("int8",), noise(model.graph, 2))
    assert again.ours.graph == ours.graph
    with pytest.raises(ValueError, match="of bytes: --precision int8, not float32"):
        entered(ours, ("float32", "int8"), noise(model.graph, 2))


@pytest.mark.skipif("litert" not in QUICK, reason="litert is not installed")
def test_a_cold_start_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spindle.app.stopwatch.TURN_MS", 1.0)
    done = measure("small", small(), rounds=1, against=("litert",), start=True)
    start = next(start for start in done.starts if start.runtime == "litert")
    assert 10 < start.min_ms == start.median_ms
    assert "first label" in show_bench(done)


def test_the_absent_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {name: replace(PEERS[name], guest="nowhere") for name in (OURS, "ncnn")}
    monkeypatch.setattr(room, "PEERS", gone)
    done = measure("small", small(), rounds=1, against=("ncnn",))
    assert done.absent["ncnn"] == "not installed: pip install ncnn" and not done.results
    assert done.absent.keys() == gone.keys()  # ours is always asked
    assert "not installed: pip install ncnn" in show_bench(done)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"against": ["excel"]}, "no excel here: choose from spindle"),
        ({"precisions": ["int3"]}, "no int3 here: choose from float32"),
        ({"rounds": 0}, "take 1 round"),
        ({"threads": [0]}, "1 thread or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        measure("small", small(), **asked)


def test_pictures_differ_and_are_soft() -> None:
    first, second = noise(mobilenet_v2(0.1, (64, 96)), 2)
    assert first.shape == (64, 96, 3) and (first != second).any()
    assert np.abs(np.diff(first.astype(int), axis=0)).mean() < 20


def test_boxes_may_change_places_but_not_move() -> None:
    graph = small("ssdlite").graph
    rows = np.random.default_rng(0).uniform(0, 1, (100, 1, 6)).astype(np.float32)
    assert distance(graph, {"detections": rows}, {"detections": rows[::-1]}, 1) == 0
    moved = rows + np.float32(0.5) * (np.arange(100) == 7)[:, None, None]
    assert distance(graph, {"detections": rows}, {"detections": moved}, 1) > 0.05
    assert agreement(graph, {"detections": rows}, {"detections": rows[::-1]}, 1) == 1
    assert agreement(graph, {"detections": rows}, {"detections": moved}, 1) == 0.99


def test_masks_differ_by_the_share_of_their_pixels() -> None:
    graph = mobilenet_v2(0.1, 33, "deeplab", 5)
    true = np.zeros((33, 33, 1), np.int32)
    said = true.copy()
    said[:11] = 4
    assert distance(graph, {"mask": true}, {"mask": said}, 1) == pytest.approx(1 / 3)
    assert agreement(graph, {"mask": true}, {"mask": said}, 1) == pytest.approx(2 / 3)


def standing() -> Bench:
    def one(name: str, ms: float, threads: int) -> Result:
        return Result(name, "float32", threads, 1, ms, ms * 1.5, ms * 2, 50.0, None, 1e-6)

    done = Bench("a title", machine(), 300_000_000, 10, 7.0, peaks=[90.0, 100.0])
    done.results.extend([one("ncnn", 8.0, 1), one("spindle", 4.0, 1), one("ncnn", 5.0, 2)])
    return done


def test_the_table_ranks_and_compares_with_the_best_peer() -> None:
    lines = show_bench(standing()).splitlines()
    ranked = [line.split() for line in lines if line.startswith(("  spindle", "  ncnn"))]
    assert [(row[0], row[1], row[5]) for row in ranked] == [
        ("spindle", "4.000", "0.50"), ("ncnn", "8.000", "1.00"), ("ncnn", "5.000", "1.00"),
    ]  # fmt: skip
    assert "100 GFLOP/s, copies at 7 GB/s; so no less than 6.00 ms" in "\n".join(lines)


def test_the_bars_are_as_long_as_the_times() -> None:
    sheet = np.asarray(draw_bench(standing()))
    ours = (sheet == ACCENT).all(axis=2).sum(axis=1).max()
    theirs = (sheet == BLUE).all(axis=2).sum(axis=1).max()
    assert ours / theirs == pytest.approx(0.5, abs=0.01)


def test_layers_are_those_of_what_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each precision: the network of that precision, for a machine that reckons in it."""
    seen = []

    def timed(model: Model, here: Target) -> list[Layer]:
        seen.append((model.graph.of_bytes, here.isa.brief))
        return layers(model, here, runs=1)

    monkeypatch.setattr("spindle.app.stopwatch.TURN_MS", 1.0)
    monkeypatch.setattr("spindle.app.bench.timed", timed)
    done = measure("small", small(), PRECISIONS, rounds=1, against=(), layers=True)
    assert seen == [(False, False), (False, True), (True, False)]
    for precision in PRECISIONS:
        assert sum(layer.madds for layer in done.layers[precision]) == done.madds
        assert f"spindle, {precision}, 1 thread" in show_bench(done)


def test_layers_stand_beside_the_peak() -> None:
    stem = Layer(("image", "stem"), 5_000_000, 0.4)
    rest = Layer(("block02_expand", "block02_filter"), 0, 1.2)
    lines = show_layers("int8", [stem, rest], 100.0).splitlines()
    assert next(line for line in lines if "image + stem" in line).split()[-2:] == ["25%", "25%"]
    assert next(line for line in lines if "block02: expand + filter" in line).endswith("75%")
