"""Which two ops are one?  A shortcut is added by the convolution before it."""

from __future__ import annotations

from dataclasses import fields

from spindle.compiler.fused import Sum
from spindle.model.graph import Graph, pruned
from spindle.model.ops import Add, Conv, Deconv, Op
from spindle.model.weights import Weights


def fuse(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """Every Add that follows a convolution nobody else reads becomes part of it."""
    makers = {op.name: op for op in graph.ops}
    readers: dict[str, int] = dict.fromkeys((tensor.name for tensor in graph.outputs), 1)
    for op in graph.ops:
        for tensor in op.reads:
            readers[tensor.name] = readers.get(tensor.name, 0) + 1
    order = {op.name: place for place, op in enumerate(graph.ops)}

    renamed: Weights = dict(weights)
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Add):
            at = {t.name: order[t.name] for t in op.inputs}
            last = max(op.inputs, key=lambda tensor: at[tensor.name])
            maker = makers[last.name]
            if joins(maker, op) and readers[last.name] == 1:
                ops.append(joined(op, maker))
                for part in maker.weights | maker.numbers:
                    renamed[f"{op.name}.{part}"] = renamed.pop(f"{maker.name}.{part}")
                continue
        ops.append(op)
    return pruned(ops, graph.outputs), renamed


def joins(op: Op, add: Add) -> bool:
    """Whether the sum is exact until it is rounded: of numbers, or of whole ones and bytes."""
    if not isinstance(op, Conv) or isinstance(op, (Deconv, Sum)) or op.depthwise or op.grid:
        return False
    if op.whole and op.act:
        return False
    others = [tensor for tensor in add.inputs if tensor.name != op.name]
    return len(others) == 1 and others[0].grid == op.whole


def joined(add: Add, conv: Op) -> Sum:
    """The convolution under the name of the sum, on its grid."""
    assert isinstance(conv, Conv)
    (other,) = (t for t in add.inputs if t.name != conv.name)
    settings = {field.name: getattr(conv, field.name) for field in fields(conv)}
    return Sum(**settings | {"name": add.name, "inputs": (*conv.inputs, other), "grid": add.grid})
