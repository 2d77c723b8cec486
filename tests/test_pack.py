"""The blob holds every number where the kernels look for it, and zeros between."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.compiler import pack
from spindle.compiler.reference import resize
from spindle.compiler.tiling import Runs
from spindle.compiler.walk import taps
from spindle.model.ops import Conv, Deconv, Resize, Tensor
from spindle.model.weights import Weights


def numbered(op: Conv) -> Weights:
    """Weights and biases of which no two are equal, and none is zero."""
    count, start, made = 0, 1, Weights()
    for part, shape in op.weights.items():
        count = int(np.prod(shape))
        made[f"{op.name}.{part}"] = np.arange(start, start + count, dtype=np.float32).reshape(shape)
        start += count
    return made


def conv(channels: int, kernel: int, depth: int) -> Conv:
    return Conv("op", (Tensor("x", (9, 9, depth)),), channels, kernel)


@pytest.mark.parametrize(
    ("columns", "lanes"), [(((2, 1), (1, 1)), 4), (((3, 1),), 4), (((2, 1),), 8), (((1, 1),), 16)]
)
def test_tiles_are_read_in_order(columns: Runs, lanes: int) -> None:
    """For each tile: its biases, then tap by tap and channel by channel its vectors."""
    op = conv(11, 3, 5)
    op = conv(min(11, sum(n * t for n, t in columns) * lanes), 3, 5)
    weights = numbered(op)
    packed, at, done = pack.tiles(op, weights, columns, 6, lanes), 0, 0
    for size, times in columns:
        for _ in range(times):
            block = size * lanes
            for tap in range(-1, 9 * 6):
                for lane in range(block):
                    out = done + lane
                    v, u, k = tap // 18, tap // 6 % 3, tap % 6
                    if out >= op.channels or k == 5 and tap >= 0:
                        meant = 0.0
                    elif tap < 0:
                        meant = weights["op.bias"][out]
                    else:
                        meant = weights["op.weight"][out, v, u, k]
                    assert packed[at] == meant
                    at += 1
            done += block
    assert at == len(packed) and packed.dtype == np.float32


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_filters_are_read_in_order(lanes: int) -> None:
    op = Conv("op", (Tensor("x", (9, 9, 11)),), 11, 3, groups=11)
    weights, whole = numbered(op), -(-11 // lanes) + 1
    packed = pack.filters(op, weights, whole, lanes)
    assert packed.shape == (1, whole, 10, lanes)
    for out in range(whole * lanes):
        column = packed[0, out // lanes, :, out % lanes]
        if out < 11:
            assert column[0] == weights["op.bias"][out]
            assert (column[1:] == weights["op.weight"][out].ravel()).all()
        else:
            assert (column == 0).all()


def test_a_transposed_one_is_packed_phase_by_phase() -> None:
    op = Deconv("op", (Tensor("x", (5, 5, 3)),), 6, 4, 2, padding=1)
    packed = pack.tiles(op, numbered(op), ((2, 1),), 3, 4)
    assert len(packed) == 4 * (1 + taps(op) ** 2 * 3) * 8
    for phase in np.split(packed, 4):
        assert (phase[:8] == [*numbered(op)["op.bias"], 0, 0]).all()
    assert len(set(packed[packed != 0])) == 6 * 4 * 4 * 3 + 6  # every number, once


def test_each_array_begins_in_a_cache_line_of_its_own() -> None:
    blob, other = pack.Blob(), pack.Blob()
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=size).astype(np.float32) for size in (1, 16, 17, 300)]
    places = [blob.add(array) for array in arrays[:2]] + [other.add(array) for array in arrays[2:]]
    start = blob.join(other)
    places[2:] = [start + place for place in places[2:]]
    numbers = np.frombuffer(blob.content, np.float32)
    assert len(numbers) == blob.size and len(blob.content) % 64 == 0
    used = np.zeros(len(numbers), bool)
    for place, array in zip(places, arrays, strict=True):
        assert place % 16 == 0 and (numbers[place : place + len(array)] == array).all()
        used[place : place + len(array)] = True
    assert (numbers[~used] == 0).all()
    with pytest.raises(AssertionError):
        blob.add(np.zeros(3))


@pytest.mark.parametrize("corners", [False, True])
def test_tables_make_the_resize(corners: bool) -> None:
    x = np.random.default_rng(0).normal(size=(1, 5, 7, 2)).astype(np.float32)
    like = Tensor("like", (12, 4, 1))
    op = Resize("op", (Tensor("x", (5, 7, 2)),), like, corners)
    low, high, down, left, right, across = pack.tables(op)
    down, across = down[:, None, None], across[None, :, None]
    rows = x[0][low] * (1 - down) + x[0][high] * down
    found = rows[:, left] * (1 - across) + rows[:, right] * across
    meant = resize(resize(x, 1, 12, corners), 2, 4, corners)[0]
    assert np.abs(found - meant).max() < 1e-6
    assert all(part.dtype == np.int32 for part in (low, high, left, right))
