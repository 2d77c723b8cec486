"""The quickest of the plans that fit is taken group by group, and remembered; none does not fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spindle.compiler import tune
from spindle.compiler.pipeline import passed
from spindle.compiler.place import place
from spindle.compiler.schedule import Plan
from spindle.compiler.targets import target
from spindle.model.family import mobilenet_v2
from tests.settled import settled

DRAWN = mobilenet_v2(0.1, 96, classes=5)
GRAPH, NUMBERS = passed(DRAWN, settled(DRAWN))


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built: a group takes as long as it makes rows at a time."""

    def times(library: Any, runs: int) -> list[float]:
        return [float(sum(group.rows.values())) for group in library.plan.groups]

    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path))
    monkeypatch.setattr(tune, "measured", lambda plan, *_: SimpleNamespace(plan=plan))
    monkeypatch.setattr(tune, "times", times)


def rows(plan: Plan) -> list[int]:
    return [sum(group.rows.values()) for group in plan.groups]


def test_each_group_is_the_quickest_and_is_remembered() -> None:
    assert tune.remembered(GRAPH, target(), 1, None) is None
    plan = tune.tuned(GRAPH, NUMBERS, target(), 1, None)
    each = [rows(other) for other in tune.variants(GRAPH, target(), 1, None)]
    assert len(each) > 1 and rows(plan) == [min(those) for those in zip(*each, strict=True)]
    assert tune.remembered(GRAPH, target(), 1, None) == plan
    assert tune.remembered(GRAPH, target(), 2, None) is None


def test_what_is_quickest_fits_into_the_memory_there_is() -> None:
    memory = place(tune.variants(GRAPH, target(), 1, None)[0]).bytes // 2
    plan = tune.tuned(GRAPH, NUMBERS, target(), 1, memory)
    assert place(plan).bytes <= memory
    assert tune.remembered(GRAPH, target(), 1, memory) == plan


def test_memory_too_small_is_told_with_how_much_would_do() -> None:
    with pytest.raises(ValueError, match="fit into 1,000 bytes; the least it can work in is"):
        tune.tuned(GRAPH, NUMBERS, target(), 1, 1000)


def test_a_plan_that_once_fitted_is_not_taken_where_it_does_not() -> None:
    plan = tune.variants(GRAPH, target(), 1, None)[0]
    tune.keep(plan, target(), place(plan).bytes)
    tune.keep(plan, target(), place(plan).bytes - 1)
    assert tune.remembered(GRAPH, target(), 1, place(plan).bytes) == plan
    assert tune.remembered(GRAPH, target(), 1, place(plan).bytes - 1) is None


@pytest.mark.parametrize("content", ["", "[]", '[{"ops": ["stem"], "rows": {}, "split": false}]'])
def test_a_file_that_is_no_plan_is_passed_over(content: str) -> None:
    tune.file(GRAPH, target(), 1, None).write_text(content)
    assert tune.remembered(GRAPH, target(), 1, None) is None
