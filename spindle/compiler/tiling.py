"""How is a row of a convolution cut into tiles that fit the registers of a machine?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from spindle.compiler.targets import Isa

QUAD = 4  # bytes that are summed at once
GROUP = 4  # vectors of channels that a depthwise convolution of bytes takes at once

Runs = tuple[tuple[int, int], ...]  # a size, and how many of it follow each other
LATENCY = 4  # cycles until a sum can be added to again
PER_CYCLE = 2  # multiply-adds, and loads, that begin in a cycle
AFAR = 0.3  # of the weights' loads miss the first level
NEAREST = 32 << 10  # bytes of a core's first level
BETWEEN = 32  # bytes that pass from there to the second in a cycle
NEAR = 24 << 10  # bytes of weights that stay in the first level while rows go by
FAR = 32 << 10  # bytes of weights that the first level does not keep: they are asked for early
FILTER = 5  # channels in that would cost as much as the depthwise convolution which follows
MOST_ACROSS = 8  # vectors
AROUND = 12  # cycles before and after a tile's loop


@dataclass(frozen=True)
class Tiling:
    """Pixels of each tile along the row, and vectors of each tile across the channels."""

    pixels: Runs
    vectors: Runs


def cut(total: int, sizes: tuple[int, int]) -> Runs:
    """So many of the first size, the rest in the second; nothing where that cannot be."""
    first, second = sizes
    for count in range(total // first, -1, -1):
        rest = total - count * first
        if rest % second == 0:
            runs = ((first, count), (second, rest // second))
            return tuple((size, times) for size, times in runs if times)
    return ()


@cache
def tiling(
    width: int,
    vectors: int,
    depth: int,
    isa: Isa,
    threads: int = 1,
    quads: bool = False,
    half: bool = False,
) -> Tiling:
    """The tiles that take the fewest cycles, by a model of a core, of the thread with the most.

    Of the last vector only half may be wanted: its tile is then by itself.
    """
    choices = []
    for across in range(1, min(vectors, MOST_ACROSS) + 1):
        columns = cut(vectors, (across, max(vectors % across, 1)))
        if half:
            *most_of_it, (size, times) = columns
            columns = (*most_of_it, *(((size, times - 1),) if times > 1 else ()), (size, 1))
        pixels = rows(width, across, depth, isa, quads)
        wide: list[float] = [size for size, _ in columns]
        wide[-1] -= half / 2
        each = [
            sum(cycles(m, size, depth, isa, quads) * times for m, times in pixels) for size in wide
        ]
        most = max(
            sum(cost * count for cost, count in zip(each, mine, strict=True))
            for mine in shares(columns, threads)
        )
        choices.append((most, Tiling(pixels, columns)))
    return min(choices, key=lambda choice: choice[0])[1]


def shares(columns: Runs, threads: int) -> list[list[int]]:
    """The tiles of each run that a thread does: the first are shared out, the last has the rest."""
    (_, first), *rest = columns
    ends = [first * i // threads for i in range(threads + 1)]
    mine = [[end - begin, *(0 for _ in rest)] for begin, end in zip(ends, ends[1:], strict=False)]
    mine[-1][1:] = [count for _, count in rest]
    return mine


@cache
def grouped_tiling(width: int, groups: int, rest: int, depth: int, isa: Isa) -> Tiling:
    """The same for bytes that are made in groups of vectors, each of as many tiles as is best.

    The last group may be of fewer vectors, which are then a tile of their own.
    """
    choices, narrow = [], int(rest > 0)
    for across in (size for size in range(1, GROUP + 1) if GROUP % size == 0):
        pixels, count = rows(width, across, depth, isa, True), (groups - narrow) * GROUP // across
        cost = sum(cycles(m, across, depth, isa, True) * times for m, times in pixels) * count
        columns = tuple(run for run in ((across, count), (rest, narrow)) if run[1])
        choices.append((cost, Tiling(pixels, columns)))
    return min(choices, key=lambda choice: choice[0])[1]


@cache
def even_tiling(width: int, vectors: int, depth: int, isa: Isa, standing: int = 1) -> Tiling:
    """The same for channels in tiles of one size, the last perhaps wider than what it holds.

    So many rows of a tile stand until they are filtered, at best in the nearest cache.
    """
    choices = []
    # what must be spread over a vector before it is multiplied by should meet two of them
    least = 1 if isa.spread and not isa.brief else min(2, vectors)
    for across in range(least, min(vectors, MOST_ACROSS) + 1):
        one = evenly(width, vectors, across, depth, isa)
        each = sum(cycles(m, across, depth + FILTER, isa) * times for m, times in one.pixels)
        row = 4 * width * across * isa.lanes
        if standing * row > NEAREST:
            each += 2 * row / BETWEEN
        choices.append((each * one.vectors[0][1], one))
    return min(choices, key=lambda choice: choice[0])[1]


def evenly(width: int, vectors: int, across: int, depth: int, isa: Isa) -> Tiling:
    """Channels in tiles of so many vectors, each with its filter in mind."""
    return Tiling(rows(width, across, depth + FILTER, isa), ((across, -(-vectors // across)),))


def rows(width: int, vectors: int, depth: int, isa: Isa, quads: bool = False) -> Runs:
    """The best way to cut a row, for tiles so many vectors across."""
    choices = [
        runs
        for first in range(1, min(width, isa.registers) + 1)
        for second in range(1, first + 1)
        if fits(first, vectors, isa, quads) and (runs := cut(width, (first, second)))
    ]
    return min(
        choices, key=lambda runs: sum(cycles(m, vectors, depth, isa, quads) * n for m, n in runs)
    )


def fits(pixels: int, vectors: int, isa: Isa, quads: bool = False) -> bool:
    """Sums, all of one side's numbers, and a register through which the other side's pass.

    Of sixteen registers one is left to spare: compilers that fill the last one spill the sums.
    """
    if quads:
        held = vectors if pixels > 1 else 1  # of one pixel, weights come straight from memory
        return pixels * vectors + held + isa.aside <= isa.registers
    room = isa.registers - (2 if isa.registers <= 16 else 1)
    return pixels * vectors + min(pixels, vectors) <= room


def cycles(pixels: int, vectors: float, depth: int, isa: Isa, quads: bool = False) -> float:
    if quads:
        steps, loads = pixels * vectors * isa.dots, pixels + vectors + vectors * AFAR
        each = max(steps / PER_CYCLE, loads / PER_CYCLE, LATENCY / isa.dots)
        groups, rest = divmod(vectors, GROUP)
        put = 3 * vectors + 5 * groups + 6 * (rest // 2 + rest % 2)  # rounded, then as bytes
        return -(-depth // QUAD) * each + AROUND + pixels * put / 4
    sums, loads = pixels * vectors, pixels + vectors + vectors * AFAR
    return depth * max(sums / PER_CYCLE, loads / PER_CYCLE, LATENCY) + AROUND + sums


def phase(width: int, whole: Tiling) -> Runs:
    """A row of another width in tiles no larger."""
    return even(width, max(size for size, _ in whole.pixels))


def even(width: int, most: int) -> Runs:
    """The fewest tiles of a row, as even as they can be."""
    choices = [
        runs
        for first in range(1, min(most, width) + 1)
        for second in range(1, first + 1)
        if (runs := cut(width, (first, second)))
    ]
    return min(choices, key=lambda runs: (sum(n for _, n in runs), len(runs), runs))


@cache
def strips(width: int, taps: int, isa: Isa) -> Runs:
    """The strips of a depthwise row, whose taps stay in registers where they can."""
    return even(width, max(min(isa.registers - taps - 2, 8), 2))
