"""Where a network starts from: what is carried is carried to the number, the rest is new."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from spindle.compiler import reference
from spindle.data.labels import VOC
from spindle.model import tasks
from spindle.model.answers import Detect
from spindle.model.family import NETWORKS, mobilenet_v1, mobilenet_v2
from spindle.model.graph import PAPER, TORCH, Family, Graph
from spindle.model.heads import HEADS, Task
from spindle.model.mobilenet import Ablation
from spindle.model.ops import Conv, Deconv
from spindle.model.weights import Model
from spindle.training.adopt import adopt_weights
from spindle.training.transfer import USUAL, begin, recognised
from tests.scramble import scrambled

LABELS: dict[Task, tuple[str, ...]] = {
    "classify": ("cat", "dog", "cow"),
    "detect": ("cat", "dog", "cow"),
    "segment": ("background", "cat", "dog", "cow"),
    "pose": ("head", "hand", "foot"),
    "embed": ("0001", "0002", "0005"),
}
SIZES = {"detect": 96, "segment": 65, "pose": 64, "embed": 64, "classify": 64}


def model(graph: Graph, task: Task, labels: tuple[str, ...] = ()) -> Model:
    return Model(graph, scrambled(graph), task, labels)


def usual(task: Task, family: Family = TORCH, width: float = 0.35) -> Model:
    labels = LABELS[task]
    graph = mobilenet_v2(width, SIZES[task], USUAL[task], len(labels), family=family)
    return model(graph, task, labels)


@pytest.mark.parametrize("task", USUAL)
@pytest.mark.parametrize("network", NETWORKS)
def test_from_nothing_is_the_named_network(task: Task, network: str) -> None:
    labels = LABELS[task]
    graph, weights, notes = begin(task, labels, model=network, width=0.5, size=96)
    drawn = NETWORKS[network](0.5, 96, USUAL[task], len(labels), family=TORCH)
    assert graph.arrays == drawn.arrays == {name: a.shape for name, a in weights.items()}
    tasks.check(graph, task, labels if task != "embed" else ())
    assert notes == ("from nothing",)
    again = begin(task, labels, model=network, width=0.5, size=96)[1]
    other = begin(task, labels, model=network, width=0.5, size=96, seed=1)[1]
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    assert not np.array_equal(weights["stem.weight"], other["stem.weight"])


def test_a_classifier_begins_near_zero_and_a_point_of_the_paper_says_its_size() -> None:
    graph, weights, _ = begin("classify", "ab", model="mobilenetv2-0.35-96")
    assert graph.input.shape == (96, 96, 3) and graph["stem"].shape[2] == 16
    assert np.abs(weights["logits.weight"]).max() <= 0.02 < np.abs(weights["stem.weight"]).max()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"model": "resnet"}, "no network 'resnet'"),
        ({"head": "ssdlite"}, "none for the task classify: choose classifier"),
        ({"head": "hat"}, "choose classifier"),
        ({"start": usual("classify"), "width": 0.5}, "keeps that model's kind and width"),
        ({"start": usual("classify"), "model": "mobilenetv1"}, "keeps that model's"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        begin("classify", ("a", "b"), **said)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        begin("classify", ())
    with pytest.raises(ValueError, match="at least one"):
        begin("classify", (), usual("classify"))


@pytest.mark.parametrize("task", USUAL)
def test_the_same_classes_are_carried_on_to_the_number(task: Task) -> None:
    start = usual(task)
    graph, weights, notes = begin(task, LABELS[task], start)
    assert graph.arrays == start.graph.arrays
    kept = {name for name in weights if np.array_equal(weights[name], start.weights[name])}
    identities = {"identities.weight", "identities.bias"} if task == "embed" else set()
    assert kept == set(weights) - identities
    assert not any(note.startswith("new") for note in notes)
    assert [op.name for op in graph.ops] == [op.name for op in start.graph.ops]


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "pose"])
def test_known_classes_answer_as_before_whatever_their_place(task: Task) -> None:
    """The dog's scores are the dog's scores, and everything but classes is as it was.

    A softmax's are those against what was no class of its own, in whose place the new ones are.
    """
    start = usual(task)
    new = ("Dog" if task != "pose" else "hand", "emu", LABELS[task][0], "fox", "gnu")
    graph, weights, notes = begin(task, new, start)
    assert tasks.answers(graph, task) == 5
    assert notes[1:] == (f"known already: {new[0]}, {new[2]}", "new: emu, fox, gnu")
    last = {"detect": "classes", "pose": "heatmaps"}.get(task, "logits")
    picture = np.random.default_rng(0).integers(0, 256, start.graph.input.shape, np.uint8)
    before = reference.run(start.graph.until(last), start.weights, picture)[last]
    after = reference.run(graph.until(last), weights, picture)[last]
    own = 1 if task == "detect" else 0
    old = LABELS[task].index("dog" if task != "pose" else "hand")
    near = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    level: Any = {"classify": before.mean(-1), "segment": before[..., 0]}.get(task, 0.0)
    near(after[..., own], before[..., own + old] - level)
    near(after[..., own + 2], before[..., own] - level)
    if task == "detect":
        near(after[..., 0], before[..., 0])
        boxes = [g.until("boxes") for g in (start.graph, graph)]
        one, two = (reference.run(g, w, picture)["boxes"] for g, w in zip(
            boxes, (start.weights, weights), strict=True))  # fmt: skip
        np.testing.assert_array_equal(one, two)


def test_a_detector_keeps_its_own_anchors_and_a_picture_its_range(data: Path) -> None:
    start = adopt_weights(data / "weights" / "ssdlite_voc_1.0_300.npz")
    graph, weights, notes = begin("detect", ("cat", "cell", "dog"), start, size=320)
    before, after = tasks.deciding(start.graph), tasks.deciding(graph)
    assert isinstance(before, Detect) and isinstance(after, Detect)
    assert after.anchors == before.anchors and after.overlap == before.overlap
    assert graph.input.shape == (320, 320, 3) and graph.image.mean == start.graph.image.mean
    assert notes[1:] == ("known already: cat, dog", "new: cell")
    old = start.weights["classes3_predict.weight"].reshape(6, 21, -1)
    new = weights["classes3_predict.weight"].reshape(6, 4, -1)
    places = [0, 1 + VOC.index("cat"), 1 + VOC.index("dog")]
    np.testing.assert_array_equal(new[:, [0, 1, 3]], old[:, places])


@pytest.mark.parametrize("task", USUAL)
@pytest.mark.parametrize("before", USUAL)
@pytest.mark.parametrize("family", [TORCH, PAPER, Family("same", None)])
def test_the_trunk_is_carried_to_any_head(before: Task, task: Task, family: Family) -> None:
    if task == before:
        return
    start = usual(before, family)
    graph, weights, notes = begin(task, LABELS[task], start, size=SIZES[task])
    tasks.check(graph, task)
    assert graph.arrays == {name: array.shape for name, array in weights.items()}
    assert graph.image.fit == HEADS[USUAL[task]].fit
    picture = np.random.default_rng(0).integers(0, 256, graph.input.shape, np.uint8)
    stage = "block13" if task == "segment" or before == "segment" else "block17"
    trunk = start.graph.resized(*graph.input.shape[:2]).until(stage)
    ours = graph.until(stage)
    was, now = (
        reference.run(g, w, picture)[ours.output.name]
        for g, w in ((trunk, start.weights), (ours, weights))
    )
    np.testing.assert_array_equal(now, was)
    fresh = [op for op in graph.ops if isinstance(op, Conv) and op.name.startswith(("aspp", "up"))]
    assert all(op.norm for op in fresh)  # a new head learns with norms, even on a folded trunk
    assert "new" in notes[1]


def test_v1_and_ablated_trunks_are_recognised() -> None:
    start = model(mobilenet_v1(0.5, 64, classes=3), "classify")
    graph, weights, _ = begin("detect", ("a",), start, size=96)
    assert graph["block13_project"].shape[2] == 512
    np.testing.assert_array_equal(weights["block13_project.weight"],
                                  start.weights["block13_project.weight"])  # fmt: skip
    for ablation in (Ablation(linear=False), Ablation(shortcut="none"),
                     Ablation(shortcut="expansion"), Ablation(expansion=3)):  # fmt: skip
        one = mobilenet_v2(0.5, 64, classes=3, ablation=ablation)
        two = begin("segment", ("a", "b"), model(one, "classify"), size=65)[0]
        drawn = mobilenet_v2(0.5, 65, "deeplab", 2, ablation=ablation)
        assert [op.name for op in two.ops] == [op.name for op in drawn.ops]
        assert [getattr(op, "act", 0) for op in two.ops] == [
            getattr(op, "act", 0) for op in drawn.ops
        ]


def test_a_trunk_of_another_shape_is_refused_in_one_sentence() -> None:
    start = usual("classify")
    odd = start.graph.until("block05")
    with pytest.raises(ValueError, match="cannot be given another head"):
        recognised(odd)
    with pytest.raises(ValueError, match="cannot be given another head"):
        begin("detect", ("a",), model(odd, "classify"))


def test_another_head_of_the_same_task_keeps_what_it_can() -> None:
    start = usual("segment")
    graph, weights, _ = begin("segment", LABELS["segment"], start, head="deeplab-aspp", size=65)
    assert "aspp3" in {op.name for op in graph.ops}
    np.testing.assert_array_equal(weights["aspp0.weight"], start.weights["aspp0.weight"])
    same, kept, _ = begin("segment", LABELS["segment"], start, head="deeplab")
    assert same.arrays == start.graph.arrays
    np.testing.assert_array_equal(kept["logits.weight"], start.weights["logits.weight"])


def test_a_segmenter_can_be_asked_for_another_stride() -> None:
    start = usual("segment", PAPER)
    graph, _, _ = begin("segment", LABELS["segment"], start, output_stride=8)
    assert graph["block17"].shape[:2] == (9, 9) and start.graph["block17"].shape[:2] == (5, 5)
    drawn = mobilenet_v2(0.35, 65, "deeplab", 4, output_stride=8)
    assert graph.until("block17") == drawn.until("block17").map(
        lambda op: Conv(**{**op.__dict__, "norm": PAPER.norm}) if isinstance(op, Conv) else op
    )


def test_an_embedding_learns_on_as_many_identities_as_there_are() -> None:
    bare = model(mobilenet_v2(0.35, 64, "embedding"), "embed")
    graph, weights, _ = begin("embed", [str(n) for n in range(9)], bare)
    assert [t.shape for t in graph.outputs] == [(1, 1, 1280), (1, 1, 9)]
    assert np.abs(weights["identities.weight"]).max() < 0.01
    assert begin("embed", (), usual("embed"))[0].outputs[1:] == ()


def test_a_depthwise_deconvolution_begins_by_enlarging_smoothly() -> None:
    graph, weights, _ = begin("pose", LABELS["pose"], width=0.1, size=64)
    (op,) = (op for op in graph.ops if op.name == "up3_filter")
    assert isinstance(op, Deconv)
    kernel = torch.from_numpy(weights["up3_filter.weight"][:1]).permute(0, 3, 1, 2)
    ramp = torch.arange(8.0)[:, None] + 3 * torch.arange(8.0)
    twice = functional.conv_transpose2d(ramp[None, None], kernel, stride=2, padding=1)
    wanted = functional.interpolate(ramp[None, None], scale_factor=2, mode="bilinear")
    torch.testing.assert_close(twice[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])
