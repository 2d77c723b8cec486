"""What does one step change?  The weights, their moving average, the optimizer: no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from spindle.model import tasks
from spindle.model.answers import Detect
from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.ops import Conv, Op
from spindle.model.weights import Model, Weights
from spindle.training import machines
from spindle.training.aware import settled
from spindle.training.losses import Tensors, distil, learnt, loss_for, named
from spindle.training.machines import Machine
from spindle.training.mixing import vary
from spindle.training.network import Network
from spindle.training.norms import norms, norms_of, re_estimate
from spindle.training.optimizers import frozen, groups, optimizer, rate_at, set_rate, sharpened
from spindle.training.recipe import Recipe, mixing

Batch = tuple[Tensor, Tensors]
FEW = 12  # values: of fewer than these a batch norm learns noise
# a norm's average must have seen the end of a short run, whatever its family's habit
QUICK_NORM = 20


class Learner:
    """A network that is being taught on one machine of several."""

    def __init__(
        self,
        graph: Graph,
        weights: Weights,
        task: Task,
        recipe: Recipe,
        machine: Machine,
        steps: int,
        teacher: Model | None = None,
    ):
        self.task, self.recipe, self.machine = task, recipe, machine
        self.steps, self.done, self.mixing = steps, 0, mixing(recipe)
        graph = graph.map(lambda op: dropping(op, recipe.drop))
        last = tasks.deciding(graph)
        self.score = last.score if isinstance(last, Detect) else "softmax"
        self.loss = loss_for(
            graph, task, smoothing=recipe.smoothing, balance=recipe.balance, across=machine.across
        )
        self.network = Network(learnt(graph, task), weights).to(machine.device)
        self.still = unlearnt(self.network, recipe, machine.world)
        momentum = min(0.1, QUICK_NORM / (steps * recipe.epochs))
        for norm in norms(self.network):
            norm.momentum = max(norm.momentum or 0.0, momentum)
        if machine.world > 1:
            machines.shared(self.network)
        made = groups(
            self.network, recipe.rate, recipe.decay, recipe.trunk_rate, recipe.block_rate,
            recipe.freeze,
        )  # fmt: skip
        self.optimizer = optimizer(recipe.optimizer, made, recipe.momentum)
        self.module: nn.Module = self.network
        if machine.world > 1:
            self.module = DistributedDataParallel(self.network)
        self.average = {
            name: value.detach().clone()
            for name, value in self.network.state_dict().items()
            if recipe.average and value.is_floating_point()
        }
        self.teacher = taught_by(teacher, self.network.graph, task, machine) if teacher else None

    @property
    def rate(self) -> float:
        """The learning rate of the step that comes next."""
        recipe = self.recipe
        share = rate_at(
            self.done, self.steps * recipe.epochs, round(recipe.warmup * self.steps),
            recipe.schedule, recipe.rate_decay, self.steps,
        )  # fmt: skip
        return recipe.rate * share

    def step(self, batches: list[Batch]) -> float:
        """Moves the weights once; the mean loss of the batches, which must be a number."""
        self.network.train()
        for norm in norms_of(self.network, self.still):
            norm.eval()
        set_rate(self.optimizer, self.rate)
        self.optimizer.zero_grad(set_to_none=True)
        if self.recipe.sharpness:
            loss = sharpened(self.network, lambda: self._gradients(batches), self.recipe.sharpness)
        else:
            loss = self._gradients(batches)
        value = float(self.machine.across(loss))  # what all of them together have lost
        if not isfinite(value):
            raise ValueError(
                f"the loss is {value} in step {self.done + 1}, so nothing more can be learnt; "
                f"the last good state is kept: try a lower --rate or --clip 1 with another --out"
            )
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.done += 1
        self._average()
        return value

    def _gradients(self, batches: list[Batch]) -> Tensor:
        total = torch.zeros((), device=self.machine.device)
        for number, batch in enumerate(batches):
            last = number + 1 == len(batches)
            alone = isinstance(self.module, DistributedDataParallel) and not last
            with self.module.no_sync() if alone else nullcontext():  # type: ignore[operator]
                loss = self._loss(batch, number) / len(batches)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _loss(self, batch: Batch, number: int) -> Tensor:
        recipe, device = self.recipe, self.machine.device
        lot = (recipe.seed * 1_000_003 + self.done) * recipe.accumulate + number
        lot = lot * self.machine.world + self.machine.rank
        torch.manual_seed(lot)  # of dropout: the same whether the run was stopped before or not
        pixels, truth = batch
        mix = vary(pixels.to(device, non_blocking=True), self.mixing, self.task, lot)
        if recipe.mixup or recipe.cutmix:
            truth = truth | {"partner": mix.partner, "share": mix.share}
        bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and device.type == "cuda")
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            outputs = named(self.module(mix.batch), self.task)
        loss, _ = self.loss(outputs, truth)
        if self.teacher:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                wanted = named(self.teacher(mix.batch), self.task)
            lesson = distil(outputs, wanted, self.task, recipe.temperature, self.score)
            loss = (1 - recipe.teaching) * loss + recipe.teaching * lesson
        return loss

    def _average(self) -> None:
        """The moving average; early steps, when it knows little, count for more."""
        if self.average:
            state = self.network.state_dict()
            keep = min(self.recipe.average, (1 + self.done) / (10 + self.done))
            torch._foreach_lerp_(
                list(self.average.values()), [state[name] for name in self.average], 1 - keep
            )

    def weights(self, pictures: Callable[[], Iterable[Tensor]] | None = None) -> Weights:
        """What has been learnt, as a model file holds it; norms counted anew over pictures."""
        network = Network(self.network.graph, self.network.weights())
        network.load_state_dict(network.state_dict() | self.average)
        if pictures:
            device = self.machine.device
            re_estimate(network.to(device), (p.to(device) for p in pictures()), self.still)
        return settled(network.graph, network.weights())

    def state(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.done = state["done"]
        self.network.load_state_dict(state["network"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])


def dropping(op: Op, drop: float) -> Op:
    """A convolution that drops inputs, with another share of them; below 0 its own."""
    return replace(op, drop=drop) if isinstance(op, Conv) and op.drop and drop >= 0 else op


def unlearnt(network: Network, recipe: Recipe, world: int) -> list[str]:
    """The ops whose norms keep their statistics while learning.

    Those of frozen ops do, and unless all are to learn, those to which a batch shows few values.
    """
    still = set(frozen(network.graph, recipe.freeze))
    found = []
    for op in network.graph.ops:
        height, width, _ = op.output.shape
        values = recipe.batch * world * height * width
        few = values < FEW and recipe.norms == "auto"
        if op.name in still or few or recipe.norms == "frozen":
            found.append(op.name)
        elif op.statistics and values < 2:
            raise ValueError(
                "a batch of one cannot teach batch norm at this size: say --batch 2 or more, "
                "a larger --size, or --norms frozen"
            )
    return found


def taught_by(teacher: Model, graph: Graph, task: Task, machine: Machine) -> Network:
    """The teacher, made to look at the learner's pictures; it must answer in the same form."""
    height, width, _ = graph.input.shape
    whole = learnt(teacher.graph.resized(height, width), task)
    ours, theirs = ([t.shape for t in g.outputs] for g in (graph, whole))
    if teacher.task != task or ours[: len(theirs)] != theirs:  # identities are one's own
        raise ValueError(
            f"this teacher answers in another form: {theirs} where {ours} is learnt; "
            f"it must have been taught the same task and classes"
        )
    network = Network(whole, teacher.weights).to(machine.device).eval()
    return network.requires_grad_(False)
