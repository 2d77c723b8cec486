"""Optimizers: TensorFlow's rule in numpy, torch's own schedules, and what may not move stays."""

from __future__ import annotations

import copy
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import lr_scheduler

from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.training.network import Network
from spindle.training.optimizers import (
    Kind,
    Name,
    RMSpropTF,
    climb,
    descend,
    frozen,
    groups,
    optimizer,
    rate_at,
    set_rate,
    sharpened,
)

GRAPH = mobilenet_v2(0.1, 32, classes=3)


@settings(max_examples=30)
@given(
    st.integers(0, 10**6), st.floats(1e-4, 0.1), st.floats(0.5, 0.99), st.floats(0, 0.95),
    st.sampled_from([1.0, 1e-3]), st.sampled_from([0.0, 4e-5, 0.1]),
)  # fmt: skip
def test_rmsprop_is_tensorflow_s(
    seed: int, rate: float, alpha: float, momentum: float, eps: float, decay: float
) -> None:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=shape) for shape in ((3, 2), (4,))]
    ours = [torch.tensor(w, requires_grad=True) for w in weights]
    rule = RMSpropTF(ours, rate, alpha, momentum, eps, decay)
    squares, moves = [np.ones_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    for _ in range(5):
        grads = [rng.normal(size=w.shape) for w in weights]
        for tensor, grad in zip(ours, grads, strict=True):
            tensor.grad = torch.tensor(grad)
        rule.step()
        for i, grad in enumerate(grads):
            grad = grad + decay * weights[i]
            squares[i] = alpha * squares[i] + (1 - alpha) * grad**2
            moves[i] = momentum * moves[i] + rate * grad / np.sqrt(squares[i] + eps)
            weights[i] = weights[i] - moves[i]
    for tensor, judge in zip(ours, weights, strict=True):
        assert np.allclose(tensor.detach().numpy(), judge, rtol=1e-10, atol=1e-12)


def test_rmsprop_leaves_alone_what_has_no_gradient() -> None:
    weights = [torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)]
    weights[0].grad = torch.ones(2)
    RMSpropTF(weights, 0.1, weight_decay=0.1).step()
    assert not torch.equal(weights[0], torch.ones(2)) and torch.equal(weights[1], torch.ones(2))


