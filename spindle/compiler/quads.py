"""In which order do the kernels read bytes?  Four at a time, after what their sums begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.fused import Sum
from spindle.compiler.integers import by_taps, integers, ratio
from spindle.compiler.pack import kernels
from spindle.compiler.targets import Isa
from spindle.compiler.tiling import GROUP, QUAD, Runs
from spindle.model.grids import PAIR, Grid
from spindle.model.ops import Conv
from spindle.model.weights import Weights

Array = NDArray[Any]
Sums = Literal["narrow", "apart", "exact"]
FLIP = 128  # less in each byte, where they are flipped


@dataclass(frozen=True)
class Packed:
    """An op's numbers in reading order, and how they are to be summed.

    Narrow sums hold no others than these; apart are even bytes and odd ones, as 16 bits.
    """

    content: NDArray[np.uint32]
    sums: Sums


def heads(op: Conv, weights: Weights, known: dict[str, Grid], isa: Isa) -> list[list[Array]]:
    """For each kernel of an op: what sums begin with, their scales, and what else there is."""
    own, read, made = integers(op, weights, known), known[op.inputs[0].name], known.get(op.name)
    rest: list[Array] = [own.scale, *([made.zero] if made else [])]
    if isinstance(op, Sum):
        other = known[op.shortcut.name]
        rest += [other.zero, ratio(other, made)]
    zero = read.zero - FLIP * isa.flipped
    starts = [own.start - by_taps(each, zero) for each in kernels(op, own.weight)]
    return [[start.astype(np.int32), *rest] for start in starts]


def tiles(
    op: Conv, weights: Weights, known: dict[str, Grid], isa: Isa, columns: Runs, run: bool
) -> Packed:
    """For each tile of channels: its heads, then for each four that are read its vectors.

    Where the taps of a row are one run, the fours are of all of them together.
    """
    exact = integers(op, weights, known).weight
    parts: list[Array] = []
    each = [fours(kernel, run) for kernel in kernels(op, exact)]
    sums = summed(each, isa, op.output.shape[:2] == (1, 1))
    for head, quads in zip(heads(op, weights, known, isa), each, strict=True):
        start = 0
        for size, times in columns:
            for _ in range(times):
                here = slice(start, start := start + size * isa.lanes)
                parts += [filled(values[here], here.stop - here.start) for values in head]
                some = filled(quads[here], here.stop - here.start).transpose(1, 0, 2)
                some = some.reshape(-1, size, isa.lanes, QUAD)
                parts.append(parted(some) if sums == "apart" else some)
    return Packed(joined(parts), sums)


def fours(kernel: Array, run: bool) -> Array:
    """The weights of each channel out four by four, as tiles read them."""
    out, high = kernel.shape[:2]
    rows = kernel.reshape(out, high, 1, -1) if run else kernel
    rows = np.pad(rows, ((0, 0), (0, 0), (0, 0), (0, -rows.shape[3] % QUAD)))
    return rows.reshape(out, -1, QUAD)


def filters(
    op: Conv, weights: Weights, known: dict[str, Grid], isa: Isa, groups: int, pieces: int
) -> Packed:
    """For each group of channels, in the order of `columns`: its heads, then its columns' quads.

    The last group's channels are as many as fit it so many times.
    """
    exact = integers(op, weights, known).weight
    block = GROUP * isa.lanes
    order = columnwise(isa.lanes)
    parts: list[Array] = []
    each = [columns(kernel[..., 0]) for kernel in kernels(op, exact)]
    sums = summed(each, isa)
    for head, quads in zip(heads(op, weights, known, isa), each, strict=True):
        for group in range(groups):
            here = slice(group * block, (group + 1) * block)
            turn = order % (block // pieces) if group == groups - 1 else order
            parts += [filled(values[here], block)[turn] for values in head]
            some = filled(quads[here], block)[turn]
            some = some.reshape(2, 2, isa.lanes, -1, QUAD)  # half, vector, channel
            some = some.transpose(0, 3, 1, 2, 4)
            parts.append(parted(some) if sums == "apart" else some)
    return Packed(joined(parts), sums)


def columns(kernel: Array) -> Array:
    """The taps of each column four by four, every other row first: channel, quad, row."""
    out, side, _ = kernel.shape
    tall = np.pad(kernel, ((0, 0), (0, -side % QUAD), (0, 0)))
    return tall.transpose(0, 2, 1).reshape(out, -1, QUAD)[..., [0, 2, 1, 3]]


def parted(quads: Array) -> Array:
    """Vectors of quads, the even bytes before the odd ones, as 16 bits."""
    words = quads.astype(np.int16)
    return np.stack([words[..., 0::2], words[..., 1::2]], axis=-3)


def columnwise(lanes: int) -> Array:
    """The channels of a group as `columns` of kernels/bytes.h leaves them."""
    vector, lane = np.divmod(np.arange(GROUP * lanes), lanes)
    return np.asarray(16 * (lane // 4) + 4 * vector + lane % 4)


def summed(each: list[Array], isa: Isa, once: bool = False) -> Sums:
    """How quads are summed: weights that are read but once are not worth twice their bytes."""
    if all(holds(quads) for quads in each):
        return "narrow"
    return "apart" if isa.parted and not once else "exact"


def holds(quads: Array) -> bool:
    """Whether no two neighbours overflow 16 bits, whatever bytes they are multiplied by."""
    pairs = quads.astype(np.int32).reshape(-1, 2)
    up, down = np.maximum(pairs, 0).sum(1), np.minimum(pairs, 0).sum(1)
    return bool((up <= PAIR).all() and (down >= -PAIR).all())


def filled(values: Array, count: int) -> Array:
    """With zeros for the channels that fill the last vectors."""
    return np.pad(values, ((0, count - len(values)), *((0, 0),) * (values.ndim - 1)))


def joined(parts: list[Array]) -> NDArray[np.uint32]:
    return np.concatenate([np.ascontiguousarray(part).view(np.uint32).ravel() for part in parts])
