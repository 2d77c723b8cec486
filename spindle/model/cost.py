"""What does a network cost?  Multiply-adds, parameters and memory, as the paper counts them."""

from __future__ import annotations

from spindle.model.blocks import Block, steps
from spindle.model.graph import Graph
from spindle.model.ops import Conv, Op, Tensor

BYTES = {"int8": 1, "float32": 4}
MEMORY = {
    "op_by_op": "every tensor whole, one op at a time",
    "in_place": "a depthwise convolution writes over its input",
    "block": "an inverted residual is one step; its wide tensors never exist whole",
    "split": "section 5.1: the wide tensors one channel at a time (t = n)",
}


def params_without_norm(graph: Graph) -> int:
    return sum(op.params_without_norm for op in graph.ops)


def conventions(graph: Graph) -> dict[str, tuple[int, str]]:
    """One network, the numbers other tools print for it, and what each of them counts."""
    madds = graph.madds
    normed = sum(op.output.size for op in graph.ops if op.statistics)
    acts = sum(op.output.size for op in graph.ops if isinstance(op, Conv) and op.act)
    return {
        "paper": (madds, "multiply-adds of convolutions and classifier; slim, torchvision, d-li14"),
        "norm once": (
            madds + normed,
            "and one operation for each element batch norm touches; timm",
        ),
        "norm twice": (
            madds + 2 * normed,
            "and two of them, a multiplication and an addition; thop",
        ),
        "norm and act": (
            madds + 2 * normed + acts,
            "and one for each ReLU; ptflops, roughly mmpretrain",
        ),
        "FLOPs": (2 * madds, "multiplications and additions apart: twice the paper's number"),
    }


def memory(graph: Graph) -> dict[str, dict[str, int]]:
    """Bytes of activations at the worst moment, for each way of running and each number format."""
    peaks = {way: peak(graph, way)[0] for way in MEMORY}
    return {way: {name: n * size for name, size in BYTES.items()} for way, n in peaks.items()}


def peak(graph: Graph, way: str = "op_by_op", t: int | None = None) -> tuple[int, str]:
    """The most elements alive at once, and the step at which they are.

    A tensor lives from the step that makes it to the last that reads it.  `t` is in how many parts
    section 5.1 splits the wide channels; without it, into single channels.
    """
    run: list[Block | Op] = steps(graph) if way in ("block", "split") else list(graph.ops)
    hidden = {tensor.name for step in run if isinstance(step, Block) for tensor in step.inner}
    last = {
        tensor.name: i for i, step in enumerate(run) for op in ops_of(step) for tensor in op.inputs
    }
    last |= {tensor.name: len(run) for tensor in graph.outputs}

    most, worst = 0, ""
    alive: dict[str, int] = {}
    for i, step in enumerate(run):
        output = ops_of(step)[-1].output
        before = sum(alive.values())
        alive |= {output.name: output.size}
        needed = sum(alive.values())
        if way == "in_place" and (wide := overwritten(step)) and last[wide.name] == i:
            plane = output.size // output.shape[2]  # one channel is made beside, then moved
            needed = max(before, needed - wide.size) + plane
        if way == "split" and isinstance(step, Block):
            needed += chunk(step, t)
        if needed > most:
            most, worst = needed, output.name
        alive = {
            name: size
            for name, size in alive.items()
            if last.get(name, i) > i and name not in hidden
        }
    return most, worst


def overwritten(step: Block | Op) -> Tensor | None:
    """What a depthwise convolution reads, channel by channel, and could write over."""
    return step.inputs[0] if isinstance(step, Conv) and step.depthwise else None


def chunk(block: Block, t: int | None) -> int:
    """Elements of the wide tensors that live at once when their channels come in t parts."""
    channels = block.filter.channels
    part = -(-channels // (t or channels))
    return sum(part * (tensor.size // channels) for tensor in block.wide)


def ops_of(step: Block | Op) -> tuple[Op, ...]:
    return step.ops if isinstance(step, Block) else (step,)
