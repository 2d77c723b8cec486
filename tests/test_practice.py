"""The numbers of a bench follow from its seconds; what it asks is what learns."""

from __future__ import annotations

import json

import pytest

from spindle.app.practice import WAYS, bench_training, summed, taught
from spindle.compiler.targets import processor
from spindle.model.heads import HEADS
from spindle.training import layout


def test_pictures_a_second_follow_from_seconds() -> None:
    seconds = {"channels first": [2.0, 8.0, 4.0], "channels last": [1.0, 2.0, 1.0]}
    seconds["spindle"] = [0.5, 1.0, 4.0]
    times = [(way, seconds[way][i]) for i in range(3) for way in WAYS]
    first, last, ours = summed(times, batch=8)
    assert (first.best, first.middle, first.ratio) == (4, 2, 1)
    assert (last.best, last.middle, last.ratio) == (8, 8, 4)
    assert (ours.best, ours.middle, ours.ratio) == (16, 8, 4)


def test_the_table_and_its_json_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = [(way, 1.0 / (i + 1)) for i, way in enumerate(WAYS)]
    monkeypatch.setattr(layout, "steps", lambda graph, batch, ways: iter(fixed))
    asked = {"width": 0.35, "size": (32, 48), "batch": 4, "threads": 1, "rounds": 1}
    known = json.loads(bench_training(**asked, json=True))  # type: ignore[arg-type]
    assert known["title"] == "MobileNetV2 0.35, classifier, 32 x 48, batch 4"
    assert [way["best"] for way in known["ways"]] == [4, 8, 12]
    assert known["machine"]["threads"] == 1 and known["machine"]["processor"] == processor() != ""
    shown = bench_training(**asked)  # type: ignore[arg-type]
    assert known["title"] in shown and known["machine"]["torch"] in shown
    assert shown.count("\n  ") == 5 and "12.0       12.0    3.00x" in shown


def test_it_really_runs() -> None:
    known = json.loads(bench_training(0.1, 32, 2, threads=1, rounds=1, json=True))
    assert all(way["best"] == way["middle"] > 0 for way in known["ways"])


@pytest.mark.parametrize("head", HEADS)
def test_every_head_can_be_asked(head: str) -> None:
    graph = taught(0.1, 96, head)
    assert all(op.weights for op in graph.ops if op.name in ("logits", "heatmaps", "neck"))
    assert not any(type(op).__name__ in ("Detect", "ArgMax", "Peaks") for op in graph.ops)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"batch": 1}, "2 pictures or more"),
        ({"rounds": 0}, "take 1 round"),
        ({"head": "foot"}, "no head 'foot'"),
        ({"threads": 0}, "0 threads"),
    ],
)
def test_what_cannot_be_measured_is_refused(asked: dict[str, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        bench_training(**asked)  # type: ignore[arg-type]
