"""How is a convolution said in C?  Tile by tile of its channels, shared out to threads."""

from __future__ import annotations

from dataclasses import replace

from spindle.compiler.bytewise import ByteTile
from spindle.compiler.summing import ROWS, Tile, passes
from spindle.compiler.tiling import GROUP, phase, rows
from spindle.compiler.writer import Lines, Writer, under
from spindle.model.ops import Conv, Op


def convolution(op: Conv, writer: Writer) -> Lines:
    """Rows y to y + rows of a full convolution, its tiles of channels shared out to threads."""
    tiling, made = writer.tiling(op), writer.layout(op.output)
    flat = writer.flat(op)
    for one in passes(op):
        one = replace(one, count=one.count * flat)
        pixels = tiling.pixels if one.apart == 1 else phase(one.count, tiling)
        done = 0
        for size, times in tiling.vectors:
            yield "{"
            if done == 0:
                yield f"    {writer.share(times)}"
            else:
                begin = f"at->thread == at->threads - 1 ? 0 : {times}" if writer.shared else "0"
                yield f"    const int first = {begin}, last = {times};"
            yield "    for (int n = first; n < last; n++) {"
            loop = ROWS if flat == 1 else "for (int r = 0; r < 1; r++)"
            kind = ByteTile if op.whole else Tile
            tile = kind(op, writer, one, pixels, size, done, loop)
            yield from (f"        {line}" for line in tile.lines())
            yield "    }"
            yield "}"
            done += size * times
    if made.left or made.right:
        yield ROWS + (" if (at->thread == 0)" if writer.shared else "")
        yield f"    {margins(op, writer, writer.to(op.output, 'y + r'))}"


def margins(op: Op, writer: Writer, to: str, channels: str = "", first: str = "") -> str:
    """The zeros at the sides of a row that was made, in some of its channels."""
    made = writer.layout(op.output)
    sides = f"{made.left}, {made.width}, {made.right}, {made.pitch}"
    if op.grid:
        return (
            f"margins8({to}, {sides}, {channels or made.pitch}, {writer.blank(op.output)}{first});"
        )
    return f"margins({to}, {sides}, {channels or made.pitch});"


def wide(op: Conv, writer: Writer) -> str:
    """Tile n of a wide tensor, as far as row `until`: a function of its own."""
    lines = [f"STEP void {writer.function(op.name)}(Walk *at, int n, int until)", "{"]
    for condition, own in writer.planes(op.output):
        lines += [f"    {line}" for line in under(condition, plane(op, own))]
    return "\n".join([*lines, "}"])


def plane(op: Conv, writer: Writer) -> list[str]:
    """What makes a plane of a wide tensor."""
    (one,) = passes(op)
    tiling, made = writer.tiling(op), writer.layout(op.output)
    size, _ = tiling.vectors[0]
    loop = f"for (int y = {writer.made(op)}; y < until; y++)"
    tile: Tile
    if made.within:
        rest, done = tiling.vectors[-1][0], (made.tiles - 1) * GROUP
        pixels = rows(one.count, rest, op.kernel**2 * op.inputs[0].shape[2], writer.isa, True)
        tile = ByteTile(op, writer, one, pixels, rest, done, loop, "y", "0")
        lines = list(tile.lines())
    elif op.whole:
        parts = made.pitch // (size * writer.isa.lanes)
        index, channel = f"(n * {parts} + h)", f" + h * {size * writer.isa.lanes}"
        tile = ByteTile(op, writer, one, tiling.pixels, size, 0, loop, "y", index, channel)
        lines = [
            f"for (int h = 0; h < {parts}; h++) {{",
            *(f"    {line}" for line in tile.lines()),
            "}",
        ]
    else:
        tile = Tile(op, writer, one, tiling.pixels, size, 0, loop, "y")
        lines = list(tile.lines())
    if made.left or made.right:
        lines += [loop, f"    {margins(op, writer, writer.to(op.output, 'y'))}"]
    return lines
