"""Which plan is the quickest here?  Several are built and measured, the best of each remembered."""

from __future__ import annotations

import ctypes
import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from spindle.compiler import build
from spindle.compiler.budget import tightened, within
from spindle.compiler.emit import emit
from spindle.compiler.library import Library
from spindle.compiler.place import place
from spindle.compiler.schedule import Limits, Plan, planned, schedule
from spindle.compiler.targets import Target, processor
from spindle.compiler.walk import Group
from spindle.model import atomic, record
from spindle.model.cache import cache
from spindle.model.graph import Graph
from spindle.model.weights import Weights

CACHES = (0, 128 << 10, 256 << 10, 512 << 10, 1 << 20)  # bytes a plan may think it has
ROUNDS, RUNS = 5, 4


def tuned(graph: Graph, numbers: Weights, target: Target, threads: int, memory: int | None) -> Plan:
    """The plan whose every group is the quickest of those measured; it is kept for next time."""
    plans = variants(graph, target, threads, memory)
    libraries = [measured(plan, numbers, target) for plan in plans]
    best: dict[str, tuple[float, Group]] = {}
    for _ in range(ROUNDS):
        for plan, library in zip(plans, libraries, strict=True):
            for group, took in zip(plan.groups, times(library, RUNS), strict=True):
                if group.name not in best or took < best[group.name][0]:
                    best[group.name] = took, group
    groups = tuple(best[group.name][1] for group in plans[0].groups)
    mixed = planned(graph, groups, target.isa, threads)
    if memory is not None and place(mixed).bytes > memory:
        mixed = plans[0]
    keep(mixed, target, memory)
    return mixed


def variants(graph: Graph, target: Target, threads: int, memory: int | None) -> list[Plan]:
    """Plans that differ in the rows of their groups, and fit."""
    isa = target.isa
    plans = [schedule(graph, isa, threads, Limits(size)) for size in CACHES]
    if memory is not None:
        plans = [plan for plan in plans if place(plan).bytes <= memory]
        for limits in tightened(Limits()):
            plan = schedule(graph, isa, threads, limits)
            if plans and len(plan.groups) != len(plans[0].groups):
                break
            if place(plan).bytes <= memory:
                plans.append(plan)
    found: list[Plan] = []
    for plan in plans:
        if plan not in found:
            found.append(plan)
    if memory is not None and not found:
        return [within(graph, isa, threads, memory)]  # which says how much would do
    return found


def measured(plan: Plan, numbers: Weights, target: Target) -> Library:
    """The plan as a library that tells when each group ended."""
    image = record.to_json(plan.graph)["ops"][0]
    told: dict[str, Any] = {"measured": True, "preprocessing": image, "task": "measured"}
    source = emit(plan, numbers, target.isa, told)
    library: Library = build.from_cache(source, target, lambda path: Library(path, plan.threads))
    return library


def times(library: Library, runs: int) -> list[float]:
    """The least milliseconds of each group, in some runs."""
    picture = np.random.default_rng(0).integers(0, 256, (*library.size, 3), np.uint8)
    library.code.model_marks.restype = ctypes.POINTER(ctypes.c_double)
    marks = library.code.model_marks()
    count = library.info["groups"]
    taken = []
    for _ in range(runs):
        library.run(picture)
        taken.append(np.diff([marks[i] for i in range(count + 1)]))
    return [1e3 * float(least) for least in np.min(taken, axis=0)]


def keep(plan: Plan, target: Target, memory: int | None) -> None:
    rows = [
        {"ops": [op.name for op in g.ops], "rows": dict(g.rows), "split": g.split}
        for g in plan.groups
    ]
    atomic.write(file(plan.graph, target, plan.threads, memory), json.dumps(rows).encode())


def remembered(graph: Graph, target: Target, threads: int, memory: int | None) -> Plan | None:
    """The plan that was once the quickest on this machine; none if it no longer fits."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(file(graph, target, threads, memory).read_text("utf-8"))
        ops = {op.name: op for op in graph.ops}
        groups = [
            Group(
                tuple(ops[name] for name in one["ops"]),
                counts(one["rows"], one["ops"]),
                split=one["split"] is True,
            )
            for one in kept
        ]
        plan = planned(graph, tuple(groups), target.isa, threads)
        whole = sorted(op.name for group in plan.groups for op in group.ops) == sorted(ops)
        if whole and (memory is None or place(plan).bytes <= memory):
            return plan
    return None


def counts(rows: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Rows as they were kept, none of them nonsense."""
    if rows.keys() != set(names) or not all(type(n) is int and n > 0 for n in rows.values()):
        raise ValueError("these are no rows")
    return rows


def file(graph: Graph, target: Target, threads: int, memory: int | None) -> Path:
    """Where a plan is kept: by the network, the processor and what was asked."""
    asked = [record.to_json(graph), processor(), repr(target), threads, memory]
    name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:24]
    folder = cache() / "plans"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.json"
