"""How do ops make a network?  A graph of them in running order, and the builder that writes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

from spindle.model.ops import Act, Add, Concat, Conv, Image, Mean, Norm, Op, Resize, Rows, Tensor


@dataclass(frozen=True)
class Graph:
    """Ops in running order, from one picture to one output or several."""

    ops: tuple[Op, ...]
    outputs: tuple[Tensor, ...]

    @property
    def input(self) -> Tensor:
        return self.image.output

    @property
    def image(self) -> Image:
        first = self.ops[0]
        assert isinstance(first, Image)
        return first

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    @property
    def madds(self) -> int:
        return sum(op.madds for op in self.ops)

    @property
    def params(self) -> int:
        return sum(op.params for op in self.ops)

    @property
    def of_bytes(self) -> bool:
        """Whether any of its tensors are."""
        return any(op.grid for op in self.ops)

    @cached_property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array the network needs: learnt, counted, and the grids."""
        return {
            f"{op.name}.{part}": shape
            for op in self.ops
            for part, shape in (op.weights | op.statistics | op.numbers).items()
        }

    def __getitem__(self, name: str) -> Tensor:
        return find(self.ops, name)

    def until(self, *names: str) -> Graph:
        """The part of this graph that makes the features of these names."""
        if not names:
            raise ValueError("name one feature or more; block07 say")
        return pruned(self.ops, tuple(self[name] for name in names))

    def map(self, change: Callable[[Op], Op]) -> Graph:
        """Every op rewritten, in order; shapes follow.  The one way a pass may change a graph."""
        made: dict[str, Tensor] = {}
        ops = []
        for op in self.ops:
            op = change(rewire(op, made))
            made[op.name] = op.output
            ops.append(op)
        return Graph(tuple(ops), tuple(made[tensor.name] for tensor in self.outputs))

    def resized(self, height: int, width: int) -> Graph:
        """The same network, the same weights, for pictures of another size."""
        return self.map(
            lambda op: replace(op, height=height, width=width) if isinstance(op, Image) else op
        )


def rewire(op: Op, made: dict[str, Tensor]) -> Op:
    """The op with each tensor it names replaced by the one now made under that name."""

    def new(value: object) -> object:
        match value:
            case Tensor():
                return made[value.name]
            case tuple():
                return tuple(new(item) for item in value)
        return value

    changed: dict[str, Any] = {f.name: new(getattr(op, f.name)) for f in fields(op)}
    return replace(op, **changed)


def find(ops: Iterable[Op], name: str) -> Tensor:
    """The tensor of this name; the name of a stage, such as block07, means its last op."""
    ops = list(ops)
    for op in reversed(ops):
        if op.name == name:
            return op.output
    for op in reversed(ops):
        if op.name.startswith(f"{name}_"):
            return op.output
    stages = sorted({op.name.split("_")[0] for op in ops})
    raise ValueError(f"there is no {name!r} in this network; its stages are {', '.join(stages)}")


def lead(graph: Graph, tensor: Tensor) -> list[Op]:
    """The last ops with weights before a tensor, and all that stands between them and it."""
    made = next(op for op in graph.ops if op.name == tensor.name)
    found = [made]
    if not made.weights:
        for before in made.inputs:
            found += lead(graph, before)
    return found


def pruned(ops: Iterable[Op], outputs: tuple[Tensor, ...]) -> Graph:
    """The graph of these outputs: what none of them needs is not in it."""
    needed, kept = {tensor.name for tensor in outputs}, []
    for op in reversed(list(ops)):
        if op.name in needed or isinstance(op, Image):
            kept.append(op)
            needed.update(tensor.name for tensor in op.reads)
    return Graph(tuple(reversed(kept)), outputs)


@dataclass(frozen=True)
class Family:
    """The habits in which published weights differ, none of which shows in their shapes."""

    padding: Literal["same", "symmetric"]
    norm: Norm | None  # None: norm is already folded into weight and bias
    image: Image = Image("image", (), 224, 224)


PAPER = Family("same", Norm(eps=1e-3, momentum=0.003))
TORCH = Family(
    "symmetric",
    Norm(eps=1e-5, momentum=0.1),
    replace(PAPER.image, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
)
FAMILIES = {"paper": PAPER, "torch": TORCH}


class Builder:
    """Writes a graph one op at a time, in the habits of one family."""

    def __init__(self, size: tuple[int, int], family: Family = PAPER):
        height, width = size
        self.family = family
        self.ops: dict[str, Op] = {}
        self.image = self.add(replace(family.image, height=height, width=width))

    def add(self, op: Op) -> Tensor:
        if op.name in self.ops:
            raise ValueError(f"two ops are called {op.name!r}")
        self.ops[op.name] = op
        return op.output

    def conv(
        self, x: Tensor, name: str, channels: int, kernel: int = 1, stride: int = 1,
        dilation: int = 1, act: Act = "relu6", **settings: Any,
    ) -> Tensor:  # fmt: skip
        """A convolution that pads and normalises as its family does, where it is not told."""
        usual: dict[str, Any] = {"norm": self.family.norm}
        if kernel > 1:
            symmetric = dilation * (kernel // 2)
            usual["padding"] = "same" if self.family.padding == "same" else symmetric
        settings = usual | settings | {"dilation": dilation, "act": act}
        return self.add(Conv(name, (x,), channels, kernel, stride, **settings))

    def depthwise(
        self, x: Tensor, name: str, stride: int = 1, dilation: int = 1, **settings: Any
    ) -> Tensor:
        channels = x.shape[2]
        return self.conv(x, name, channels, 3, stride, dilation, groups=channels, **settings)

    def sum(self, a: Tensor, b: Tensor, name: str) -> Tensor:
        return self.add(Add(name, (a, b)))

    def mean(self, x: Tensor, name: str) -> Tensor:
        return self.add(Mean(name, (x,)))

    def resize(self, x: Tensor, name: str, like: Tensor, corners: bool = False) -> Tensor:
        return self.add(Resize(name, (x,), like, corners))

    def rows(self, x: Tensor, name: str, channels: int) -> Tensor:
        return self.add(Rows(name, (x,), channels))

    def concat(
        self, xs: Iterable[Tensor], name: str, axis: Literal["channels", "rows"] = "channels"
    ) -> Tensor:
        return self.add(Concat(name, tuple(xs), axis))

    def __getitem__(self, name: str) -> Tensor:
        return find(self.ops.values(), name)

    def graph(self, *outputs: Tensor) -> Graph:
        return pruned(self.ops.values(), outputs)
