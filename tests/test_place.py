"""Nothing in the arena lies where something else of its time lies."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.compiler.pipeline import passed
from spindle.compiler.place import Arena, Span, bands, lowest, place
from spindle.compiler.place import given as by_the_caller
from spindle.compiler.schedule import Limits, Plan, inside, schedule
from spindle.compiler.targets import AVX2, AVX512, PLAIN
from spindle.compiler.walk import Group, rings, sinks
from spindle.model.family import mobilenet_v2
from spindle.model.graph import Graph
from spindle.model.weights import initial
from tests import drawn

LIMITS = (Limits(), Limits(rings=0), Limits(rings=0, streamed=6), Limits(rings=0, split=True))
GRAPHS = {
    head: lambda head=head: mobilenet_v2(0.1, (65, 97), head, classes=3)
    for head in ("classifier", "ssdlite", "deeplab-aspp", "pose", "embedding")
} | {f"drawn {seed}": lambda seed=seed: drawn.network(seed) for seed in range(20)}


def pieces(plan: Plan, arena: Arena) -> list[tuple[str, int, int, int, int]]:
    """Name, first and last group, first and last byte of all that is there, reckoned anew."""
    end = len(plan.groups) - 1
    found = [(s.name, s.first, s.last, arena.offsets[s.name], s.bytes) for s in arena.spans]
    found = [one for one in found if one[0] in ("meeting", "zeros") or one[0].endswith("beside")]
    outputs = {tensor.name for tensor in plan.graph.outputs}
    for number, group in enumerate(plan.groups):
        for op in group.ops:
            layout, rows = plan.layouts[op.name], arena.rows[op.name]
            size = 4 * rows * layout.row
            at = arena.offsets.get(op.name)
            if op.name in inside(group, plan.graph):
                assert at is not None
                planes = layout.planes
                if layout.sliced and group.lanes:
                    planes = plan.threads
                copies = 1 if group.lanes else plan.threads
                found += [
                    (
                        f"{op.name} {i}",
                        number,
                        number,
                        at + i * arena.apart[group.name],
                        size * planes,
                    )
                    for i in range(copies)
                ]
            elif at is not None:
                readers = [
                    place
                    for place, other in enumerate(plan.groups)
                    for reader in other.ops
                    if op.output in reader.inputs
                ]
                last = end if op.name in outputs else max(readers, default=number)
                found.append((op.name, number, last, at, size))
            else:
                assert op.name in outputs and by_the_caller(op, plan)
    return [(name, first, last, at, at + size) for name, first, last, at, size in found]


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_needed_at_once_lies_apart(name: str) -> None:
    graph: Graph = GRAPHS[name]()
    graph, _ = passed(graph, initial(graph))
    for number, limits in enumerate(LIMITS):
        for threads in (1, 2, 4):
            if limits.split and threads > 1:
                continue
            plan = schedule(graph, (AVX2, AVX512, PLAIN)[number % 3], threads, limits)
            arena = place(plan)
            there = [piece for piece in pieces(plan, arena) if piece[4] > piece[3]]
            for a, b in combinations(there, 2):
                if a[1] <= b[2] and b[1] <= a[2]:
                    assert a[4] <= b[3] or b[4] <= a[3], (a, b)
            assert all(at % 64 == 0 for name, *_, at, _ in there)
            assert max(piece[4] for piece in there) <= arena.bytes and arena.bytes % 64 == 0
            assert arena.bytes <= sum(span.bytes for span in arena.spans)
            most = max(
                sum(s.bytes for s in arena.spans if s.first <= n <= s.last)
                for n in range(len(plan.groups))
            )
            assert arena.bytes >= most


SPANS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=9
)


@given(SPANS)
def test_the_lowest_place_is_the_lowest(drawn_: list[tuple[int, int, int]]) -> None:
    """Against a search byte by byte."""
    spans = [Span(f"s{i}", size, a, a + more) for i, (size, a, more) in enumerate(drawn_)]
    found: dict[str, int] = {}
    for span in spans:
        taken = np.zeros(200, bool)
        for other in spans:
            if other.name in found and other.first <= span.last and span.first <= other.last:
                taken[found[other.name] : found[other.name] + other.bytes] = True
        free = next(at for at in range(200) if not taken[at : at + span.bytes].any())
        chosen = lowest(span, spans, found)
        assert not taken[chosen : chosen + span.bytes].any()
        assert chosen == free or span.bytes == 0
        found[span.name] = chosen


def test_rings_are_long_enough_for_any_number_of_threads() -> None:
    graph = mobilenet_v2(0.1, (129, 64), classes=3)
    graph, _ = passed(graph, initial(graph))
    plan = schedule(graph, AVX2, 3)
    arena = place(plan)
    apart = [group for group in plan.groups if not group.lanes]
    assert apart
    for group in apart:
        (sink,) = sinks(group, graph)
        height = sink.output.shape[0]
        for count in (1, 2, 3):
            for i in range(count):
                share = height * i // count, height * (i + 1) // count
                assert share in bands(height, 3)
                check(group, graph, arena, *share)


def check(group: Group, graph: Graph, arena: Arena, begin: int, end: int) -> None:
    high = rings(group, graph, begin, end)
    assert all(high[name] <= arena.rows[name] for name in inside(group, graph))
