"""Plans that can be run, whatever they keep to; and tensors that lie so that kernels can read them.

compiler/layout.py is judged here: what a layout must be follows from who reads the tensor.
"""

from __future__ import annotations

import pytest

from spindle.compiler.layout import layouts
from spindle.compiler.pipeline import passed
from spindle.compiler.schedule import Limits, Plan, inside, schedule
from spindle.compiler.targets import AVX2, AVX512, NEON, PLAIN, Isa
from spindle.compiler.walk import extent, sinks
from spindle.model.answers import ArgMax, Detect
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import TORCH, Graph
from spindle.model.ops import Conv, Deconv
from spindle.model.weights import initial
from tests import drawn

GRAPHS = {
    head: lambda head=head: mobilenet_v2(0.35, (97, 65), head, classes=3)
    for head in ("classifier", "ssdlite", "deeplab-aspp", "pose-light", "embedding")
} | {f"drawn {seed}": lambda seed=seed: drawn.network(seed) for seed in range(20)}
LIMITS = (Limits(), Limits(cache=0), Limits(rings=0, streamed=9), Limits(rings=0, split=True))


def compiled(graph: Graph) -> Graph:
    return passed(graph, initial(graph))[0]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_op_runs_once_after_what_it_reads(name: str) -> None:
    graph = compiled(GRAPHS[name]())
    for limits in LIMITS:
        for threads in (1, 4):
            plan = schedule(graph, AVX2, threads, limits)
            order = [op.name for group in plan.groups for op in group.ops]
            assert sorted(order) == sorted(op.name for op in graph.ops)
            done: set[str] = set()
            for group in plan.groups:
                for op in group.ops:
                    assert all(tensor.name in done for tensor in op.inputs), op.name
                    done.add(op.name)
                assert sinks(group, graph)
                assert all(1 <= group.rows[op.name] <= extent(op) for op in group.ops)
                assert threads > 1 or group.lanes
            check_layouts(plan, AVX2)


def check_layouts(plan: Plan, isa: Isa) -> None:
    for op in plan.graph.ops:
        made, (_, width, channels) = plan.layouts[op.name], op.output.shape
        assert made.width == width and made.pitch * max(made.tiles, 1) >= channels
        for tensor in op.inputs[:1]:
            if not isinstance(op, Conv):
                continue
            layout, pad = plan.layouts[tensor.name], op.pads[1][0]
            places = [
                (x + pad - u) // op.stride if isinstance(op, Deconv) else x * op.stride - pad + u
                for x in range(op.output.shape[1])
                for u in (
                    range(op.kernel) if isinstance(op, Deconv) else range(0, op.reach, op.dilation)
                )
                if not isinstance(op, Deconv) or (x + pad - u) % op.stride == 0
            ]
            assert -layout.left <= min(places) and max(places) < layout.width + layout.right
            if op.depthwise:
                assert layout.pitch % isa.lanes == 0  # it is read by whole vectors
        if isinstance(op, Conv):
            assert made.pitch % isa.lanes == 0  # and written so


def test_wide_tensors_never_stand_whole_where_rows_are_many() -> None:
    graph = compiled(mobilenet_v2(1.0, 224))
    plan = schedule(graph, AVX2, 1)
    standing = {op.name for group in plan.groups for op in sinks(group, graph)}
    wide = {op.name for op in graph.ops if op.name.endswith(("_expand", "_filter"))}
    assert not standing & wide and {"block01_filter", "image", "stem"} & standing == set()
    assert {group.name for group in plan.groups} >= {"block03_add", "block17_project", "pool"}
    for op in graph.ops:
        home = next(group for group in plan.groups if op in group.ops)
        assert (op.name in inside(home, graph)) == (op.name not in standing)


@pytest.mark.parametrize("isa", [PLAIN, AVX2, AVX512, NEON], ids=lambda isa: isa.name)
def test_what_the_caller_reads_lies_exactly(isa: Isa) -> None:
    """Numbers that are written one by one need no filling: no copy is made for the caller."""
    for graph in (mobilenet_v2(0.1, 65, "deeplab"), mobilenet_v2(0.1, 96, "ssdlite")):
        graph = compiled(graph)
        for op in graph.ops:
            if isinstance(op, (ArgMax, Detect)):
                made, (_, width, channels) = layouts(graph, isa)[op.name], op.output.shape
                assert made.row == width * channels


def test_one_pass_over_v1_and_torch() -> None:
    for graph in (mobilenet_v1(0.25, 64), mobilenet_v2(0.1, 64, family=TORCH, output_stride=8)):
        check_layouts(schedule(compiled(graph), AVX512, 2), AVX512)
