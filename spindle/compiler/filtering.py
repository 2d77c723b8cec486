"""How is a depthwise convolution said in C?  By vectors of channels, while its input is near."""

from __future__ import annotations

from collections.abc import Iterator

from spindle.compiler import pack, quads
from spindle.compiler.convolving import margins
from spindle.compiler.integers import share
from spindle.compiler.layout import Layout
from spindle.compiler.summing import (
    ACTS,
    ROWS,
    Chunk,
    Pass,
    passes,
    phased,
    pointers,
    side,
    spans,
    step,
)
from spindle.compiler.targets import Isa
from spindle.compiler.tiling import GROUP, QUAD, strips
from spindle.compiler.walk import extent
from spindle.compiler.writer import Lines, Writer, under
from spindle.model.ops import Conv, Mean, Op


def by_tiles(op: Op, writer: Writer, maker: Conv) -> Lines:
    """Each tile of the wide tensor made as far as it is wanted, and read while it is near."""
    layout, filled = writer.layout(maker.output), reaching(op, writer)
    yield f"const int wanted = {writer.until(op, maker.output)};"
    for tensor in dict.fromkeys(maker.inputs):
        if tensor in writer.group:
            yield writer.pull(maker, tensor, "wanted")
    yield (
        "const int first = at->n, last = first + 1;"
        if writer.group.split
        else writer.share(layout.tiles)
    )
    yield "for (int n = first; n < last; n++) {"
    yield f"    {writer.function(maker.name)}(at, n, wanted);"
    end = str(layout.pitch)
    if layout.tiles * layout.pitch > filled and not writer.layout(op.output).tiles:
        end = f"lower({layout.pitch}, {filled} - n * {layout.pitch})"
    for condition, own in writer.planes(maker.output):
        last = str(layout.rest) if own.layout(maker.output).within else end
        lines = rows(op, own, "0", last, f"n * {layout.pitch}")
        yield from (f"    {line}" for line in under(condition, lines))
    yield "}"
    yield f"{writer.made(maker)} = wanted;"


