"""How do gradients move the weights: which of them, how far, and by what rule?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from math import cos, pi
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from spindle.model.graph import Graph
from spindle.training.network import Network

Name = Literal["sgd", "rmsprop", "adamw"]
Kind = Literal["constant", "cosine", "poly", "exponential", "onecycle"]
Group = dict[str, Any]
STAGE = re.compile(r"(stem|block\d+|head)(?=_|$)")  # how the ops of a trunk are called
ONECYCLE = 0.3, 25.0, 1e4  # the share that rises; how far below its height it begins; ends
POLY = 0.9  # DeepLab's power


class RMSpropTF(Optimizer):
    """RMSProp as TensorFlow has it: the mean square begins at 1, eps stands inside the root, and
    the rate is in what momentum remembers."""

    def __init__(
        self, params: Iterable[Tensor] | Iterable[Group], lr: float, alpha: float = 0.9,
        momentum: float = 0.9, eps: float = 1.0, weight_decay: float = 0.0,
    ):  # fmt: skip
        usual = {"lr": lr, "alpha": alpha, "momentum": momentum, "eps": eps}
        super().__init__(params, usual | {"weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            if params := [p for p in group["params"] if p.grad is not None]:
                self._move(group, params)

    def _move(self, group: Group, params: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] |= {"square": torch.ones_like(p), "momentum": torch.zeros_like(p)}
        squares = [self.state[p]["square"] for p in params]
        moves = [self.state[p]["momentum"] for p in params]
        grads = [p.grad for p in params if p.grad is not None]
        if group["weight_decay"]:
            grads = list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))
        torch._foreach_mul_(squares, group["alpha"])
        torch._foreach_addcmul_(squares, grads, grads, 1 - group["alpha"])
        roots = list(torch._foreach_add(squares, group["eps"]))
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(moves, group["momentum"])
        torch._foreach_addcdiv_(moves, grads, roots, group["lr"])
        torch._foreach_sub_(params, moves)


def stages(graph: Graph) -> dict[str, int]:
    """The trunk's ops, each with the number of its stage, in running order."""
    numbers: dict[str, int] = {}
    of = {op.name: match[1] for op in graph.ops if (match := STAGE.match(op.name))}
    return {name: numbers.setdefault(stage, len(numbers)) for name, stage in of.items()}


def frozen(graph: Graph, until: str) -> tuple[str, ...]:
    """The ops up to and with this stage of the trunk; "trunk" is all of it, "" nothing."""
    numbers = stages(graph)
    named = {name.split("_")[0]: number for name, number in numbers.items()}
    named |= {"": -1, "trunk": max(numbers.values(), default=-1)}
    if until not in named:
        known = ", ".join(name for name in named if name)
        raise ValueError(f"cannot freeze up to {until!r}: choose one of {known}")
    return tuple(name for name, number in numbers.items() if number <= named[until])


def groups(
    network: Network, rate: float, decay: float = 0.0, trunk_rate: float = 1.0,
    block_rate: float = 1.0, until: str = "",
) -> list[Group]:  # fmt: skip
    """What learns, and how fast: norms and biases do not decay, what is frozen learns nothing.

    `trunk_rate` is the trunk's rate as a share of the head's, `block_rate` that of each stage as a
    share of the one behind it.  Each group's "scale" is its share of the full rate.
    """
    numbers, still = stages(network.graph), frozen(network.graph, until)
    top = max(numbers.values(), default=0)
    made: dict[tuple[float, float], Group] = {}
    for op in network.graph.ops:
        scale = trunk_rate * block_rate ** (top - numbers[op.name]) if op.name in numbers else 1.0
        for weight in network.get_submodule(op.name).parameters():
            weight.requires_grad_(op.name not in still)
            if weight.requires_grad:
                own = decay if weight.ndim > 1 else 0.0
                group = {"lr": rate * scale, "weight_decay": own, "scale": scale, "params": []}
                made.setdefault((scale, own), group)["params"].append(weight)
    if not made:
        raise ValueError(f"frozen up to {until!r}, nothing of this network is left to learn")
    return list(made.values())


def optimizer(
    name: Name, groups: list[Group], momentum: float = 0.9, eps: float | None = None
) -> Optimizer:
    """A rule by its name; the rate and the decay are the groups' own."""
    rate = groups[0]["lr"]
    match name:
        case "sgd":
            return SGD(groups, rate, momentum)
        case "rmsprop":
            return RMSpropTF(groups, rate, momentum=momentum, eps=1.0 if eps is None else eps)
        case "adamw":
            return AdamW(groups, rate, eps=1e-8 if eps is None else eps)
    raise ValueError(f"there is no optimizer {name!r}: choose sgd, rmsprop or adamw")


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """The full rate from here on; each group takes its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def rate_at(
    step: int, steps: int, warmup: int = 0, kind: Kind = "cosine", decay: float = 0.98,
    epoch: float = 1.0,
) -> float:  # fmt: skip
    """The share of the full rate at a step, the first being 0, of so many.

    It rises for `warmup` steps; `decay` is the exponential's factor each `epoch` steps, all at
    once as the paper's code has it.
    """
    if kind == "onecycle":
        return onecycle(step, steps, warmup)
    if step < warmup:
        return (step + 1) / warmup
    part = min((step - warmup) / max(steps - warmup, 1), 1.0)
    match kind:
        case "constant":
            return 1.0
        case "cosine":
            return (1 + cos(pi * part)) / 2
        case "poly":
            return float((1 - part) ** POLY)
        case "exponential":
            return float(decay ** int((step - warmup) / epoch))
    raise ValueError(f"there is no schedule {kind!r}")


def onecycle(step: int, steps: int, warmup: int = 0) -> float:
    """Up and down along two half waves; the end is lower than the beginning."""
    share, low, lower = ONECYCLE
    top = (warmup or share * steps) - 1
    if step < top:
        start, end, part = 1 / low, 1.0, step / top
    else:
        start, end, part = 1.0, 1 / low / lower, min((step - top) / max(steps - 1 - top, 1), 1.0)
    return end + (start - end) * (1 + cos(pi * part)) / 2


def climb(params: Iterable[Tensor], radius: float) -> list[tuple[Tensor, Tensor]]:
    """Moves the weights uphill by this length, and gives each with what it was before."""
    learning = [(p, p.grad) for p in params if p.grad is not None]
    if not learning:
        return []
    norm = torch.stack([grad.norm() for _, grad in learning]).norm()
    kept = [(p, p.detach().clone()) for p, _ in learning]
    with torch.no_grad():
        for p, grad in learning:
            p.add_(grad * (radius / (norm + 1e-12)))
    return kept


def descend(kept: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Puts the weights back, to the bit."""
    with torch.no_grad():
        for p, before in kept:
            p.copy_(before)


def sharpened(network: nn.Module, closure: Callable[[], Tensor], radius: float) -> Tensor:
    """Sharpness-aware: the loss here, and at the same weights the gradients from a step uphill.

    `closure` computes a loss and calls backward; the gradients before are forgotten.  The second
    look counts in no norm.
    """
    network.zero_grad()
    loss = closure()
    kept = climb(network.parameters(), radius)
    network.zero_grad()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    counted = [(norm, norm.momentum) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        closure()
    finally:
        for norm, momentum in counted:
            norm.momentum = momentum
        descend(kept)
    return loss