def steps(network: Network, rule: torch.optim.Optimizer, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        pictures = torch.rand(2, 3, 32, 32, generator=generator) * 255
        rule.zero_grad()
        network(pictures).square().sum().backward()
        rule.step()


@pytest.mark.parametrize("name", get_args(Name))
def test_every_optimizer_goes_on_to_the_bit(name: Name) -> None:
    torch.manual_seed(0)
    network = Network(GRAPH.until("head"))
    rule = optimizer(name, groups(network, 1e-3, 1e-2, 0.5))
    before = copy.deepcopy(network.state_dict())
    steps(network, rule, 2, 0)
    assert any(not torch.equal(before[key], value) for key, value in network.state_dict().items())
    again = Network(GRAPH.until("head"))
    again.load_state_dict(network.state_dict())
    other = optimizer(name, groups(again, 1.0, 0.5, 0.1))
    other.load_state_dict(copy.deepcopy(rule.state_dict()))
    steps(network, rule, 2, 1)
    steps(again, other, 2, 1)
    for key, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_an_optimizer_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no optimizer 'lion'"):
        optimizer("lion", groups(Network(GRAPH), 1.0))  # type: ignore[arg-type]


def names(network: Network, made: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Of every weight that learns its rate and its decay; none stands in two groups."""
    of = {id(weight): name for name, weight in network.named_parameters()}
    found = [(of[id(w)], (g["lr"], g["weight_decay"])) for g in made for w in g["params"]]
    assert len(found) == len(dict(found))
    return dict(found)


def test_norms_and_biases_do_not_decay_and_the_trunk_is_slower() -> None:
    network = Network(mobilenet_v2(0.1, 64, "ssdlite", 3))
    found = names(network, groups(network, 1.0, decay=0.1, trunk_rate=0.5, block_rate=0.9))
    assert found.keys() == dict(network.named_parameters()).keys()
    for name, (rate, decay) in found.items():
        assert decay == (0.1 if name.endswith("conv.weight") else 0.0), name
        assert (rate == 1.0) == (not name.startswith(("stem", "block", "head"))), name
    assert found["head.conv.weight"][0] == 0.5
    assert found["block17_project.conv.weight"][0] == pytest.approx(0.45)
    assert found["block17_expand.norm.bias"][0] == pytest.approx(0.45)
    assert found["stem.conv.weight"][0] == pytest.approx(0.5 * 0.9**18)


def test_what_is_frozen_has_no_part_in_it() -> None:
    network = Network(GRAPH)
    every = dict(network.named_parameters())
    still = frozen(GRAPH, "block02")
    assert still == (
        "stem", "block01_filter", "block01_project", "block01_add",
        "block02_expand", "block02_filter", "block02_project",
    )  # fmt: skip
    found = names(network, groups(network, 1.0, until="block02"))
    for name, weight in every.items():
        learns = name.split(".")[0] not in still
        assert weight.requires_grad == learns == (name in found), name
    assert names(network, groups(network, 1.0)).keys() == every.keys()  # thawed again
    head = names(network, groups(network, 1.0, until="trunk"))
    assert head.keys() == {"logits.conv.weight", "logits.conv.bias"}
    v1 = mobilenet_v1(0.1, 32, classes=3)
    assert frozen(v1, "trunk") == frozen(v1, "block13")
    assert len(frozen(v1, "trunk")) == 27 and frozen(v1, "") == ()


def test_a_stage_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot freeze up to 'block18': choose one of stem, blo"):
        frozen(GRAPH, "block18")
    with pytest.raises(ValueError, match="nothing of this network is left"):
        groups(Network(GRAPH.until("head")), 1.0, until="trunk")


def test_every_group_takes_its_share_of_the_rate() -> None:
    rule = optimizer("sgd", groups(Network(GRAPH), 1.0, 0.1, trunk_rate=0.25))
    set_rate(rule, 0.4)
    assert {group["lr"] for group in rule.param_groups} == {0.1, 0.4}


def torch_s(kind: Kind, total: int) -> list[float]:
    """The rates that torch's own scheduler gives."""
    rule = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    schedule: Any = {
        "constant": lambda: lr_scheduler.ConstantLR(rule, 1.0),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(rule, total),
        "poly": lambda: lr_scheduler.PolynomialLR(rule, total, 0.9),
        "exponential": lambda: lr_scheduler.StepLR(rule, 7, 0.98),
        "onecycle": lambda: lr_scheduler.OneCycleLR(rule, 1.0, total, cycle_momentum=False),
    }[kind]()  # type: ignore[no-untyped-call]
    rates = []
    for _ in range(total):
        rates.append(float(rule.param_groups[0]["lr"]))
        rule.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("total", [10, 47, 200])
def test_schedules_are_torch_s(kind: Kind, total: int) -> None:
    ours = [rate_at(step, total, 0, kind, epoch=7) for step in range(total)]
    assert np.allclose(ours, torch_s(kind, total), atol=1e-9)


@given(st.sampled_from(get_args(Kind)), st.integers(1, 60), st.integers(0, 60), st.integers(1, 10))
def test_rates_rise_then_fall_and_never_leave_their_range(
    kind: Kind, total: int, warmup: int, epoch: int
) -> None:
    rates = [rate_at(step, total, warmup, kind, epoch=epoch) for step in range(total)]
    assert all(0 <= rate <= 1 for rate in rates) and rates[0] > 0
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if 0 < warmup <= total:
        assert rates[warmup - 1] == pytest.approx(1.0) and kind
        assert kind == "onecycle" or rates[0] == pytest.approx(1 / warmup)


def test_a_schedule_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no schedule 'saw'"):
        rate_at(0, 10, 0, "saw")  # type: ignore[arg-type]


def test_sharpness_is_the_gradient_from_a_step_uphill() -> None:
    """Of x' A x / 2 the gradient is A x: uphill it is A (x + radius A x / |A x|)."""
    a = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    bowl = nn.Linear(2, 1, bias=False)
    start = bowl.weight.detach().clone()

    def closure() -> Tensor:
        x = bowl.weight[0]
        loss = x @ a @ x / 2
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    bowl.weight.grad = torch.full_like(start, 7.0)  # of no account
    loss = sharpened(bowl, closure, 0.5)
    slope = a @ start[0]
    wanted = a @ (start[0] + 0.5 * slope / slope.norm())
    assert torch.equal(bowl.weight, start)
    assert bowl.weight.grad is not None and torch.allclose(bowl.weight.grad[0], wanted)
    assert torch.isclose(loss, start[0] @ a @ start[0] / 2)


def test_climbing_goes_as_far_as_it_is_told_and_back_to_the_bit() -> None:
    network = Network(GRAPH)
    before = copy.deepcopy(network.state_dict())
    weights = list(network.parameters())
    assert climb(weights, 1.0) == []
    generator = torch.Generator().manual_seed(0)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)
    kept = climb(weights, 0.05)
    moved = torch.stack([(w.detach() - old).norm() for w, old in kept]).norm()
    assert float(moved) == pytest.approx(0.05, rel=1e-3)
    descend(kept)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_second_look_counts_in_no_norm() -> None:
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 255
    once, twice = (Network(GRAPH.until("head")).train() for _ in range(2))
    once(pictures)

    def closure() -> Tensor:
        loss: Tensor = twice(pictures).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    sharpened(twice, closure, 0.1)
    for name, array in once.weights().items():
        assert np.array_equal(array, twice.weights()[name]), name
    assert twice.get_submodule("head.norm").momentum == 0.003
