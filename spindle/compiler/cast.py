"""Where do bytes meet numbers?  There a pass puts a change of format, an op of its own."""

from __future__ import annotations

from dataclasses import replace

from spindle.compiler.fused import Cast
from spindle.model.graph import Graph, pruned, rewire
from spindle.model.grids import grids, whole
from spindle.model.ops import Image, Op, Tensor
from spindle.model.weights import Weights


def cast(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The same network, in which only ops that reckon with bytes read them or make them."""
    known, numbers = grids(graph, weights), dict(weights)
    made: dict[str, Tensor] = {}
    ops: dict[str, Op] = {}

    def add(op: Op) -> Tensor:
        return ops.setdefault(op.name, op).output

    for op in graph.ops:
        own = rewire(op, made)
        if whole(op) or isinstance(op, Image):
            made[op.name] = add(own)
            continue
        plain = tuple(
            add(Cast(f"{tensor.name}_numbers", (tensor,))) if tensor.grid else tensor
            for tensor in own.inputs
        )
        own = replace(own, inputs=plain, grid=False)
        if op.grid:
            own = replace(own, name=f"{op.name}_exact")
            for part in own.weights:
                numbers[f"{own.name}.{part}"] = numbers.pop(f"{op.name}.{part}")
            numbers[f"{op.name}.scale"] = known[op.name].scale
            numbers[f"{op.name}.zero"] = known[op.name].middle
            own = Cast(op.name, (add(own),), grid=True)
        made[op.name] = add(own)
    return pruned(ops.values(), tuple(made[tensor.name] for tensor in graph.outputs)), numbers
