"""Rings hold every row as long as somebody reads it, and not one row more than that takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spindle.compiler.fold import fold
from spindle.compiler.fuse import fuse
from spindle.compiler.reference import step
from spindle.compiler.schedule import Limits, inside, schedule
from spindle.compiler.targets import AVX2
from spindle.compiler.walk import Group, extent, reach, rings, sinks, starts
from spindle.model.family import mobilenet_v2
from spindle.model.graph import TORCH, Graph
from spindle.model.ops import Conv, Deconv, Image, Op, Tensor
from tests import drawn
from tests.settled import settled


def read_rows(op: Op, place: int, y: int) -> set[int]:
    """The rows of an input that row y depends on, found by changing each of them."""
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(1, *tensor.shape)).astype(np.float32) for tensor in op.inputs]
    weights = {part: np.full(shape, 0.5, np.float32) for part, shape in op.weights.items()}
    meant = step(op, xs, weights)[0, y]
    found = set()
    for row in range(xs[place].shape[1]):
        changed = [x.copy() for x in xs]
        changed[place][:, row] += 100
        if not np.array_equal(step(op, changed, weights)[0, y], meant):
            found.add(row)
    return found


@pytest.mark.parametrize("kind", [Conv, Deconv])
def test_reach_is_what_a_row_depends_on(kind: type[Conv]) -> None:
    rng, tried = np.random.default_rng(0), 0
    while tried < 60:
        x = Tensor("x", (int(rng.integers(1, 12)), 6, 1))
        kernel, stride, dilation = (int(rng.integers(1, n)) for n in (6, 4, 4))
        padding: Any = ("same", 0, 1, 2, 3)[rng.integers(5)]
        if kind is Deconv:
            dilation, padding = 1, int(rng.integers(0, 3))
        op = kind("op", (x,), 1, kernel, stride, dilation, padding=padding)
        try:
            height = op.output.shape[0]
        except ValueError:
            continue
        how, tried = reach(op, x), tried + 1
        assert how
        for y in range(height):
            rows = read_rows(op, 0, y)
            first, end = how.first(y), how.end(y + 1, x.shape[0])
            assert rows <= set(range(first, end)), (op, y)
            if kind is Conv and rows:
                assert (min(rows), max(rows) + 1) >= (first, 0) and max(rows) + 1 <= end
                assert max(rows) + 1 > end - dilation and min(rows) < first + dilation


def simulated(group: Group, graph: Graph, high: dict[str, int], begin: int, end: int) -> bool:
    """Whether every row that is read is still there: each ring as an array of row numbers.

    An op makes its rows in steps, and asks for exactly those it depends on before each.
    """
    slots = {name: [-1] * high[name] for name in high}
    made = dict.fromkeys(high, 0) | (starts(group, graph, begin) if begin else {})
    ops = {op.name: op for op in group.ops}

    def there(tensor: Tensor, row: int) -> bool:
        return slots[tensor.name][row % high[tensor.name]] == row

    def make(name: str, until: int) -> bool:
        op = ops[name]
        while (y := made[name]) < until:
            rows = min(group.rows[name], until - y)
            for tensor in op.inputs:
                if tensor in group:
                    how, height = reach(op, tensor), tensor.shape[0]
                    last = how.end(y + rows, height) if how else height
                    if not make(tensor.name, last):
                        return False
            for tensor in op.inputs:
                if tensor in group:
                    how, height = reach(op, tensor), tensor.shape[0]
                    for row in range(y, y + rows):
                        first, last = (
                            (how.first(row), how.end(row + 1, height)) if how else (0, height)
                        )
                        if not all(there(tensor, i) for i in range(first, last)):
                            return False
            for row in range(y, y + rows):
                slots[name][row % high[name]] = row
            made[name] = y + rows
        return True

    return all(make(sink.name, end or extent(sink)) for sink in sinks(group, graph))


GRAPHS = {
    "house": lambda: mobilenet_v2(0.1, (97, 65), classes=3),
    "torch": lambda: mobilenet_v2(0.1, (64, 33), output_stride=8, family=TORCH),
} | {f"drawn {seed}": lambda seed=seed: drawn.network(seed) for seed in range(12)}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(
    "limits",
    [Limits(), Limits(rings=0), Limits(rings=0, streamed=4)],
    ids=["fast", "thin", "streamed"],
)
def test_no_row_is_lost_and_none_kept_for_nothing(name: str, limits: Limits) -> None:
    graph = GRAPHS[name]()
    graph, _ = fuse(*fold(graph, settled(graph)))
    for threads in (1, 3):
        plan = schedule(graph, AVX2, threads, limits)
        for group in plan.groups:
            height = extent(sinks(group, graph)[-1])
            bands = [(0, 0)] if group.lanes else [(0, height // 2), (height // 2, height)]
            for begin, end in bands:
                high = rings(group, graph, begin, end or None)
                assert simulated(group, graph, high, begin, end), group.name
                for inner in inside(group, graph):
                    if high[inner] > group.rows[inner]:
                        fewer = high | {inner: high[inner] - 1}
                        assert not simulated(group, graph, fewer, begin, end), (group.name, inner)


def test_a_window_of_three_rows_stands_in_three() -> None:
    image = Image("image", (), 20, 8)
    wide = Conv("wide", (image.output,), 16)
    deep = Conv("deep", (wide.output,), 16, 3, groups=16, padding=1)
    graph = Graph((image, wide, deep), (deep.output,))
    for rows, high in ((1, 3), (2, 4), (5, 7)):
        group = Group((wide, deep), {"wide": 1, "deep": rows})
        assert rings(group, graph)["wide"] == high
    group = Group((wide, deep), {"wide": 1, "deep": 1})
    assert starts(group, graph, 7) == {"wide": 6, "deep": 7}
    assert rings(group, graph, 7, 12)["wide"] == 3
