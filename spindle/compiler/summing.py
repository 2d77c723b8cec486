"""How is a tile of a convolution said in C?  Row by row, in tiles of pixels that registers hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from spindle.compiler import pack
from spindle.compiler.fused import Sum
from spindle.compiler.layout import vectors
from spindle.compiler.tiling import FAR, NEAR, Runs
from spindle.compiler.walk import taps
from spindle.compiler.writer import Lines, Writer, affine, plus
from spindle.model.ops import Conv, Deconv

ACTS = {None: "act_none", "relu": "act_relu", "relu6": "act_relu6"}
ROWS = "for (int r = 0; r < rows; r++)"  # of the op itself; a tile of a wide tensor has its own


@dataclass(frozen=True)
class Pass:
    """Some of the pixels of a row: all of them, or one phase of a transposed convolution."""

    column: int  # of what is read, where the first tap lies
    phase: int
    start: int  # the first pixel, then every `apart`
    apart: int
    count: int

    @property
    def place(self) -> str:
        """Which pixel of the row its pixel p is."""
        return f"({self.start} + p * {self.apart})" if self.apart > 1 else "p"


def passes(op: Conv) -> list[Pass]:
    width, pad = op.output.shape[1], op.pads[1][0]
    if not isinstance(op, Deconv):
        return [Pass(-pad, 0, 0, 1, width)]
    found = []
    for number in range(op.stride):
        start = (number - pad) % op.stride
        column = (start + pad) // op.stride - (taps(op) - 1)
        if start < width:
            found.append(Pass(column, number, start, op.stride, -(-(width - start) // op.stride)))
    return found


@dataclass(frozen=True)
class Chunk:
    """So much of a sum that its weights stay near; `times` such, each `along` from the last."""

    times: int
    row: int  # of the taps, where it begins
    high: int
    wide: int
    offset: int
    beside: int
    length: int
    along: int = 0

    @property
    def depth(self) -> int:
        return self.high * self.wide * self.length

    def window(self, step: int) -> str:
        """How its taps lie, as C."""
        numbers = (self.high, self.wide, self.offset, self.beside, self.length, step)
        return f"const Window window = {{{', '.join(map(str, numbers))}}};"


def side(op: Conv) -> int:
    """The taps along one side, of one phase."""
    return taps(op) if isinstance(op, Deconv) else op.kernel


def step(op: Conv, pitch: int) -> int:
    """Floats that are read between one pixel that is made and the next."""
    return pitch * (1 if isinstance(op, Deconv) else op.stride)


@dataclass(frozen=True)
class Tile:
    """A tile of channels, of some of the pixels: number n of its size, after others were done."""

    op: Conv
    writer: Writer
    one: Pass
    pixels: Runs
    size: int  # vectors
    done: int = 0
    loop: str = ROWS
    y: str = "y + r"

    @property
    def block(self) -> int:
        return self.size * self.writer.isa.lanes

    def chunks(self) -> list[Chunk]:
        """The sum in parts that the first level holds, in the order of its weights."""
        x, writer = self.op.inputs[0], self.writer
        layout, depth = writer.layout(x).words, writer.depth(x)
        most = max(NEAR // (4 * self.block), 1)  # vectors of the tile that stay near
        if writer.layout(self.op.output).brief:  # which cannot hold a part of a sum
            most = self.deep
        offset = (layout.left + self.one.column) * layout.pitch
        beside, taps = self.op.dilation * layout.pitch, side(self.op)
        if layout.tiles:  # the one that stands, of a split group
            return [Chunk(1, 0, 1, 1, 0, 0, layout.pitch)]
        if taps == 1:
            each = -(-depth // -(-depth // most))
            return parted(Chunk(1, 0, 1, 1, offset, 0, each, each), depth, each, "length")
        run = self.op.dilation == 1 and layout.pitch == depth
        wide, length = (1, taps * depth) if run else (taps, depth)
        if taps * wide * length <= most:
            return [Chunk(1, 0, taps, wide, offset, beside, length)]
        return [Chunk(1, v, 1, wide, offset, beside, length) for v in range(taps)]

    def lines(self) -> Lines:
        """All its rows, a chunk of the sum at a time."""
        op, writer, deep = self.op, self.writer, self.deep
        lanes = writer.isa.lanes
        packed = pack.pairs if writer.layout(op.inputs[0]).brief else pack.tiles
        base = writer.keep(op, packed, writer.tiling(op).vectors, writer.depth(op.inputs[0]))
        chunks = self.chunks()
        if chunks[-1].times > 1:  # the last one is where the activation is
            last = chunks.pop()
            beyond = replace(last, times=1, offset=last.offset + (last.times - 1) * last.along)
            chunks += [replace(last, times=last.times - 1), beyond]
        yield (
            f"const float *const tile = "
            f"at->w + {base + self.done * lanes * deep} + n * {self.block * deep};"
        )
        before = 1  # vectors of weights: the biases
        for number, chunk in enumerate(chunks):
            if chunk.times > 1:
                yield f"for (int k = 0; k < {chunk.times}; k++)"
            yield f"{self.loop} {{"
            if self.split:
                for condition, final in (("at->n + 1 == ", True), ("at->n + 1 < ", False)):
                    yield f"    if ({condition}{writer.layout(op.inputs[0]).tiles}) {{"
                    text = self.row(chunk, before, True, final)
                    yield from (f"        {line}" for line in text)
                    yield "    }"
            else:
                text = self.row(chunk, before, number == 0, number == len(chunks) - 1)
                yield from (f"    {line}" for line in text)
            yield "}"
            before += chunk.depth * chunk.times

    def row(self, chunk: Chunk, before: int, first: bool, last: bool) -> Lines:
        """One row of one chunk."""
        op, writer, one = self.op, self.writer, self.one
        made, x = writer.layout(op.output), writer.layout(op.inputs[0])
        yield from pointers(op, writer, self.y, chunk, last)
        yield chunk.window(step(op, x.words.pitch))
        shift = f" + k * {chunk.along}" if chunk.times > 1 else ""
        weights = f" + k * {chunk.depth * self.block}" if chunk.times > 1 else ""
        weights = f" + at->n * {chunk.depth * self.block}" if self.split else weights
        phase = phased(op, self.y, one, self.whole)
        yield f"const float *const w = tile{phase} + {before * self.block}{weights};"
        channel = f" + {self.done * writer.isa.lanes}" if self.done else ""
        channel += "" if made.tiles else f" + n * {self.block}"
        act = ACTS[op.act] if last else "act_none"
        for begin, end, count in spans(self.pixels):
            to = f"to{channel} + {one.place} * {made.pitch}"
            apart, more = one.apart * made.pitch, "0, 0"
            start = f"tile{phase}, 0" if first else f"{to}, {apart}"
            if first and chunk.times > 1:
                start = f"k ? {to} : tile{phase}, k ? {apart} : 0"
            if self.split:
                start = f"at->n ? {to} : tile, at->n ? {apart} : 0"
            parts = {"read": op.inputs[0], "made": op.output}
            if isinstance(op, Sum) and last:
                pitch = writer.layout(op.shortcut).pitch
                more = f"more{channel} + p * {pitch}, {pitch}"
                parts["more"] = op.shortcut
            kernel = writer.kernel("tile", count, self.size, self.half, **parts)
            yield f"for (int p = {begin}; p < {end}; p += {count}) {{"
            soon = self.soon(chunk.depth * self.block, count)
            yield (
                f"    {kernel}(x, window, p * window.step{shift}, "
                f"w, {start}, {to}, {apart}, {more}, {act}, {soon});"
            )
            yield "}"

    def soon(self, size: int, pixels: int) -> str:
        """Which of the weights that follow these, so many, are asked for while a tile is summed.

        Each tile of pixels asks for its share; a pixel by itself for nothing, as nothing hides it.
        Nor is what the first level keeps asked for.
        """
        total = self.writer.rows(self.op) // self.writer.flat(self.op) * self.one.count
        learnt = self.writer.layout(self.op.inputs[0]).each * self.op.params
        if total == 1 or learnt <= FAR:
            return "w, 0"
        place = f"({self.y.removeprefix('y + ')} * {self.one.count} + p)"
        return f"w + {size} + {place} * {-(-size // total)}, {-(-self.block * pixels // total)}"

    @property
    def half(self) -> bool:
        """Whether of its last vector only half is summed."""
        ends = self.done + self.size == vectors(self.op.channels, self.writer.isa)
        return ends and self.writer.half(self.op) and self.op.name not in self.writer.group.wide

    @property
    def split(self) -> bool:
        """Whether it adds one tile of its input to what the tiles before have left."""
        return self.writer.layout(self.op.inputs[0]).tiles > 0

    @property
    def deep(self) -> int:
        """Vectors of weights for each vector of channels out: its biases, then all it reads."""
        return side(self.op) ** 2 * self.writer.depth(self.op.inputs[0]) + 1

    @property
    def whole(self) -> int:
        """Floats in the weights of one phase."""
        columns = self.writer.tiling(self.op).vectors
        return sum(size * times for size, times in columns) * self.writer.isa.lanes * self.deep


def parted(chunk: Chunk, total: int, each: int, name: str) -> list[Chunk]:
    """A sum over `total` in chunks of `each`, and the rest."""
    times, rest = divmod(total, each)
    parts = [replace(chunk, times=times)] if times else []
    if rest:
        beyond = {name: rest, "offset": chunk.offset + times * chunk.along, "times": 1}
        parts.append(replace(chunk, **beyond))
    return parts


def pointers(
    op: Conv, writer: Writer, y: str, chunk: Chunk, last: bool = True, base: str = ""
) -> Lines:
    """The rows that row y reads, where it is written, and what is added to it."""
    pad = op.pads[0][0]

    def above(v: int) -> str:
        if isinstance(op, Deconv):
            return plus(affine(y, 1, pad, op.stride), v - side(op) + 1)
        return affine(y, op.stride, v * op.dilation - pad)

    yield f"const {writer.read(op.inputs[0])} *const x[] = {{"
    for v in range(chunk.row, chunk.row + chunk.high):
        yield f"    {writer.row(op.inputs[0], above(v), base)},"
    yield "};"
    yield f"{writer.kind(op.output)} *const to = {writer.to(op.output, y)};"
    if isinstance(op, Sum) and last:
        indent = writer.layout(op.shortcut).indent
        kind, row = writer.kind(op.shortcut), writer.row(op.shortcut, y)
        row = f"(const brief *){row}" if kind == "brief" else row
        yield f"const {kind} *const more = {row} + {indent};"


def phased(op: Conv, y: str, one: Pass, floats: int) -> str:
    """Floats to the weights of this row's and this pass's phase."""
    if not isinstance(op, Deconv):
        return ""
    row = f"({y} + {op.pads[0][0]}) % {op.stride}"
    return f" + ({row} * {op.stride} + {one.phase}) * {floats}"


def spans(runs: Runs) -> Iterator[tuple[int, int, int]]:
    """Where each run of tiles begins and ends, and the size of its tiles."""
    at = 0
    for size, times in runs:
        yield at, at + size * times, size
        at += size * times
