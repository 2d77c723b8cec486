"""Where in the one arena does everything lie, and how large must it be?"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from spindle.compiler.answers import detect_scratch
from spindle.compiler.layout import LINE
from spindle.compiler.schedule import Plan, inside
from spindle.compiler.walk import Group, extent, rings, sinks
from spindle.model.answers import Detect
from spindle.model.ops import Conv, Mean, Op, Resize

TRIES = 400  # orders in which to pack an arena that has gaps
MEETING = 2 * LINE  # where threads meet


@dataclass(frozen=True)
class Span:
    """Bytes that are needed from one group to another."""

    name: str
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """Each tensor's place and its rows there; the rings of other threads follow the first's."""

    offsets: dict[str, int]
    rows: dict[str, int]
    apart: dict[str, int]  # bytes from one thread's rings to the next's, for each group
    spans: tuple[Span, ...]
    bytes: int


def place(plan: Plan) -> Arena:
    """A place for everything that the groups of a plan make and use."""
    rows: dict[str, int] = {}
    inner: dict[str, int] = {}  # offsets from the start of a group's rings
    apart: dict[str, int] = {}
    for group in plan.groups:
        rows |= standing(group, plan)
        total = 0
        for name in sorted(inside(group, plan.graph)):
            inner[name] = total
            layout = plan.layouts[name]
            planes = plan.threads if layout.sliced and group.lanes else layout.planes
            total += rounded(layout.bytes(rows[name], planes))
        apart[group.name] = total
    spans = needed(plan, rows, apart)
    found = packed(spans)
    offsets = dict(found)
    for group in plan.groups:
        for name in inside(group, plan.graph):
            offsets[name] = found[f"{group.name}.rings"] + inner[name]
    return Arena(offsets, rows, apart, tuple(spans), height(spans, found))


def packed(spans: list[Span]) -> dict[str, int]:
    """Every span as low as it fits among those of its time, the largest first.

    While that leaves gaps, two of them change places: by lot, but the same lot each time.
    """
    order = sorted(spans, key=lambda span: (-span.bytes, span.first))
    least = max(
        sum(span.bytes for span in spans if span.first <= now <= span.last)
        for now in {span.first for span in spans}
    )
    best, lot = laid(order), Random(0)
    for _ in range(TRIES):
        if height(spans, best) == least:
            break
        i, j = lot.randrange(len(order)), lot.randrange(len(order))
        other = [order[{i: j, j: i}.get(place, place)] for place in range(len(order))]
        found = laid(other)
        if height(spans, found) <= height(spans, best):
            best, order = found, other
    return best


def laid(order: list[Span]) -> dict[str, int]:
    """Where each span lies when they are laid down in this order."""
    found: dict[str, int] = {}
    for span in order:
        found[span.name] = lowest(span, order, found)
    return found


def height(spans: list[Span], found: dict[str, int]) -> int:
    return max(found[span.name] + span.bytes for span in spans)


def needed(plan: Plan, rows: dict[str, int], apart: dict[str, int]) -> list[Span]:
    """All that must stand, and from which group to which."""
    last = len(plan.groups) - 1
    home = {op.name: number for number, group in enumerate(plan.groups) for op in group.ops}
    until = dict(home) | {tensor.name: last for tensor in plan.graph.outputs}
    for op in plan.graph.ops:
        for tensor in op.inputs:
            until[tensor.name] = max(until[tensor.name], home[op.name])
    spans = [Span("meeting", MEETING, 0, last), Span("zeros", rounded(widest(plan)), 0, last)]
    for number, group in enumerate(plan.groups):
        size = apart[group.name] * (1 if group.lanes else plan.threads)
        spans.append(Span(f"{group.name}.rings", size, number, number))
        for op in group.ops:
            if more := beside(op, plan):
                spans.append(Span(f"{op.name}.beside", more, number, number))
        for op in sinks(group, plan.graph):
            if not given(op, plan):
                size = rounded(plan.layouts[op.name].bytes(rows[op.name]))
                spans.append(Span(op.name, size, number, until[op.name]))
    return spans


def given(op: Op, plan: Plan) -> bool:
    """Whether an output is written where the caller wants it: it lies as the caller's arrays do."""
    layout, (_, width, channels) = plan.layouts[op.name], op.output.shape
    return op.output in plan.graph.outputs and layout.row == width * channels


def beside(op: Op, plan: Plan) -> int:
    """Bytes that an op needs for itself."""
    match op:
        case Resize() if not op.grid:
            layout = plan.layouts[op.inputs[0].name]
            return plan.threads * rounded(4 * layout.width * layout.pitch)
        case Mean() if op.inputs[0].grid:  # its sums
            return rounded(4 * plan.layouts[op.name].pitch)
        case Detect():
            return rounded(detect_scratch(op, plan.threads))
    return 0


def standing(group: Group, plan: Plan) -> dict[str, int]:
    """The rows of each tensor that stand at once, whoever shares the work."""
    rows = {op.name: op.output.shape[0] for op in group.ops}
    height = extent(sinks(group, plan.graph)[-1])
    parts = [(0, None)] if group.lanes else bands(height, plan.threads)
    found = [rings(group, plan.graph, begin, end) for begin, end in parts]
    return rows | {name: max(ring[name] for ring in found) for name in inside(group, plan.graph)}


def bands(height: int, threads: int) -> list[tuple[int, int]]:
    """The rows of each thread, however many of them there are."""
    return [
        (height * i // count, height * (i + 1) // count)
        for count in range(1, threads + 1)
        for i in range(count)
    ]


def widest(plan: Plan) -> int:
    """Bytes in the longest row that a window may find missing."""
    read = [t.name for op in plan.graph.ops if isinstance(op, Conv) for t in op.inputs]
    return max((plan.layouts[name].bytes(1) for name in read), default=0)


def lowest(span: Span, spans: list[Span], found: dict[str, int]) -> int:
    """The first gap between what is there already, at this span's time."""
    there = sorted(
        (found[other.name], other.bytes)
        for other in spans
        if other.name in found and other.first <= span.last and span.first <= other.last
    )
    at = 0
    for offset, size in there:
        if at + span.bytes <= offset:
            break
        at = max(at, offset + size)
    return at


def rounded(size: int) -> int:
    return -(-size // LINE) * LINE
