"""How does a model become C?  By a list of passes, each of which can say what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from spindle.compiler.api import LARGEST
from spindle.compiler.budget import within
from spindle.compiler.cast import cast
from spindle.compiler.emit import emit
from spindle.compiler.fold import fold
from spindle.compiler.fuse import fuse
from spindle.compiler.library import MOST_THREADS
from spindle.compiler.place import place
from spindle.compiler.schedule import CACHE, Limits, Plan, schedule
from spindle.compiler.source import Source
from spindle.compiler.story import arena_over_time, table
from spindle.compiler.targets import Target, second_level
from spindle.compiler.tune import measured, remembered, times, tuned
from spindle.model import tasks, weights
from spindle.model.answers import Detect, Peaks
from spindle.model.graph import Graph
from spindle.model.ops import Concat, Rows
from spindle.model.weights import Model, Weights

Pass = Callable[[Graph, Weights], tuple[Graph, Weights]]
PASSES: tuple[Pass, ...] = (fold, fuse, cast)


def compile(
    model: Model,
    target: Target,
    threads: int = 1,
    memory: int | None = None,
    tune: bool = False,
) -> Source:
    """The C of a model for a machine, planned for so many threads and bytes of memory."""
    graph, numbers = passed(model.graph, model.weights)
    plan = settled(graph, numbers, target, threads, memory, tune)
    return emit(plan, numbers, target.isa, known(model))


def passed(graph: Graph, numbers: Weights) -> tuple[Graph, Weights]:
    """Graph and weights after all passes."""
    *_, (_, graph, numbers) = seams(graph, numbers)
    return graph, numbers


def seams(graph: Graph, numbers: Weights) -> Iterator[tuple[str, Graph, Weights]]:
    """What each pass has made, by its name, checked."""
    refuse(graph)
    for change in PASSES:
        before, (graph, numbers) = graph, change(graph, numbers)
        verify(before, graph, numbers, change.__name__)
        yield change.__name__, graph, numbers


def refuse(graph: Graph) -> None:
    """A sentence for what the C cannot say; none of the house's networks asks for it."""
    if graph.input.shape[2] != 3:
        raise ValueError(f"compiled networks read RGB, this one {graph.input.shape[2]} channels")
    if max(graph.input.shape[:2]) > LARGEST:
        high, wide, _ = graph.input.shape
        raise ValueError(
            f"compiled networks look at {LARGEST} pixels a side, not at {wide} x {high}"
        )
    readers = Counter(tensor.name for op in graph.ops for tensor in op.inputs)
    makers = {op.name: op for op in graph.ops}
    for op in graph.ops:
        if isinstance(op, Detect) and not all(
            isinstance(makers[tensor.name], (Rows, Concat)) for tensor in op.inputs
        ):
            raise ValueError(f"compiled, {op.name!r} reads rows: put Rows before it")
        if isinstance(op, Peaks) and readers[op.inputs[0].name] > 1:
            raise ValueError(f"compiled, {op.name!r} reads a map that nothing else reads")


def verify(before: Graph, after: Graph, numbers: Weights, name: str) -> None:
    """A pass may not change what is asked of a network, nor leave a weight out."""
    assert after.image == before.image, name
    assert after.outputs == before.outputs, name
    wrong = weights.mismatch(after, {key: array.shape for key, array in numbers.items()})
    assert not wrong, f"{name}: {wrong}"


def settled(
    graph: Graph, numbers: Weights, target: Target, threads: int, memory: int | None, tune: bool
) -> Plan:
    """The plan: measured here, or remembered from when it was, or reckoned."""
    if threads < 1:
        raise ValueError(f"{threads} threads run nothing: say 1 or more")
    if threads > MOST_THREADS:
        raise ValueError(f"{threads} threads cannot share a picture: say {MOST_THREADS} or fewer")
    here = target.name == "native"
    if tune and not here:
        raise ValueError(f"plans for {target.name} cannot be measured here: leave --tune away")
    if tune:
        return tuned(graph, numbers, target, threads, memory)
    found = remembered(graph, target, threads, memory) if here else None
    if found:
        return found
    limits = Limits(min(second_level() or CACHE, CACHE)) if here else Limits()
    if memory is not None:
        return within(graph, target.isa, threads, memory, limits)
    return schedule(graph, target.isa, threads, limits)


@dataclass(frozen=True)
class Layer:
    """A group of ops, and what it takes."""

    ops: tuple[str, ...]
    madds: int
    ms: float


def layers(model: Model, target: Target, threads: int = 1, runs: int = 20) -> list[Layer]:
    """The least time of each group of ops, measured here."""
    graph, numbers = passed(model.graph, model.weights)
    plan = settled(graph, numbers, target, threads, None, False)
    took = times(measured(plan, numbers, target), runs)
    return [
        Layer(tuple(op.name for op in group.ops), sum(op.madds for op in group.ops), ms)
        for group, ms in zip(plan.groups, took, strict=True)
    ]


def known(model: Model) -> dict[str, Any]:
    """What the compiled network says of itself."""
    told = weights.describe(model)
    del told["graph"], told["recipe"]
    count = tasks.answers(model.graph, model.task)
    return told | {"classes": count, "hash": model.hash}


def explain(
    model: Model, target: Target, threads: int = 1, memory: int | None = None, tune: bool = False
) -> str:
    """What each pass did, the plan as a table, and the arena over time."""

    def size(graph: Graph, numbers: Weights) -> tuple[int, int]:
        return len(graph.ops), sum(array.size for array in numbers.values())

    lines, now = [], size(model.graph, model.weights)
    for name, graph, numbers in seams(model.graph, model.weights):
        before, now = now, size(graph, numbers)
        lines.append(f"{name:<10} {before[0]} -> {now[0]} ops, {before[1]:,} -> {now[1]:,} numbers")
    plan = settled(graph, numbers, target, threads, memory, tune)
    arena = place(plan)
    if target.isa.brief:
        count = sum(layout.brief for layout in plan.layouts.values())
        lines.append(f"{'brief':<10} {count} of {len(graph.ops)} edges carried in 16 bits")
    lines.append(f"{'schedule':<10} {len(plan.groups)} groups, {threads} thread(s)")
    lines.append(f"{'place':<10} {arena.bytes:,} bytes")
    return "\n".join([*lines, "", table(plan, arena), "", arena_over_time(plan, arena)])
