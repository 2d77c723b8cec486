"""How does a tensor lie in memory?  Its pixels in whole vectors, zeros at its sides."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spindle.compiler.brief import edges
from spindle.compiler.targets import Isa
from spindle.compiler.tiling import GROUP, QUAD
from spindle.compiler.walk import taps
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import Graph
from spindle.model.ops import Concat, Conv, Deconv, Image, Op, Rows, Tensor

LINE = 64  # bytes: what begins here shares no cache line, and is aligned for any vector


@dataclass(frozen=True)
class Layout:
    """Numbers from pixel to pixel, and pixels of zeros on the left and the right of a row."""

    pitch: int
    width: int
    left: int = 0
    right: int = 0
    tiles: int = 0  # of `pitch` channels, each tile a plane of its own; 0: all channels together
    sliced: bool = False  # one plane serves all tiles, one after another
    each: int = 4  # bytes of a number: 4 a float, 2 a brief, 1 on a grid
    rest: int = 0  # channels of the last plane, where its pixels are narrower than the others'
    within: int = 0  # of that plane: numbers in a row of the others

    @property
    def row(self) -> int:
        """Numbers from row to row."""
        return (self.left + self.width + self.right) * self.pitch

    @property
    def last(self) -> Layout:
        """How the last plane lies, where its pixels are narrower."""
        return self if self.within else replace(self, pitch=self.rest, within=self.row)

    @property
    def broad(self) -> int:
        """The pitch of the planes before the last."""
        return self.within // (self.row // self.pitch) if self.within else self.pitch

    @property
    def pieces(self) -> int:
        """Pixels in as many numbers as one takes on the other planes."""
        return self.broad // self.pitch

    def bytes(self, rows: int, planes: int = 1) -> int:
        """What so many rows take; of bytes, four are read at once, beyond the last too."""
        spared = self.row - self.last.row if self.rest and (planes == 1 or not self.sliced) else 0
        numbers = self.row * planes - (spared if planes == self.tiles else 0)
        return self.each * rows * numbers + (QUAD if self.each == 1 else 0)

    @property
    def planes(self) -> int:
        return 1 if self.sliced else max(self.tiles, 1)

    @property
    def brief(self) -> bool:
        return self.each == 2

    @property
    def words(self) -> Layout:
        """The same in numbers of 32 bits, as sums read it: of briefs, in pairs."""
        return replace(self, pitch=self.pitch // 2, each=4) if self.brief else self

    @property
    def indent(self) -> int:
        return self.left * self.pitch


def layouts(graph: Graph, isa: Isa) -> dict[str, Layout]:
    readers: dict[str, list[Op]] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            readers.setdefault(tensor.name, []).append(op)
    found = {op.name: layout(op, readers.get(op.name, []), isa) for op in graph.ops}
    carried = edges(graph) if isa.brief else ()
    return found | {name: replace(found[name], each=2) for name in carried}


def layout(op: Op, readers: list[Op], isa: Isa) -> Layout:
    _, width, channels = op.output.shape
    whole = vectors(channels, isa) * isa.lanes
    exact = writes_numbers(op) and all(reads_numbers(reader, op.output) for reader in readers)
    sides = [margins(reader) for reader in readers if reader.inputs[0] == op.output]
    left, right = (max(side, default=0) for side in zip(*sides, strict=True)) if sides else (0, 0)
    if op.grid and not exact:
        by_groups = any(isinstance(one, Conv) and one.depthwise for one in (op, *readers))
        unit = isa.lanes * (GROUP if by_groups else 1)
        whole = -(-channels // unit) * unit
    return Layout(channels if exact else whole, width, left, right, each=1 if op.grid else 4)


def writes_numbers(op: Op) -> bool:
    """Whether it writes number by number; what writes vectors needs whole ones."""
    return isinstance(op, (Image, Softmax, Normalize, ArgMax, Peaks, Detect, Rows)) or (
        isinstance(op, Concat) and op.axis == "rows"
    )


def reads_numbers(op: Op, tensor: Tensor) -> bool:
    """Whether it reads number by number, and never a vector beyond the last channel."""
    if isinstance(op, Conv):
        return not op.depthwise and tensor not in op.inputs[1:]
    return writes_numbers(op)


def margins(op: Op) -> tuple[int, int]:
    """Zeros that a convolution's windows want on the left and on the right of a row."""
    if not isinstance(op, Conv):
        return 0, 0
    width, pad = op.inputs[0].shape[1], op.pads[1][0]
    if isinstance(op, Deconv):
        last = (op.output.shape[1] - 1 + pad) // op.stride
        return max(taps(op) - 1 - pad // op.stride, 0), max(last - width + 1, 0)
    last = (op.output.shape[1] - 1) * op.stride + op.reach - pad
    return pad, max(last - width, 0)


def vectors(channels: int, isa: Isa) -> int:
    return -(-channels // isa.lanes)
