"""Losses: small when right, dear when wrong, and a handful of pictures is learnt by heart."""

from __future__ import annotations

from math import exp, log, pi
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spindle.data.samples import VOID
from spindle.data.synthetic import scene
from spindle.model.answers import Softmax
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import TORCH, Builder, Graph
from spindle.model.heads import HEADS, Task
from spindle.training import losses
from spindle.training.losses import collate, distil, learnt, loss_for, named
from spindle.training.network import Network, peaks

SIDE = 64
CLASSES = {"classify": 3, "detect": 3, "segment": 4, "pose": 2, "embed": 2}
TASKS: list[tuple[str, Task]] = [(name, head.task) for name, head in HEADS.items()]
ONE_EACH = [pair for pair in TASKS if pair[0] not in ("ssd", "deeplab-aspp", "pose")]
Truth = dict[str, Any]


def drawn(head: str, width: float = 0.1, classes: int | None = None) -> Graph:
    usual = CLASSES[HEADS[head].task]
    return mobilenet_v2(width, SIDE, head, usual if classes is None else classes, family=TORCH)


def lessons(task: Task, count: int = 4) -> tuple[Tensor, list[Truth]]:
    """Drawn pictures with the truth about them; the middle of a shape is its first point."""
    scenes = [scene(seed, SIDE, SIDE, most=1) for seed in range(count)]
    truths: list[Truth] = []
    for seed, one in enumerate(scenes):
        shape = one.shapes[0]
        box = np.array([shape.left, shape.top, shape.right, shape.bottom], np.float32) / SIDE
        corner, kind = box[:2], np.array([shape.kind])
        truth: dict[Task, Truth] = {
            "classify": {"kind": kind[0]},
            "detect": {"boxes": box[None], "kinds": kind, "ignored": np.zeros(1, bool)},
            "segment": {"mask": one.mask},
            "pose": {"points": np.array([[*(corner + box[2:]) / 2, 2], [*corner, 1]], "f4")},
            "embed": {"kind": np.int64(seed % 2)},
        }
        truths.append(truth[task])
    return torch.from_numpy(np.stack([one.picture.transpose(2, 0, 1) for one in scenes])), truths


@pytest.mark.parametrize(("head", "task"), TASKS)
@pytest.mark.parametrize("draw", [mobilenet_v1, mobilenet_v2])
def test_what_is_learnt_on_is_all_the_weights_there_are(head: str, task: Task, draw: type) -> None:
    whole = draw(0.1, SIDE, head, CLASSES[task])
    cut = learnt(whole, task)
    assert cut.arrays == whole.arrays
    wanted = {
        "classify": ["logits"], "detect": ["boxes", "classes"], "segment": ["logits_full"],
        "pose": ["heatmaps"], "embed": ["pool", "embedding", "identities"],
    }  # fmt: skip
    assert [tensor.name for tensor in cut.outputs] == wanted[task]


def test_it_is_found_by_what_ops_do_not_by_their_names() -> None:
    g = Builder((SIDE, SIDE))
    x = g.mean(g.conv(g.image, "first", 8, kernel=3, stride=8), "middle")
    last = g.conv(x, "answer", 5, act=None, norm=None)
    assert learnt(g.graph(last), "classify").output.name == "answer"
    assert learnt(g.graph(g.add(Softmax("shares", (last,)))), "classify").output.name == "answer"
    assert [t.name for t in learnt(g.graph(x), "embed").outputs] == ["middle", "middle"]
    with pytest.raises(ValueError, match="the task of this model is pose, but its answer is Conv"):
        learnt(g.graph(last), "pose")


@pytest.mark.parametrize(("head", "task"), TASKS)
def test_every_weight_gets_a_gradient(head: str, task: Task) -> None:
    pictures, truths = lessons(task)
    graph = drawn(head)
    network = Network(learnt(graph, task)).train()
    total, parts = loss_for(graph, task)(named(network(pictures), task), truths)
    total.backward()  # type: ignore[no-untyped-call]
    assert torch.isclose(total, torch.stack(list(parts.values())).sum())
    assert not any(part.requires_grad for part in parts.values())
    grads = {name: weight.grad for name, weight in network.named_parameters()}
    still = [name for name, grad in grads.items() if grad is None or not grad.any()]
    assert all(grads[name] is not None for name in still)
    assert all(name.startswith(("boxes", "extra")) for name in still if name.endswith("weight"))


