"""Where are the inverted residuals of a graph?  Found by their shape, whoever drew them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from spindle.model.graph import Graph
from spindle.model.ops import Add, Conv, Op, Tensor


@dataclass(frozen=True)
class Block:
    """Expand, filter, project and shortcut; the wide tensors between them are nobody else's."""

    expand: Conv | None
    filter: Conv
    project: Conv
    shortcut: Add | None

    @property
    def ops(self) -> tuple[Op, ...]:
        parts = (self.expand, self.filter, self.project, self.shortcut)
        return tuple(op for op in parts if op is not None)

    @property
    def wide(self) -> tuple[Tensor, ...]:
        return tuple(op.output for op in (self.expand, self.filter) if op is not None)

    @property
    def inner(self) -> tuple[Tensor, ...]:
        """The tensors that need never exist whole."""
        return tuple(op.output for op in self.ops[:-1])


def steps(graph: Graph) -> list[Block | Op]:
    """The ops of a graph in running order, with each inverted residual as one step."""
    uses = Counter(tensor.name for op in graph.ops for tensor in op.reads)
    uses.update(tensor.name for tensor in graph.outputs)
    maker = {op.name: op for op in graph.ops}
    last = {}  # the name of a block's last op, and the block

    for project in graph.ops:
        if not (isinstance(project, Conv) and project.pointwise):
            continue
        deep = maker[project.inputs[0].name]
        if not (isinstance(deep, Conv) and deep.depthwise and uses[deep.name] == 1):
            continue
        wide = maker[deep.inputs[0].name]
        expand = (
            wide if isinstance(wide, Conv) and wide.pointwise and uses[wide.name] == 1 else None
        )
        start = expand.inputs[0] if expand else deep.inputs[0]
        shortcut = next(
            (
                op
                for op in graph.ops
                if isinstance(op, Add)
                and set(op.inputs) == {project.output, start}
                and uses[project.name] == 1
            ),
            None,
        )
        last[(shortcut or project).name] = Block(expand, deep, project, shortcut)

    inside = {op.name for block in last.values() for op in block.ops}
    return [last.get(op.name, op) for op in graph.ops if op.name in last or op.name not in inside]
