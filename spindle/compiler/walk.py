"""Which rows does an op read to make a row, and how many of each tensor must stand at once?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spindle.compiler.fused import Cast
from spindle.model.answers import ArgMax, Normalize, Softmax
from spindle.model.graph import Graph
from spindle.model.ops import Add, Concat, Conv, Deconv, Image, Mean, Op, Rows, Tensor


@dataclass(frozen=True)
class Reach:
    """To make row y it reads from (scale y + low) // over up to (scale y + high) // over."""

    scale: int = 1
    low: int = 0
    high: int = 1
    over: int = 1

    def first(self, y: int) -> int:
        return max((self.scale * y + self.low) // self.over, 0)

    def end(self, y: int, height: int) -> int:
        """One past the last row that is read when rows before y are made."""
        return min((self.scale * (y - 1) + self.high) // self.over, height)


def reach(op: Op, tensor: Tensor) -> Reach | None:
    """What an op reads of one of its inputs; nothing is said where it wants all of it."""
    match op:
        case Deconv():
            pad, back = op.pads[0][0], (taps(op) - 1) * op.stride
            return Reach(1, pad - back, pad + op.stride, op.stride)
        case Conv():
            if tensor != op.inputs[0]:
                return Reach()
            pad = op.pads[0][0]
            return Reach(op.stride, -pad, op.reach - pad)
        case Add() | ArgMax() | Softmax() | Normalize() | Image() | Mean() | Rows() | Cast():
            return Reach()
        case Concat(axis="channels"):
            return Reach()
    return None


def extent(op: Op) -> int:
    """The rows an op walks through: those it reads, where it sums or strings them together."""
    return (op.inputs[0] if isinstance(op, (Mean, Rows)) else op.output).shape[0]


def taps(op: Deconv) -> int:
    """How many taps of a transposed convolution fall on one output pixel, along one side."""
    return -(-op.kernel // op.stride)


@dataclass(frozen=True)
class Group:
    """Ops that run together, row by row: what passes between them need not stand whole.

    `rows` is how many rows each makes at a time.  In lanes all threads share each step, by
    channels; else each has rows of its own, and rings of its own.  A wide tensor is made and read
    a tile of channels at a time: `wide` says how many vectors are in its tiles.  A group that is
    split goes through all its rows for one tile after another (section 5.1 of the paper), so that
    no more of a wide tensor ever stands.
    """

    ops: tuple[Op, ...]
    rows: Mapping[str, int]
    lanes: bool = True
    wide: Mapping[str, int] = field(default_factory=dict)
    split: bool = False

    @property
    def name(self) -> str:
        return self.ops[-1].name

    def __contains__(self, tensor: Tensor) -> bool:
        return any(op.name == tensor.name for op in self.ops)

    def readers(self, tensor: Tensor) -> list[Op]:
        return [op for op in self.ops if tensor in op.inputs]


def apart(op: Op) -> bool:
    """Whether channels never mix in an op, so that a tile of them needs no others."""
    return isinstance(op, Mean) or (isinstance(op, Conv) and op.depthwise)


def sinks(group: Group, graph: Graph) -> list[Op]:
    """The ops of a group that others read, or nobody: what the group is run for."""
    inside = {op.name for op in group.ops}
    read = {tensor.name for op in graph.ops for tensor in op.inputs}
    wanted = inside - read | {tensor.name for tensor in graph.outputs}
    for op in graph.ops:
        if op.name not in inside:
            wanted |= {tensor.name for tensor in op.inputs}
    return [op for op in group.ops if op.name in wanted]


def starts(group: Group, graph: Graph, begin: int) -> dict[str, int]:
    """The first row each op makes where the group's only sink begins at this row."""
    (sink,) = sinks(group, graph)
    first = {sink.name: begin}
    for op in reversed(group.ops):
        for tensor in op.inputs:
            if tensor in group:
                how = reach(op, tensor)
                row = how.first(first[op.name]) if how else 0
                first[tensor.name] = min(first.get(tensor.name, row), row)
    return first


def rings(group: Group, graph: Graph, begin: int = 0, end: int | None = None) -> dict[str, int]:
    """The rows of each tensor made here that must stand at once, found by walking through it."""
    ends = sinks(group, graph)
    made = dict.fromkeys((op.name for op in group.ops), 0)
    made |= starts(group, graph, begin) if begin else {}
    ops = {op.name: op for op in group.ops}
    most = dict.fromkeys(ops, 1)
    readers = {op.name: group.readers(op.output) for op in group.ops}

    def oldest(name: str) -> int:
        """The first row that somebody here has yet to read."""
        found = made[name]
        for reader in readers[name]:
            how = reach(reader, ops[name].output)
            if made[reader.name] < extent(reader):
                found = min(found, how.first(made[reader.name]) if how else 0)
        return found

    def pull(name: str, until: int) -> None:
        op = ops[name]
        while (y := made[name]) < until:
            rows = min(group.rows[name], until - y)
            for tensor in op.inputs:
                if tensor in group:
                    how, height = reach(op, tensor), tensor.shape[0]
                    pull(tensor.name, how.end(y + rows, height) if how else height)
            most[name] = max(most[name], y + rows - oldest(name))
            made[name] = y + rows

    for sink in ends:
        pull(sink.name, extent(sink) if end is None else end)
    return most
