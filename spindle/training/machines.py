"""Which of how many machines is this, and what do all of them know together?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


@dataclass(frozen=True)
class Machine:
    """One process of a run; torchrun starts as many as there are."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """The one that writes and speaks."""
        return self.rank == 0

    def gathered(self, text: str) -> list[str]:
        """What each machine says, in the order of their ranks."""
        texts = [text] * self.world
        if self.world > 1:
            distributed.all_gather_object(texts, text)
        return texts

    def agreed(self, flag: bool, step: int) -> bool:
        """Whether any machine says so; several ask each other every tenth step only."""
        if self.world == 1:
            return flag
        if step % 10:
            return False
        said = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(said)
        return bool(said)

    def across(self, count: Tensor) -> Tensor:
        """The mean of all machines' counts."""
        if self.world > 1:
            count = count.clone()
            distributed.all_reduce(count)
        return count / self.world


@contextmanager
def joined(device: str = "auto") -> Iterator[Machine]:
    """This process among those that torchrun has started, or by itself."""
    rank, world = (int(os.environ.get(name, usual)) for name, usual in RANKS)
    place = chosen(device, int(os.environ.get("LOCAL_RANK", rank)))
    if world == 1:
        yield Machine(place)
        return
    if place.type == "cuda":
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Machine(place, rank, world)
    finally:
        distributed.destroy_process_group()


RANKS = (("RANK", "0"), ("WORLD_SIZE", "1"))


def chosen(device: str, local: int) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"there is no device {device!r} here: {str(error).splitlines()[0]}"
        ) from None
    return torch.device(place.type, local) if place.type == "cuda" else place


class SharedNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all machines, as if they were one."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            counted: Tensor = super().forward(input)
            return counted
        x: Tensor = input.float()
        world = distributed.get_world_size()
        means = x.mean((0, 2, 3))
        own = torch.stack([means, x.var((0, 2, 3), correction=0), means.square()])
        whole: Tensor = all_reduce(own)  # type: ignore[no-untyped-call]
        mean, inside, squares = whole / world
        var = inside + squares - mean.square()
        scale = self.weight * (var + self.eps).rsqrt()
        self._count(mean, var, x.numel() // len(mean) * world)
        made: Tensor = x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
        return made.to(input.dtype)

    @torch.no_grad()
    def _count(self, mean: Tensor, var: Tensor, number: int) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (number / max(number - 1, 1)), self.momentum)


def shared(network: nn.Module) -> None:
    """Every batch norm of the network made one of all machines; its numbers stay its own."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                assert child.momentum is not None
                norm = SharedNorm(child.num_features, child.eps, child.momentum)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm)
