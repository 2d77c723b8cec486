"""Which of how many machines is this, and what do all of them know together?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

RANKS = (("RANK", "0"), ("WORLD_SIZE", "1"))  # as torchrun says them, and what one alone is


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


class Normalized(torch.autograd.Function):
    """Less the mean, over the root of the variance, where both are those of all machines."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
        scale = (var + eps).rsqrt()[:, None, None]
        made = (x - mean[:, None, None]) * scale
        ctx.save_for_backward(made, scale)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (grad,), (made, scale) = grads, ctx.saved_tensors
        moved = torch.stack([grad.mean((0, 2, 3)), (grad * made).mean((0, 2, 3))])
        distributed.all_reduce(moved)
        level, slope = (moved / distributed.get_world_size())[..., None, None]
        return (grad - level - made * slope) * scale, None, None, None


class SharedNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all machines, which are equally large, as if they were one."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            counted: Tensor = super().forward(input)
            return counted
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        made = Normalized.apply(x, *self._counted(x), self.eps)  # type: ignore[no-untyped-call]
        taught: Tensor = made * self.weight[:, None, None] + self.bias[:, None, None]
        return taught.to(input.dtype)

    @torch.no_grad()
    def _counted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the variance of what all machines see; the running ones follow."""
        own = torch.stack([x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)])
        said = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(said, own)
        means, inside = torch.stack(said).unbind(1)
        mean = means.mean(0)
        var = (inside + (means - mean).square()).mean(0)  # no difference of large squares
        assert self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None
        number = x.numel() // len(mean) * len(said)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (number / max(number - 1, 1)), self.momentum)
        return mean, var


def shared(network: nn.Module) -> None:
    """Every batch norm of the network made one of all machines; its numbers stay its own."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                assert child.momentum is not None
                norm = SharedNorm(child.num_features, child.eps, child.momentum)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm.to(child.weight))  # where and as precise as it was