@pytest.mark.parametrize(
    ("head", "steps", "rate"),
    [
        ("classifier", 20, 2e-3), ("ssdlite", 50, 5e-3), ("deeplab", 40, 5e-3),
        ("pose-light", 40, 2e-3), ("embedding", 30, 5e-3),
    ],
)  # fmt: skip
def test_a_handful_is_learnt_by_heart(head: str, steps: int, rate: float) -> None:
    """And the whole network, reading what was learnt, gives the right answers."""
    task = HEADS[head].task
    graph = drawn(head, 0.35)
    pictures, truths = lessons(task)
    loss, truth = loss_for(graph, task), collate(truths)
    torch.manual_seed(0)
    network = Network(learnt(graph, task)).train()
    optimizer = torch.optim.AdamW(network.parameters(), rate)
    for _ in range(steps):
        optimizer.zero_grad()
        total, _ = loss(named(network(pictures), task), truth)
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    reading = Network(graph, network.weights()).train()  # its norms see the batch, and no other
    for module in reading.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    judge(task, reading(pictures), truth)


def judge(task: Task, made: Any, truth: dict[str, Tensor]) -> None:
    match task:
        case "classify":
            assert made.flatten(1).argmax(1).tolist() == truth["kind"].tolist()
        case "detect":
            first = made[..., 0, 0]  # of each picture the surest row
            assert first[:, 5].tolist() == truth["kinds"][:, 0].tolist()
            assert (first[:, :4] - truth["boxes"][:, 0]).abs().max() < 0.08
        case "segment":
            assert (made[:, 0] == truth["mask"]).float().mean() > 0.9
        case "pose":
            off = made[:, :2, :, 0].mT - truth["points"][..., :2]
            assert off.abs().max() < 1.5 / 16  # pixels of a heatmap
        case "embed":
            vectors = made[0].flatten(1)
            assert made[1].flatten(1).argmax(1).tolist() == truth["kind"].tolist()
            near = vectors @ vectors.T
            assert near[0, 2] > near[0, 1] and near[1, 3] > near[1, 2]


