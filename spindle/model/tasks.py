"""What is a network asked, and how many different things can its answer name?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spindle.model.answers import ArgMax, Detect, Peaks
from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.ops import Op, Tensor


def deciding(graph: Graph) -> Op:
    """The op that makes the answer."""
    return next(op for op in graph.ops if op.name == graph.output.name)


def outputs(graph: Graph) -> list[dict[str, Any]]:
    """What a caller must know of the arrays that a network fills."""
    return [
        {"name": t.name, "shape": list(t.shape), "dtype": dtype(graph, t)} for t in graph.outputs
    ]


def dtype(graph: Graph, tensor: Tensor) -> str:
    """Of what an output is made: numbers of classes are whole, all others are not."""
    (maker,) = (op for op in graph.ops if op.name == tensor.name)
    return "int32" if isinstance(maker, ArgMax) else "float32"


def answers(graph: Graph, task: Task) -> int:
    """How many different things this network can name; 0 for one that names none."""
    match task:
        case "classify":
            return graph.output.size
        case "segment":
            return deciding(graph).inputs[0].shape[2]
        case "pose":
            return graph.output.shape[0]
        case "detect":
            return deciding(graph).inputs[1].shape[2] - 1
    return 0


def check(
    graph: Graph, task: Task, labels: Sequence[str] = (), name: object = "this model"
) -> None:
    """That it answers its task, of pictures, and that its labels are as many as its classes."""
    answering(graph, task, name)
    if graph.input.shape[2] != 3:
        raise ValueError(f"{name} sees {graph.input.shape[2]} channels; pictures have 3")
    count = answers(graph, task)
    if labels and count and len(labels) != count:
        raise ValueError(f"{name} knows {count} classes, but has {len(labels)} labels")


def answering(graph: Graph, task: Task, name: object = "this model") -> None:
    """That its answer is of the form its task has, whatever it sees."""
    shape, last = graph.output.shape, deciding(graph)
    fits = {
        "classify": shape[:2] == (1, 1),
        "detect": isinstance(last, Detect),
        "segment": isinstance(last, ArgMax),
        "pose": isinstance(last, Peaks),
        "embed": shape[:2] == (1, 1),
    }
    if not fits.get(task):
        raise ValueError(
            f"the task of {name} is {task}, but its answer is {type(last).__name__} of {shape}"
        )