def by_vectors(op: Op, writer: Writer) -> Lines:
    """A share of the channels of what stands there already."""
    each = taken(op, writer)
    yield writer.share(reaching(op, writer) // each, each)
    yield from rows(op, writer, "first", "last", "0")


def taken(op: Op, writer: Writer) -> int:
    """Channels that an op takes at once."""
    return writer.isa.lanes * (GROUP if isinstance(op, Conv) and op.whole else 1)


def beat(op: Conv, x: Layout) -> str:
    """The same in C, of what lies so."""
    if x.within:
        return str(x.pitch)
    return "GROUP * LANES" if op.whole else "LANES"


def reaching(op: Op, writer: Writer) -> int:
    """The channels of what it reads, the last few filled up."""
    each = taken(op, writer)
    return -(-op.inputs[0].shape[2] // each) * each


def rows(op: Op, writer: Writer, first: str, last: str, beyond: str) -> Lines:
    """Rows y to y + rows in some channels: of a tile, whose first channel is `beyond` the first."""
    if isinstance(op, Conv):
        yield from filtered(op, writer, first, last, beyond)
    else:
        assert isinstance(op, Mean)
        yield from mean(op, writer, first, last, beyond)


def mean(op: Mean, writer: Writer, first: str, last: str, beyond: str) -> Lines:
    """The sums are kept where the answer will be; those of bytes beside it."""
    (x,), end = op.inputs, extent(op) - 1
    layout = writer.layout(x)
    if x.grid:
        yield from byte_mean(op, writer, first, last, beyond)
        return
    share = f"y + r == {end} ? {1 / (x.shape[0] * x.shape[1])!r}f : 1.0f"
    row, made = writer.row(x, "y + r", writer.base(x)), writer.layout(op.output)
    to = f"{writer.at(op.name)} + {made.indent} + {beyond}"
    yield ROWS
    yield (
        f"    mean_row({row} + {layout.indent}, {to}, {x.shape[1]}, "
        f"{layout.pitch}, {first}, {last}, y + r == 0, {share});"
    )
    if made.left or made.right:
        yield f"for (int c = {first}; c < {last}; c += LANES)"
        yield f"    {margins(op, writer, f'{to} + c', 'LANES')}"


def byte_mean(op: Mean, writer: Writer, first: str, last: str, beyond: str) -> Lines:
    (x,), made = op.inputs, writer.layout(op.output)
    read, grid, layout = writer.known[x.name], writer.known.get(op.name), writer.layout(x)
    height, width, _ = x.shape
    numbers = [read.zero * (height * width), share(op, read, grid), *([grid.zero] if grid else [])]
    w = f"{writer.channels(f'{op.name}.heads', op.output, *numbers)} + {beyond}"
    sums = f"(int32_t *)(void *){writer.at(f'{op.name}.beside')} + {beyond}"
    row = writer.row(x, "y + r", writer.base(x))
    yield f"{ROWS} {{"
    yield (
        f"    sum_row8({row} + {layout.indent}, {sums}, {width}, {layout.pitch}, "
        f"{first}, {last}, y + r == 0);"
    )
    yield f"    if (y + r == {extent(op) - 1})"
    to = f"{writer.at(op.name)} + {made.indent} + {beyond}"
    yield (
        f"        mean8({sums}, {to}, {first}, {last}, {made.pitch}, {w}, "
        f"{'made_bytes' if op.grid else '0'});"
    )
    yield "}"


def filtered(op: Conv, writer: Writer, first: str, last: str, beyond: str) -> Lines:
    made, x = writer.layout(op.output), writer.layout(op.inputs[0])
    each = beat(op, x)
    if op.whole:
        pieces = x.last.pieces if x.rest else 1
        base = writer.pack(op, quads.filters, whole(op, writer) // GROUP, pieces)
    else:
        base = writer.keep(op, pack.filters, whole(op, writer))
    yield f"{ROWS} {{"
    for one in passes(op):
        lines = strip(op, writer, one, base, (first, last, beyond))
        yield from ("    {", *(f"        {line}" for line in lines), "    }")
    yield "}"
    if made.left or made.right:
        yield f"{ROWS} {{"
        yield f"    {writer.kind(op.output)} *const to = {writer.to(op.output, 'y + r')};"
        yield f"    for (int c = {first}; c < {last}; c += {each})"
        yield f"        {margins(op, writer, f'to + c + {beyond}', each, f' + c + {beyond}')}"
        yield "}"


def strip(op: Conv, writer: Writer, one: Pass, base: int, channels: tuple[str, str, str]) -> Lines:
    """One row, a vector of channels at a time."""
    (first, last, beyond), taps = channels, side(op)
    x, made = writer.layout(op.inputs[0]), writer.layout(op.output)
    offset, size = (x.left + one.column) * x.pitch, deep(op, writer)
    chunk = Chunk(1, 0, taps, taps, offset, op.dilation * x.pitch, 1)
    yield from pointers(op, writer, "y + r", chunk, base=writer.base(op.inputs[0]))
    yield chunk.window(step(op, x.pitch))
    kernel = phased(op, "y + r", one, whole(op, writer) * writer.isa.lanes * size)
    yield f"for (int c = {first}; c < {last}; c += {beat(op, x)}) {{"
    yield f"    const float *const w = at->w + {base} + (c + {beyond}) * {size}{kernel};"
    channel = "c" if made.tiles else f"c + {beyond}"
    kind, how = "filter", ACTS[op.act]
    if op.whole:
        kind, how = "filter8", f"{x.pieces}, {writer.ways(op)}"
    for begin, end, count in filtering(one.count, x.pieces, taps, writer.isa):
        yield f"    for (int p = {begin}; p < {end}; p += {count * x.pieces})"
        kernel = writer.kernel(kind, count, taps, made=op.output)
        yield (
            f"        {kernel}(x, window, p * window.step + c, w, "
            f"to + {one.place} * {made.pitch} + {channel}, {one.apart * made.pitch}, {how});"
        )
    yield "}"


def filtering(width: int, pieces: int, taps: int, isa: Isa) -> Iterator[tuple[int, int, int]]:
    """Where each run of strips begins and ends, and the groups of pixels in each of these.

    Where groups do not part a row evenly, the last one goes back for some that were made before.
    """
    for begin, end, count in spans(strips(width // pieces, taps * taps, isa)):
        yield begin * pieces, end * pieces, count
    if width % pieces:
        yield width - pieces, width, 1


def deep(op: Conv, writer: Writer) -> int:
    """Numbers of 32 bits for each channel."""
    taps = side(op)
    if op.whole:
        return 3 + taps * -(-taps // QUAD) * writer.parts(op)
    return 1 + taps * taps


def whole(op: Conv, writer: Writer) -> int:
    """Vectors of channels, with those that fill the last tile."""
    x = writer.layout(op.inputs[0])
    return max(reaching(op, writer), x.tiles * x.broad) // writer.isa.lanes
