"""How should a network lie in memory, so that a processor learns fast?

Channels last, everywhere: measured against channels first, a rule that knows no exception is also
the one that lets a training resume to the bit.  LOG.md has the numbers.
"""

from __future__ import annotations

import copy
import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spindle.model.graph import Graph
from spindle.training.network import Network

Way = Literal["channels first", "channels last", "spindle"]
Reading = Callable[[Tensor], "Tensor | tuple[Tensor, ...]"]
VERSION = torch.__version__
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # malloc.h of the GNU C library


def hold_memory(held: bool = True) -> bool:
    """Keeps what a step has used for the next step; True where the C library can be told so.

    Otherwise every large tensor is a new mapping, and its first use faults page by page.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    usual = 32 << 20  # where its own thresholds come to rest once large tensors were freed
    settings = {
        M_TRIM_THRESHOLD: 2**31 - 1 if held else 2 * usual,
        M_MMAP_THRESHOLD: usual,
        M_MMAP_MAX: 0 if held else 1 << 16,
    }
    return all({name: libc.mallopt(name, value) for name, value in settings.items()}.values())


def has_bf16() -> bool:
    """Whether this processor computes in bf16; one that only plays it is 13 times slower."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def quick(network: Network) -> Reading:
    """The network as it now is, only to be asked: norms folded into what stands before them."""
    ready = copy.deepcopy(network).eval()
    for part in ready.children():
        conv, norm = getattr(part, "conv", None), getattr(part, "norm", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            part.conv, part.norm = fuse_conv_bn_eval(conv, norm), nn.Identity()
    ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def ask(pictures: Tensor) -> Tensor | tuple[Tensor, ...]:
        made: Tensor | tuple[Tensor, ...] = ready(pictures)
        return made

    return ask


@contextmanager
def threads(number: int | None) -> Iterator[int]:
    """So many threads for a while; None: as many as torch takes by itself."""
    before = torch.get_num_threads()
    if number is not None and number < 1:
        raise ValueError(f"{number} threads compute nothing: take 1 or more")
    torch.set_num_threads(number or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def plain(graph: Graph, way: Way) -> tuple[nn.Module, torch.memory_format]:
    """A network as a plain loop would have it, or as we have it, and how pictures come to it."""
    network = Network(graph).train()
    if way == "spindle":
        return network, torch.contiguous_format
    order = torch.channels_last if way == "channels last" else torch.contiguous_format
    network.order = order
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.inplace = False
    return network.to(memory_format=order), order  # type: ignore[call-overload]


def steps(graph: Graph, batch: int, ways: tuple[Way, ...]) -> Iterator[tuple[Way, float]]:
    """Seconds a training step takes, each way after the other, round after round without end."""
    height, width, channels = graph.input.shape
    pictures = torch.randint(0, 256, (batch, channels, height, width), dtype=torch.uint8)
    ready = {way: plain(graph, way) for way in ways}
    while True:
        for way, (network, order) in ready.items():
            hold_memory(way == "spindle")
            lying = pictures.contiguous(memory_format=order)
            step(network, lying)  # kernels are chosen and memory is taken when first asked
            began = time.perf_counter()
            step(network, lying)
            yield way, time.perf_counter() - began


def step(network: nn.Module, pictures: Tensor) -> None:
    """Forward and backward, without a task and without an optimizer: what all trainings share."""
    made = network(pictures)
    outputs = made if isinstance(made, tuple) else (made,)
    network.zero_grad()
    torch.stack([output.square().mean() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]
