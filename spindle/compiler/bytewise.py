"""How is a tile of a convolution of bytes said in C?  All of its sum at once, four by four."""

from __future__ import annotations

from dataclasses import dataclass

from spindle.compiler import quads
from spindle.compiler.fused import Sum
from spindle.compiler.summing import ACTS, Chunk, Tile, phased, pointers, side, spans, step
from spindle.compiler.tiling import QUAD
from spindle.compiler.writer import Lines


@dataclass(frozen=True)
class ByteTile(Tile):
    """A tile of channels of what reads bytes: number `index` of its size."""

    index: str = "n"
    channel: str = ""  # of a plane, where it begins

    def lines(self) -> Lines:
        """All its rows."""
        op, writer = self.op, self.writer
        base = writer.pack(op, quads.tiles, writer.tiling(op).vectors, self.run)
        lanes, deep = writer.isa.lanes, self.deep
        yield (
            f"const float *const tile = "
            f"at->w + {base + self.done * lanes * deep} + {self.index} * {self.block * deep};"
        )
        yield f"{self.loop} {{"
        yield from (f"    {line}" for line in self.sums())
        yield "}"

    def sums(self) -> Lines:
        """One row."""
        op, writer, one = self.op, self.writer, self.one
        made, x = writer.layout(op.output), writer.layout(op.inputs[0])
        taps, depth = side(op), op.inputs[0].shape[2]
        wide, length = (1, taps * depth) if self.run else (taps, depth)
        offset = (x.left + one.column) * x.pitch
        length = -(-length // QUAD) * QUAD
        chunk = Chunk(1, 0, taps, wide, offset, op.dilation * x.pitch, length)
        yield from pointers(op, writer, self.y, chunk)
        yield chunk.window(step(op, x.pitch))
        yield f"const float *const w = tile{phased(op, self.y, one, self.whole)};"
        channel = self.channel
        if not made.tiles:
            channel = f" + {self.done * writer.isa.lanes}" if self.done else ""
            channel += f" + n * {self.block}"
        more = "0, 0"
        if isinstance(op, Sum):
            pitch = writer.layout(op.shortcut).pitch
            more = f"more{channel} + p * {pitch}, {pitch}"
        for begin, end, count in spans(self.pixels):
            soon = self.soon(self.deep * self.block, count)
            yield f"for (int p = {begin}; p < {end}; p += {count}) {{"
            yield (
                f"    {writer.kernel('tile8', count, self.size)}(x, window, p * window.step, w, "
                f"to{channel} + {one.place} * {made.pitch}, {one.apart * made.pitch}, {more}, "
                f"{writer.ways(op)}, {ACTS[op.act]}, {soon});"
            )
            yield "}"

    @property
    def run(self) -> bool:
        """Whether the taps of a row lie side by side, with nothing between them."""
        x = self.writer.layout(self.op.inputs[0])
        return self.op.dilation == 1 and x.pitch == self.op.inputs[0].shape[2]

    @property
    def deep(self) -> int:
        """Vectors of each vector of channels out: heads, then quads."""
        taps, depth = side(self.op), self.op.inputs[0].shape[2]
        fours = taps * -(-taps * depth // QUAD) if self.run else taps**2 * -(-depth // QUAD)
        return fours * self.writer.parts(self.op) + 2 + self.op.grid + 2 * isinstance(self.op, Sum)