def test_mixed_pictures_cost_what_they_are_made_of() -> None:
    graph = drawn("classifier")
    logits = torch.randn(3, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    kinds = torch.tensor([0, 1, 2])
    truth = {"kind": kinds, "partner": kinds.flip(0), "share": torch.tensor([0.7, 1.0, 0.4])}
    soft = nn.functional.one_hot(kinds, 3) * truth["share"][:, None]
    soft = soft + nn.functional.one_hot(kinds.flip(0), 3) * (1 - truth["share"][:, None])
    ours, _ = loss_for(graph, "classify")({"logits": logits}, truth)
    assert torch.isclose(ours, nn.CrossEntropyLoss()(logits.flatten(1), soft))


def test_smoothing_is_spread_over_all_classes() -> None:
    ours, _ = loss_for(drawn("classifier"), "classify", smoothing=0.3)(
        {"logits": torch.tensor([[2.0, 0.0, -1.0]])[..., None, None]}, {"kind": torch.tensor([0])}
    )
    whole = log(exp(2) + 1 + exp(-1))
    assert float(ours) == pytest.approx(0.8 * (whole - 2) + 0.1 * whole + 0.1 * (whole + 1), 1e-5)


def test_what_nobody_judges_costs_nothing() -> None:
    loss = loss_for(drawn("deeplab"), "segment")
    logits = torch.randn(1, 4, 8, 8)
    mask = torch.randint(0, 4, (1, 8, 8)).to(torch.uint8)
    half, other = mask.clone(), logits.clone()
    half[:, 4:] = VOID
    other[..., 4:, :] += 100 * torch.randn(1, 4, 4, 8)
    judge = nn.functional.cross_entropy(logits[..., :4, :], mask[:, :4].long())
    assert torch.isclose(loss({"logits": logits}, {"mask": half})[0], judge)
    assert torch.isclose(loss({"logits": other}, {"mask": half})[0], judge)
    half[half == VOID] = 11  # a number without a class, as CamVid's twelfth
    assert torch.isclose(loss({"logits": logits}, {"mask": half})[0], judge)
    assert float(loss({"logits": logits}, {"mask": torch.full_like(mask, VOID)})[0]) == 0
    kinds = {"kind": torch.tensor([-1, 1])}
    said = torch.tensor([[9.0, 0, 0], [0, 9, 0]])[..., None, None]
    answers = {"logits": said, "identities": said, "pooled": said}
    assert float(loss_for(drawn("classifier"), "classify")(answers, kinds)[0]) < 1e-3
    assert float(loss_for(drawn("embedding"), "embed")(answers, kinds)[0]) < 1e-3


@given(*[st.integers(3, 40)] * 2, *[st.floats(0, 0.999)] * 2, st.floats(0.5, 4))
def test_a_hill_is_read_where_it_was_drawn(
    height: int, width: int, x: float, y: float, sigma: float
) -> None:
    points = torch.tensor([[[x, y, 2.0]]])
    hill = losses.hills(points, height, width, sigma)
    at_x, at_y, top = peaks(hill)[0, :, 0, 0].tolist()
    assert abs(at_x - x) * width <= 0.5 + 1e-3 and abs(at_y - y) * height <= 0.5 + 1e-3
    inside = 1 <= x * width < width - 1 and 1 <= y * height < height - 1
    if inside:  # where a pixel has two neighbours, the quarter halves the error
        assert abs(at_x - x) * width <= 0.2501 and abs(at_y - y) * height <= 0.2501
    assert 0.3 < top <= 1


def test_only_points_that_are_known_and_inside_weigh() -> None:
    loss = loss_for(drawn("pose"), "pose")
    points = np.array([[0.3, 0.4, 2], [0.5, 0.5, 0], [1.2, 0.5, 2], [0.1, 0.9, 1]], np.float32)
    heat = losses.hills(torch.from_numpy(points[None]), 16, 12, losses.NARROWEST)
    assert float(loss({"heatmaps": heat}, [{"points": points}])[0]) == 0
    for number, weighs in enumerate([True, False, False, True]):
        wrong = heat.clone()
        wrong[0, number] += 0.5
        cost = float(loss({"heatmaps": wrong}, [{"points": points}])[0])
        assert cost == pytest.approx(
            0.25 * 16 * 12 / (pi * losses.NARROWEST**2) / 2 if weighs else 0
        )


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_triplets_are_those_of_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, kinds = rng.normal(size=(9, 4)).astype(np.float32), rng.integers(-1, 4, 9)
    costs = []
    for i in range(9):
        own = [j for j in range(9) if j != i and kinds[j] == kinds[i]]
        strange = [j for j in range(9) if kinds[j] not in (-1, kinds[i])]
        if kinds[i] >= 0 and own and strange:
            far = max(float(np.linalg.norm(vectors[i] - vectors[j])) for j in own)
            near = min(float(np.linalg.norm(vectors[i] - vectors[j])) for j in strange)
            costs.append(log(1 + exp(far - near)))
    tensor = torch.from_numpy(vectors).requires_grad_()
    ours = losses.triplet(tensor, torch.from_numpy(kinds))
    ours.backward()  # type: ignore[no-untyped-call]
    assert ours.item() == pytest.approx(sum(costs) / max(len(costs), 1), rel=1e-4)
    assert tensor.grad is not None and tensor.grad.isfinite().all()


def test_without_identities_triplets_teach_alone() -> None:
    pictures, truths = lessons("embed")
    graph = drawn("embedding", classes=0)
    network = Network(learnt(graph, "embed")).train()
    total, parts = loss_for(graph, "embed")(named(network(pictures), "embed"), truths)
    total.backward()  # type: ignore[no-untyped-call]
    assert float(parts["identity"]) == 0 and torch.isclose(total, parts["triplet"])
    assert all(weight.grad is not None for weight in network.parameters())
    pairs = torch.tensor([[0.0, 0], [9, 9], [0, 0], [9, 9]])[..., None, None]
    kinds = {"kind": torch.tensor([0, 1, 0, 1])}
    loss = loss_for(graph, "embed")
    right, _ = loss({"pooled": pairs, "embedding": pairs}, kinds)
    wrong, _ = loss({"pooled": pairs[[0, 0, 1, 1]], "embedding": pairs}, kinds)
    assert float(right) < 1e-4 and float(wrong) > 9


def test_two_machines_cost_what_one_does_with_both_their_batches() -> None:
    """The mean of the parts' gradients, once each knows how many things the other has."""
    graph = drawn("ssdlite")
    _, truths = lessons("detect", 2)
    truths[1] = {key: np.concatenate([value] * 2) for key, value in truths[1].items()}
    truths[1]["boxes"] = truths[1]["boxes"] * np.array([[1], [0.5]], np.float32)
    generator = torch.Generator().manual_seed(0)
    shape = (2, 4, graph["boxes"].shape[0], 1)
    outputs = {role: torch.randn(shape, generator=generator) for role in ("boxes", "classes")}
    whole, _ = loss_for(graph, "detect")(outputs, truths)
    counts: list[Tensor] = []

    def note(count: Tensor) -> Tensor:
        counts.append(count)
        return count

    halves = [{role: x[i : i + 1] for role, x in outputs.items()} for i in (0, 1)]
    parts = list(zip(halves, (truths[:1], truths[1:]), strict=True))
    for one in parts:
        loss_for(graph, "detect", across=note)(*one)
    mean = (counts[0] + counts[2]) / 2
    shared = [loss_for(graph, "detect", across=lambda _: mean)(*one)[0] for one in parts]
    assert counts[0] != counts[2]
    assert torch.isclose(whole, (shared[0] + shared[1]) / 2)


@pytest.mark.parametrize(("head", "task"), ONE_EACH)
def test_costs_are_float32_inside_autocast(head: str, task: Task) -> None:
    pictures, truths = lessons(task)
    graph = drawn(head)
    network = Network(learnt(graph, task)).train()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = named(network(pictures), task)
        within, parts = loss_for(graph, task)(outputs, truths)
    without, _ = loss_for(graph, task)(outputs, truths)
    assert within.dtype == torch.float32 and within == without
    assert all(part.dtype == torch.float32 for part in parts.values())


@pytest.mark.parametrize(("head", "task"), ONE_EACH)
def test_a_teacher_is_followed(head: str, task: Task) -> None:
    pictures, _ = lessons(task)
    graph = learnt(drawn(head), task)
    network, teacher = (Network(graph, seed=seed).train() for seed in (0, 1))
    said = named(teacher(pictures), task)
    assert distil(said, said, task, 2.0).item() == pytest.approx(0, abs=1e-5)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
    costs = []
    for _ in range(4):
        cost = distil(named(network(pictures), task), said, task, 2.0)
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        costs.append(cost.item())
    assert costs[-1] < costs[0] and min(costs) >= 0
    assert all(weight.grad is None for weight in teacher.parameters())


def test_a_teacher_s_classes_are_softened() -> None:
    own, other = torch.randn(5, 7), torch.randn(5, 7)
    said = [{"logits": x[..., None, None]} for x in (own, other)]
    ours = distil(said[0], said[1], "classify", 3)
    p, q = (np.exp(x.numpy() / 3) for x in (other, own))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    assert float(ours) == pytest.approx(9 * (p * np.log(p / q)).sum(1).mean(), rel=1e-4)


@pytest.mark.parametrize("score", ["sigmoid", "softmax"])
def test_boxes_count_where_the_teacher_sees_something(score: Any) -> None:
    teacher = {"boxes": torch.zeros(1, 4, 2, 1), "classes": torch.full((1, 3, 2, 1), -20.0)}
    teacher["classes"][0, [0, 2], [0, 1]] = 20  # nothing, and a thing
    for anchor, cost in ((0, 0), (1, 4 * 2.5)):
        pupil = {role: value.clone() for role, value in teacher.items()}
        pupil["boxes"][:, :, anchor] = 3
        assert distil(pupil, teacher, "detect", 2.0, score).item() == pytest.approx(cost, abs=1e-4)
    pupil = teacher | {"classes": teacher["classes"].flip(2)}
    assert distil(pupil, teacher, "detect", 2.0, score).item() > 40


def test_a_teacher_of_other_labels_is_refused() -> None:
    own, other = {"logits": torch.zeros(1, 3, 1, 1)}, {"logits": torch.zeros(1, 4, 1, 1)}
    with pytest.raises(ValueError, match="a teacher has the same labels"):
        distil(own, other, "classify")


def test_a_batch_holds_as_many_rows_as_its_fullest_picture() -> None:
    none = {"boxes": np.zeros((0, 4), np.float32), "kinds": np.zeros(0, np.int64)}
    two = {"boxes": np.ones((2, 4), np.float32), "kinds": np.array([3, 4])}
    batch = collate([none, two])
    assert batch["boxes"].tolist() == [[[0] * 4] * 2, [[1] * 4] * 2]
    assert batch["kinds"].tolist() == [[-1, -1], [3, 4]]
    assert collate([none, none])["boxes"].shape == (2, 1, 4)
    assert collate([{"kind": np.int64(3)}, {"kind": np.int64(5)}])["kind"].tolist() == [3, 5]
