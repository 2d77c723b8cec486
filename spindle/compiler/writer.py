"""What is the text of one group of ops written from, and what does it turn out to need?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spindle.compiler import quads
from spindle.compiler.layout import Layout, vectors
from spindle.compiler.pack import Array, Blob
from spindle.compiler.place import Arena
from spindle.compiler.quads import Packed
from spindle.compiler.schedule import Plan
from spindle.compiler.targets import Isa
from spindle.compiler.tiling import QUAD, Tiling, evenly, grouped_tiling, tiling
from spindle.compiler.walk import Group, extent, reach
from spindle.model.grids import Grid
from spindle.model.ops import Conv, Deconv, Op, Tensor
from spindle.model.weights import Weights

Lines = Iterator[str]
Shape = tuple[str, int, int, tuple[str, ...]]  # the last: whether half, and what is brief
HALF = "half"


@dataclass
class Writer:
    """One group on its way into C."""

    plan: Plan
    arena: Arena
    group: Group
    weights: Weights
    isa: Isa
    blob: Blob = field(default_factory=Blob)  # the group's own weights
    tensors: list[str] = field(default_factory=list)  # in the order of the group's pointers
    kept: dict[str, int] = field(default_factory=dict)
    shapes: set[Shape] = field(default_factory=set)  # of the kernels it calls
    known: dict[str, Grid] = field(default_factory=dict)
    sums: dict[str, quads.Sums] = field(default_factory=dict)

    def at(self, name: str) -> str:
        """The pointer to a tensor, or to what lies beside an op."""
        pointer, layout = self.words(name), self.plan.layouts.get(name)
        if layout and layout.brief:
            return f"((brief *){pointer})"
        return f"((uint8_t *){pointer})" if name in self.known else pointer

    def words(self, name: str) -> str:
        """The same pointer, to numbers of 32 bits whatever they mean."""
        if name not in self.tensors:
            self.tensors.append(name)
        return f"at->t[{self.tensors.index(name)}]"

    def kind(self, tensor: Tensor) -> str:
        return "brief" if self.layout(tensor).brief else self.read(tensor)

    def read(self, tensor: Tensor) -> str:
        """As what sums read it: pairs of briefs travel as floats do."""
        return "uint8_t" if tensor.grid else "float"

    def made(self, op: Op | Tensor) -> str:
        names = [one.name for one in self.group.ops]
        return f"at->made[{names.index(op.name)}]"

    def layout(self, tensor: Tensor) -> Layout:
        return self.plan.layouts[tensor.name]

    def rows(self, op: Op) -> int:
        return self.group.rows[op.name]

    def function(self, name: str) -> str:
        """@ is the group's name: groups that are equal but for it share their text."""
        stage = self.group.name.split("_")[0]
        return "@_" + name.removeprefix(f"{stage}_")

    def keep(self, op: Op, pack: Callable[..., Array], *how: Any) -> int:
        """Where in the group's weights those of an op begin, packed once."""
        if op.name not in self.kept:
            self.kept[op.name] = self.blob.add(pack(op, self.weights, *how, self.isa.lanes))
        return self.kept[op.name]

    def pack(self, op: Op, pack: Callable[..., Packed], *how: Any) -> int:
        """The same for an op that reads bytes."""
        if op.name not in self.kept:
            packed = pack(op, self.weights, self.known, self.isa, *how)
            self.kept[op.name] = self.blob.add(packed.content)
            self.sums[op.name] = packed.sums
        return self.kept[op.name]

    def parts(self, op: Op) -> int:
        """As how many vectors a vector of its quads was packed."""
        return 2 if self.sums[op.name] == "apart" else 1

    def ways(self, op: Op) -> str:
        """How an op makes what it makes of sums of bytes."""
        grid = self.known.get(op.name)
        beside = grid is not None and bool(grid.zero.any())
        told = {"bytes": grid is not None, "beside": beside, self.sums[op.name]: True}
        return " | ".join(f"made_{way}" for way, so in told.items() if so)

    def blank(self, tensor: Tensor) -> str:
        """A row that holds nothing but what stands for 0, with all that is read beyond it."""
        layout, zero = self.layout(tensor), self.known[tensor.name].zero
        if not zero.any():
            return "(const uint8_t *)at->zero"
        if layout.within:
            pixel = quads.filled(zero[(layout.tiles - 1) * layout.broad :], layout.pitch)
            rows = np.tile(pixel, layout.row // layout.pitch).astype(np.uint8)
            return f"((const uint8_t *)({self.constant(f'{tensor.name}.last', rows)}))"
        planes = max(layout.tiles, 1)
        pixel = np.pad(zero, (0, planes * layout.pitch - len(zero))).astype(np.uint8)
        rows = np.tile(pixel.reshape(planes, -1), (1, layout.row // layout.pitch))
        found = self.constant(f"{tensor.name}.blank", np.pad(rows.ravel(), (0, QUAD)))
        return f"((const uint8_t *)({found}){f' + n * {layout.row}' if layout.tiles else ''})"

    def constant(self, name: str, array: Array) -> str:
        """Numbers that are not weights, kept beside them."""
        if name not in self.kept:
            self.kept[name] = self.blob.add(array)
        return f"at->w + {self.kept[name]}"

    def channels(self, name: str, tensor: Tensor, *arrays: Array) -> str:
        """Numbers of each channel of a tensor, and of those that fill its pixels."""
        layout = self.layout(tensor)
        full = max(layout.tiles, 1) * layout.pitch
        return self.constant(name, quads.joined([quads.filled(one, full) for one in arrays]))

    def kernel(
        self, kind: str, pixels: int, other: int, half: bool = False, **parts: Tensor
    ) -> str:
        """Its name; `parts` of it are of other numbers where such a tensor is brief."""
        ways = tuple(part for part, tensor in parts.items() if self.layout(tensor).brief)
        shape = kind, pixels, other, (HALF,) * half + ways
        self.shapes.add(shape)
        return called(*shape)

    @property
    def shared(self) -> bool:
        """Whether threads take channels of each step."""
        return self.group.lanes and self.plan.threads > 1

    def op(self, name: str) -> Op:
        return next(op for op in self.group.ops if op.name == name)

    def pull(self, op: Op, tensor: Tensor, end: str = "y + rows") -> str:
        """Asks for the rows of an input that are read next."""
        return f"{self.function(tensor.name)}(at, {self.until(op, tensor, end)});"

    def until(self, op: Op, tensor: Tensor, end: str = "y + rows") -> str:
        """The row of an input before which all must be there to make those before the end."""
        how, height = reach(op, tensor), extent(self.op(tensor.name))
        if not how:
            return str(height)
        read = affine(end, how.scale, how.high - how.scale, how.over)
        beyond = (how.scale * (extent(op) - 1) + how.high) // how.over > height
        return f"lower({read}, {height})" if beyond else read

    def plane(self, tensor: Tensor) -> int:
        """Floats from a tile of channels to the next."""
        layout = self.layout(tensor)
        return self.arena.rows[tensor.name] * (layout.within or layout.row)

    def planes(self, tensor: Tensor) -> Iterator[tuple[str, Writer]]:
        """Who writes of plane n of a tensor, and when: of the last one it may be another."""
        layout = self.layout(tensor)
        if not layout.rest:
            yield "", self
            return
        narrow = replace(self.plan, layouts=self.plan.layouts | {tensor.name: layout.last})
        if layout.tiles > 1:
            yield f"if (n + 1 < {layout.tiles})", self
        yield f"if (n + 1 == {layout.tiles})", replace(self, plan=narrow)

    def base(self, tensor: Tensor) -> str:
        """The start of a tensor, or of the plane of tile n where it has planes."""
        layout, base = self.layout(tensor), self.at(tensor.name)
        if layout.sliced:
            return f"{base} + at->thread * {self.plane(tensor)}" if self.shared else base
        return f"{base} + n * {self.plane(tensor)}" if layout.tiles else base

    def row(self, tensor: Tensor, y: str, base: str = "") -> str:
        """The start of a row of an input, or of zeros where it has none."""
        height, floats = tensor.shape[0], self.layout(tensor).words.row
        ring = self.arena.rows[tensor.name]
        base = base or (self.at(tensor.name) if tensor.grid else self.words(tensor.name))
        if tensor.grid:
            return f"row8({base}, {y}, {height}, {ring}, {floats}, {self.blank(tensor)})"
        return f"row({base}, {y}, {height}, {ring}, {floats}, at->zero)"

    def to(self, tensor: Tensor, y: str) -> str:
        """The first pixel of a row of an output."""
        layout, ring = self.layout(tensor), self.arena.rows[tensor.name]
        turn = "" if ring == tensor.shape[0] else f" % {ring}"
        place = f" + {bracketed(y)}{turn} * {layout.row}" if ring > 1 else ""
        return plus(f"{self.base(tensor)}{place}", layout.indent)

    def maker(self, op: Op) -> Conv | None:
        """The convolution whose wide tensor an op reads tile by tile as it is made."""
        name = op.inputs[0].name if op.inputs else ""
        found = self.op(name) if name in self.group.wide else None
        assert found is None or isinstance(found, Conv)
        return found

    def depth(self, tensor: Tensor) -> int:
        """Numbers of a pixel that are read, with those that fill the last tile or pair."""
        layout = self.layout(tensor)
        depth = layout.tiles * layout.pitch or tensor.shape[2]
        return -(-depth // 2) if layout.brief else depth

    def tiling(self, op: Conv) -> Tiling:
        """Tiles for an output row; those of a transposed convolution are cut from each phase."""
        _, width, channels = op.output.shape
        width = -(-width // op.stride) if isinstance(op, Deconv) else width * self.flat(op)
        depth = op.kernel**2 * op.inputs[0].shape[2]
        across = vectors(channels, self.isa)
        if op.name in self.group.wide:
            if op.whole:
                made = self.layout(op.output)
                rest = vectors(made.rest, self.isa)
                return grouped_tiling(width, made.tiles, rest, depth, self.isa)
            return evenly(width, across, self.group.wide[op.name], depth, self.isa)
        threads = self.plan.threads if self.shared else 1
        return tiling(width, across, depth, self.isa, threads, op.whole, self.half(op))

    def half(self, op: Conv) -> bool:
        """Whether its last vector is summed as half of one."""
        beyond, lanes = op.channels % self.isa.lanes, self.isa.lanes
        return self.isa.halves and not op.whole and 0 < beyond <= lanes // 2

    def flat(self, op: Conv) -> int:
        """How many rows are as one: all of a plane, where nothing lies between its rows."""
        height = op.output.shape[0]
        alone = self.group.lanes and not self.group.readers(op.output)  # else some rows at a time
        whole = op.pointwise and alone and self.rows(op) == height
        joined = (*op.inputs, op.output)
        if not whole or any(self.layout(t).left or self.layout(t).right for t in joined):
            return 1
        return height if all(self.arena.rows[t.name] == height for t in joined) else 1

    def share(self, count: int, each: int = 1) -> str:
        """`first` and `last`: which of so many this thread does, `each` of them as one."""
        if not self.shared:
            return f"const int first = 0, last = {count * each};"
        scale = f" * {each}" if each > 1 else ""
        return (
            f"const int first = share({count}, at->thread, at->threads){scale}, "
            f"last = share({count}, at->thread + 1, at->threads){scale};"
        )


def called(kind: str, pixels: int, other: int, ways: tuple[str, ...]) -> str:
    """The name of a kernel in one of its shapes."""
    return "_".join([kind, str(pixels), str(other), *ways])


def under(condition: str, lines: Iterable[str]) -> Lines:
    """These lines where a condition holds; always, where there is none."""
    if not condition:
        yield from lines
        return
    yield f"{condition} {{"
    yield from (f"    {line}" for line in lines)
    yield "}"


def affine(y: str, scale: int, shift: int, over: int = 1) -> str:
    """(scale * y + shift) / over, as one would write it."""
    text = plus(y if scale == 1 else f"{bracketed(y)} * {scale}", shift)
    return f"{bracketed(text)} / {over}" if over > 1 else text


def plus(text: str, shift: int) -> str:
    return f"{text} {'+' if shift > 0 else '-'} {abs(shift)}" if shift else text


def bracketed(text: str) -> str:
    return f"({text})" if " " in text else text
