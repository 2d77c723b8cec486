"""Small networks drawn by lot: branches, odd channels, shortcuts, several outputs, every op."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from spindle.model.answers import ArgMax, Normalize, Peaks, Softmax
from spindle.model.graph import PAPER, TORCH, Builder, Graph
from spindle.model.ops import BatchNorm, Conv, Deconv, Op, Tensor

LARGEST = 12_000  # numbers in a tensor: tests are to be quick
Draw = Callable[[Builder, np.random.Generator, Tensor, list[Tensor], str], Tensor]


def network(seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    family = (PAPER, TORCH)[rng.integers(2)]
    if rng.random() < 0.3:
        family = replace(family, norm=None)
    g = Builder((int(rng.integers(1, 20)), int(rng.integers(1, 20))), family)
    there, wanted = [g.image], int(rng.integers(2, 10))
    for number in range(60):
        if len(there) > wanted:
            break
        x = there[-1] if rng.random() < 0.7 else there[rng.integers(len(there))]
        kind = KINDS[rng.integers(len(KINDS))]
        before = dict(g.ops)
        with suppress(ValueError):  # what cannot be is not drawn
            made = kind(g, rng, x, there, f"op{number:02}")
            if all(op.output.size <= LARGEST for op in g.ops.values()):
                there.append(made)
                continue
        g.ops = before
    ends = [there[-1]]
    ends += [there[i] for i in rng.permutation(len(there) - 1)[: rng.integers(3)]]
    return g.graph(*(end(g, rng, tensor) for tensor in ends))


def end(g: Builder, rng: np.random.Generator, x: Tensor) -> Tensor:
    """An output: the tensor itself, or an answer.

    A convolution that pads may read what Peaks would read too: not done yet.  And one number is
    of length one whatever it is.
    """
    kinds: list[type[Op]] = [ArgMax, Peaks, Softmax, Normalize]
    read = any(isinstance(op, Conv) and x in op.inputs for op in g.ops.values())
    if rng.random() < 0.6 or read or x.shape[2] < 4:
        return x
    return g.add(kinds[rng.integers(4)](f"{x.name}_end", (x,)))


def act(rng: np.random.Generator) -> Any:
    return (None, "relu", "relu6")[rng.integers(3)]


def conv(g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str) -> Tensor:
    groups = (1, 1, 1, 2, 3)[rng.integers(5)]
    padding = ({"padding": ("same", 0, 1, 2, 3)[rng.integers(5)]}, {})[rng.integers(2)]
    return g.conv(
        x, name, groups * int(rng.integers(1, 20)), int(rng.integers(1, 6)),
        int(rng.integers(1, 4)), int(rng.integers(1, 4)), act(rng), groups=groups, **padding,
    )  # fmt: skip


def pointwise(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    return g.conv(x, name, int(rng.integers(1, 70)), act=act(rng))


def depthwise(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    return g.conv(
        x, name, x.shape[2], (3, 3, 5, 2)[rng.integers(4)], int(rng.integers(1, 4)),
        int(rng.integers(1, 4)), act(rng), groups=x.shape[2],
    )  # fmt: skip


def block(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    """An inverted residual, perhaps with its shortcut."""
    wide = g.conv(x, f"{name}_expand", int(rng.integers(1, 7)) * x.shape[2])
    deep = g.depthwise(wide, f"{name}_filter", int(rng.integers(1, 3)))
    if rng.random() < 0.3:
        return g.conv(deep, f"{name}_project", int(rng.integers(1, 30)), act=None)
    thin = g.conv(deep, f"{name}_project", x.shape[2], act=act(rng))
    return g.sum(*((thin, x), (x, thin))[rng.integers(2)], f"{name}_add")


def deconv(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    groups = x.shape[2] if rng.random() < 0.4 else 1
    channels = groups if groups > 1 else int(rng.integers(1, 20))
    kernel, stride, padding = (
        int(rng.integers(low, high)) for low, high in ((1, 6), (1, 4), (0, 3))
    )
    return g.add(
        Deconv(name, (x,), channels, kernel, stride, 1, groups, padding, g.family.norm, act(rng))
    )


def resize(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    return g.resize(x, name, there[rng.integers(len(there))], bool(rng.integers(2)))


def concat(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    same = [t for t in there if t.shape[:2] == x.shape[:2]]
    return g.concat([x, *(same[i] for i in rng.permutation(len(same))[:2])], name)


def total(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    same = [t for t in there if t.shape == x.shape]
    return g.sum(x, same[rng.integers(len(same))], name)


def column(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    """Its pixels as rows, and those of another below."""
    width = 1 if rng.random() < 0.3 else x.shape[2]
    found = [g.rows(x, f"{name}_rows", width)]
    for number, other in enumerate(t for t in there[-3:] if t.shape[2] % width == 0):
        found.append(g.rows(other, f"{name}_rows{number}", width))
    return g.concat(found, name, "rows")


def other(
    g: Builder, rng: np.random.Generator, x: Tensor, there: list[Tensor], name: str
) -> Tensor:
    made: tuple[Op, ...] = (
        BatchNorm(name, (x,)), Softmax(name, (x,)), Normalize(name, (x,)),
    )  # fmt: skip
    chosen = rng.integers(4)
    return g.mean(x, name) if chosen == 3 else g.add(made[chosen])


KINDS: tuple[Draw, ...] = (
    conv, conv, pointwise, pointwise, depthwise, depthwise, block, block, block, deconv, resize,
    concat, total, column, other,
)  # fmt: skip
