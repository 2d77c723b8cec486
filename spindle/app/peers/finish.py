"""What is left where a runtime has no words for the answer?  The rest, as numpy defines it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.model import record
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks
from spindle.model.graph import Graph, pruned
from spindle.model.ops import Op, Rows

Array = NDArray[Any]
Finish = Callable[[dict[str, Array]], dict[str, Array]]
Kinds = tuple[type[Op], ...]
EXECUTORCH: Kinds = (ArgMax, Detect, Normalize, Peaks, Rows)  # what XNNPACK does not do


def parted(graph: Graph, left_out: Kinds) -> tuple[Graph, tuple[Op, ...]]:
    """The graph up to the ops of these kinds, and the ops from there on."""
    rest: dict[str, Op] = {}
    for op in graph.ops:
        if isinstance(op, left_out) or any(tensor.name in rest for tensor in op.inputs):
            rest[op.name] = op
    wanted = [tensor for op in rest.values() for tensor in op.inputs] + list(graph.outputs)
    ends = {tensor.name: tensor for tensor in wanted if tensor.name not in rest}
    return pruned(graph.ops, tuple(ends.values())), tuple(rest.values())


def finisher(folder: Path, left_out: Kinds) -> tuple[Graph, Finish]:
    """What a runtime computes, and the function from that to the answers, both in batches."""
    graph = record.from_json(json.loads((folder / "graph.json").read_text()))
    first, rest = parted(graph, left_out)

    def finish(values: dict[str, Array]) -> dict[str, Array]:
        for op in rest:
            values[op.name] = reference.step(op, [values[t.name] for t in op.inputs], {})
        return {tensor.name: values[tensor.name] for tensor in graph.outputs}

    return first, finish
