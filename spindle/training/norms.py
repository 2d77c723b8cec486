"""How does batch norm come back, and how is it kept from drifting?  By counting over pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from spindle.model.graph import TORCH, Graph, lead
from spindle.model.ops import Conv, Norm
from spindle.model.weights import Weights
from spindle.training.network import Network

NORM = TORCH.norm or Norm()


class Tally:
    """Mean and variance of each channel, of all numbers that came by, to double precision."""

    def __init__(self) -> None:
        self.count = 0
        self.origin: Tensor | None = None  # a number near the others, so that squares stay small

    def see(self, x: Tensor) -> None:
        x = x.detach().float()
        if self.origin is None:
            self.origin = x[:1, :, :1, :1].clone()
            self.sum = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
            self.squares = self.sum.clone()
        far = x - self.origin  # exactly zero, where a channel never says anything else
        self.count += x.numel() // x.shape[1]
        self.sum += far.sum((2, 3)).double().sum(0)
        self.squares += far.square_().sum((2, 3)).double().sum(0)

    def read(self) -> tuple[Tensor, Tensor]:
        if self.origin is None:
            raise ValueError("batch norm counts over pictures, and there were none")
        mean = self.sum / self.count
        var = (self.squares / self.count - mean**2).clamp(min=0)
        return self.origin.flatten().double() + mean, var


def watch(module: nn.Module, tally: Tally) -> RemovableHandle:
    """Lets the tally see what this module makes."""
    return module.register_forward_hook(lambda module, inputs, output: tally.see(output))


def normless(graph: Graph) -> set[str]:
    """The convolutions that a norm belongs to and that have none: all but the predictors.

    Between bytes there is no place for any.
    """
    if graph.of_bytes:
        return set()
    ends = {op.name for tensor in graph.outputs for op in lead(graph, tensor)}
    return {
        op.name
        for op in graph.ops
        if isinstance(op, Conv) and not op.norm and (op.act or op.name not in ends)
    }


def estimate(
    graph: Graph, weights: Weights, pictures: Iterable[Tensor], norm: Norm = NORM
) -> tuple[Graph, Weights]:
    """Puts batch norm back where it was folded away; the function stays what it was.

    Pictures are batches as Network takes them: bytes, batch x channels x height x width.  Each
    norm counts what its convolution makes of them without the bias; gamma and beta undo it.  The
    norm is torch's: its momentum of 0.1 follows new data within a lesson of some dozens of steps,
    which the paper's 0.003 does not.
    """
    bare = normless(graph)
    if not bare:
        return graph, weights
    network = Network(graph, weights).eval()
    tallies = {name: Tally() for name in bare}
    for name, tally in tallies.items():
        watch(network.get_submodule(f"{name}.conv"), tally)
    with torch.inference_mode():
        for batch in pictures:
            network(batch)
    made = dict(weights)
    for name, tally in tallies.items():
        mean, var = (x.numpy() for x in tally.read())
        bias = made.pop(f"{name}.bias")
        var = var.astype(np.float32)  # whose root is to undo the norm, so it is taken of this
        made |= {
            f"{name}.mean": (mean - bias).astype(np.float32),
            f"{name}.var": var,
            f"{name}.gamma": np.sqrt(var.astype(np.float64) + norm.eps).astype(np.float32),
            f"{name}.beta": mean.astype(np.float32),
        }
    return normed(graph, norm), made


def normed(graph: Graph, norm: Norm = NORM) -> Graph:
    """The graph with batch norm back wherever it belongs."""
    bare = normless(graph)
    return graph.map(
        lambda op: replace(op, norm=norm) if isinstance(op, Conv) and op.name in bare else op
    )


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def norms_of(network: Network, names: Collection[str]) -> list[nn.BatchNorm2d]:
    """Those of the ops of these names."""
    return [norm for name in names for norm in norms(network.get_submodule(name))]


@torch.no_grad()
def re_estimate(network: Network, pictures: Iterable[Tensor], still: Collection[str] = ()) -> None:
    """Counts the norms' means and variances anew: those of all these pictures, not of the last.

    Ops that are `still` keep theirs.

    Each norm sees what the norms before it make of a batch by that batch's own mean and variance,
    as while learning, so large batches serve best.
    """
    modes = {module: module.training for module in network.modules()}
    kept = norms_of(network, still)
    tallies = {norm: Tally() for norm in norms(network) if norm not in kept}
    handles = [
        norm.register_forward_pre_hook(lambda module, inputs, tally=tally: tally.see(inputs[0]))
        for norm, tally in tallies.items()
    ]
    network.eval()
    for norm in tallies:
        norm.train()
    try:
        for batch in pictures:
            network(batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    for norm, tally in tallies.items():
        mean, var = tally.read()
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)
