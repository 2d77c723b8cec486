"""A page says what bytes would lose, measured on pictures of its own, or why it does not say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spindle.app.bench import lively
from spindle.app.report import loss
from spindle.app.report.latency import compiled, measured
from spindle.app.report.loss import Loss, first, lost, overlap
from spindle.compiler.build import find
from spindle.compiler.targets import target
from spindle.data.datasets import find as found_at
from spindle.data.drawn import draw_data
from spindle.data.parting import parted
from spindle.data.samples import Dataset
from spindle.model.family import mobilenet_v2
from spindle.model.weights import Model
from tests.gridded import gridded


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data")
    draw_data(folder, "classify", 40, 32)
    return parted(found_at(folder))


def model(data: Dataset) -> Model:
    graph = mobilenet_v2(0.1, 32, classes=len(data.labels))
    return Model(graph, lively(graph), "classify", data.labels)


def weighed(data: Dataset, ours: Model, C: bool = True) -> Loss | None:
    library = compiled(ours) if C else None
    latency = measured(ours, library) if C else None
    return lost(ours, library, latency, data.splits["train"], data.splits["val"], data.labels)


def test_both_formats_are_judged_by_the_same_pictures(data: Dataset) -> None:
    try:
        find(target())
    except ValueError as absent:
        pytest.skip(str(absent))
    ours = model(data)
    told = weighed(data, ours)
    assert told and list(told.formats) == ["float32", "int8"], told
    for one in told.formats.values():
        assert 0 <= one["accuracy"] <= 1 and one["ms"] > 0
    shown = min(loss.LEARNT, len(data.splits["train"]))
    assert (
        f"ranges set by {shown} pictures, both judged by {len(data.splits['val'])} others"
        in told.how
    )


def test_pictures_that_set_and_judge_are_owned_up_to(data: Dataset) -> None:
    shown, asked = (list(data.splits[part]) for part in ("train", "val"))
    assert overlap(asked, shown) == " others"
    assert overlap(asked, [*shown, *asked[:2]]) == ", 2 of them the same"


def test_why_nothing_was_measured_is_said(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = model(data)
    told = weighed(data, ours, C=False)
    assert told and not told.formats and "no C compiler" in told.how
    monkeypatch.setattr(loss, "by_pictures", None)  # which would take long
    cached = replace(ours, recipe={"cached": True})
    told = lost(cached, object(), object(), data.splits["train"], data.splits["val"], data.labels)  # type: ignore[arg-type]
    assert told and not told.formats and "longer than learning did" in told.how
    monkeypatch.setattr(loss, "MOST", ours.graph.madds - 1)
    told = lost(ours, object(), object(), data.splits["train"], data.splits["val"], data.labels)  # type: ignore[arg-type]
    assert told and not told.formats and "it takes minutes" in told.how


def test_what_is_of_bytes_has_lost_it_already(data: Dataset) -> None:
    ours = model(data)
    graph, weights = gridded(ours.graph, ours.weights)
    assert weighed(data, replace(ours, graph=graph, weights=weights), C=False) is None
    assert lost(None, None, None, data.splits["train"], data.splits["val"], data.labels) is None


def test_the_same_pictures_are_drawn_each_time(data: Dataset) -> None:
    names = [sample.name for sample in first(data.splits["train"], 5)]
    assert len(set(names)) == 5 and names == [s.name for s in first(data.splits["train"], 5)]
    assert len(first(data.splits["val"], 1000)) == len(data.splits["val"])
