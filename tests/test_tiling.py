"""Tiles cover a row and its channels exactly, and their sums fit into the registers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.compiler.targets import AVX2, AVX512, NEON, PLAIN, Isa
from spindle.compiler.tiling import (
    MOST_ACROSS,
    Runs,
    cut,
    cycles,
    even,
    even_tiling,
    fits,
    phase,
    rows,
    strips,
    tiling,
)

ISAS = st.sampled_from([AVX512, AVX2, NEON, PLAIN])
WIDTHS, DEPTHS = st.integers(1, 130), st.sampled_from([3, 16, 27, 96, 144, 960, 2304])


def covered(runs: Runs) -> int:
    assert all(size >= 1 and times >= 1 for size, times in runs) and len(runs) <= 2
    return sum(size * times for size, times in runs)


@given(WIDTHS, st.integers(1, 81), DEPTHS, ISAS)
def test_tiles_cover_all_and_fit(width: int, across: int, depth: int, isa: Isa) -> None:
    whole = tiling(width, across, depth, isa)
    assert covered(whole.pixels) == width and covered(whole.vectors) == across
    even_ = even_tiling(width, across, depth, isa)
    ((size, times),) = even_.vectors
    assert covered(even_.pixels) == width
    assert across <= size * times < across + size  # only the last one has room to spare
    for one in (whole, even_):
        for m, _ in one.pixels:
            for n, _ in one.vectors:
                registers = m * n + min(m, n) + (0 if isa is AVX512 else 1)
                assert registers <= isa.registers and n <= MOST_ACROSS and fits(m, n, isa)


@given(WIDTHS, st.integers(1, 8), DEPTHS, ISAS)
def test_no_other_cut_of_a_row_is_quicker(width: int, across: int, depth: int, isa: Isa) -> None:
    """By the model of a core: all ways to cut with tiles of one size and one of another."""

    def cost(runs: Runs) -> float:
        return sum(cycles(m, across, depth, isa) * times for m, times in runs)

    chosen = rows(width, across, depth, isa)
    for first in range(1, width + 1):
        if fits(first, across, isa):
            whole, rest = divmod(width, first)
            assert cost(chosen) <= cost(((first, whole),) + (((rest, 1),) if rest else ())) + 1e-9


@given(st.integers(1, 200), st.integers(1, 30), st.integers(1, 30))
def test_cut(total: int, first: int, second: int) -> None:
    runs = cut(total, (first, second))
    possible = any((total - i * first) % second == 0 for i in range(total // first + 1))
    assert bool(runs) == possible and (not runs or covered(runs) == total)


@given(WIDTHS, st.integers(1, 16))
def test_even(width: int, most: int) -> None:
    runs = even(width, most)
    assert covered(runs) == width and max(size for size, _ in runs) <= most
    assert sum(times for _, times in runs) == -(-width // most)


@given(WIDTHS, st.sampled_from([1, 4, 9, 25]), ISAS)
def test_strips_of_a_depthwise_row(width: int, taps: int, isa: Isa) -> None:
    runs = strips(width, taps, isa)
    most = max(size for size, _ in runs)
    assert covered(runs) == width
    assert most <= 2 or most + taps + 1 <= isa.registers


@given(WIDTHS, st.integers(1, 40), DEPTHS, ISAS)
def test_another_width_takes_tiles_no_larger(width: int, across: int, depth: int, isa: Isa) -> None:
    whole = tiling(width, across, depth, isa)
    for narrower in {max(width - 1, 1), -(-width // 2)}:
        runs = phase(narrower, whole)
        assert covered(runs) == narrower
        assert max(size for size, _ in runs) <= max(size for size, _ in whole.pixels)


@pytest.mark.parametrize("isa", [AVX512, AVX2, NEON, PLAIN], ids=lambda isa: isa.name)
def test_the_house_s_rows_keep_the_multipliers_busy(isa: Isa) -> None:
    """Enough sums at once to hide their latency, in the rows that take nearly all of the time."""
    for width, across in ((112, 6), (56, 9), (28, 12), (14, 24), (7, 60)):
        whole = tiling(width, across, 96, isa)
        pixels, vectors = whole.pixels[0][0], whole.vectors[0][0]
        assert pixels * vectors >= 8, (width, across, whole)
