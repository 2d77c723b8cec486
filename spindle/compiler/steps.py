"""How is an op said in C?  As a function that makes its rows up to one, asking for its inputs'."""

from __future__ import annotations

import numpy as np

from spindle.compiler.answers import initializer
from spindle.compiler.convolving import convolution, margins, wide
from spindle.compiler.filtering import by_tiles, by_vectors
from spindle.compiler.fused import Cast
from spindle.compiler.integers import ratio
from spindle.compiler.pack import Array, tables
from spindle.compiler.summing import ROWS
from spindle.compiler.walk import apart
from spindle.compiler.writer import Lines, Writer
from spindle.model import boxes
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.ops import Add, Concat, Conv, Image, Op, Resize, Rows, Tensor


def function(op: Op, writer: Writer) -> str:
    """The C of one op."""
    if op.name in writer.group.wide:
        assert isinstance(op, Conv)
        return f"/* {about(op)} */\n{wide(op, writer)}"
    most, made = writer.rows(op), writer.made(op)
    rows = f"lower({most}, until - y)" if most > 1 else "1"
    lines = [
        f"STEP void {writer.function(op.name)}(Walk *at, int until) /* {about(op)} */",
        "{",
        f"    for (int y = {made}; y < until; y = {made}) {{",
        f"        const int rows = {rows};",
        *(f"        {line}" for line in body(op, writer)),
        f"        {made} = y + rows;",
        *(["        meet(at->place, at->threads);"] if writer.shared else []),
        "    }",
        "}",
    ]
    return "\n".join(lines)


def about(op: Op) -> str:
    """Shapes, and millions of multiply-adds."""
    read = " + ".join(by(tensor) for tensor in op.inputs) or "bytes"
    cost = f", {op.madds / 1e6:.1f} M" if op.madds else ""
    return f"{type(op).__name__}: {read} -> {by(op.output)}{cost}"


def by(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))


def body(op: Op, writer: Writer) -> Lines:
    """What is done for rows y to y + rows, once what they are made of is there."""
    maker = writer.maker(op)
    if maker:
        yield from by_tiles(op, writer, maker)
        return
    for tensor in dict.fromkeys(op.inputs):
        if tensor in writer.group:
            yield writer.pull(op, tensor)
    if apart(op):
        yield from by_vectors(op, writer)
    elif isinstance(op, Conv):
        yield from convolution(op, writer)
    elif isinstance(op, Detect):
        yield from detect(op, writer)
    elif writer.shared:
        yield "if (at->thread == 0) {"
        yield from (f"    {line}" for line in alone(op, writer))
        yield "}"
    else:
        yield from alone(op, writer)


def alone(op: Op, writer: Writer) -> Lines:
    """What one thread does by itself, in its rows or in all of them."""
    height, width, channels = op.output.shape
    to, made = writer.to(op.output, "y + r"), writer.layout(op.output)
    indents = [writer.layout(tensor).indent for tensor in op.inputs]
    rows = [
        writer.row(tensor, "y + r") + (f" + {indent}" if indent else "")
        for tensor, indent in zip(op.inputs, indents, strict=True)
    ]
    pitches = [writer.layout(tensor).pitch for tensor in op.inputs]
    beside = f" + {made.indent}" if made.indent else ""
    pixels = f"    for (int p = 0; p < {width}; p++)"
    match op:
        case Image() if op.grid:
            yield f"{ROWS} {{"
            yield f"    uint8_t *const to = {to};"
            size = width * channels
            copy = f"copy_row8(rgb, to, {width}, {channels}, {channels}, {made.pitch})"
            copy = f"__builtin_memcpy(to, rgb, {size})" if made.pitch == channels else copy
            yield f"    const uint8_t *const rgb = at->rgb + (y + r) * {size};"
            yield f"    {copy};"
            yield f"    {margins(op, writer, 'to')}"
            yield "}"
        case Image():
            mean = writer.constant(f"{op.name}.mean", repeated(op.mean, writer.isa.lanes))
            std = [1 / one for one in op.std]
            scale = writer.constant(f"{op.name}.scale", repeated(std, writer.isa.lanes))
            yield f"{ROWS} {{"
            yield f"    float *to = {to};"
            yield (
                f"    image_row(at->rgb + (y + r) * {width * channels}, to, {width}, {channels}, "
                f"{made.pitch}, {mean}, {scale});"
            )
            yield f"    {margins(op, writer, 'to')}"
            yield "}"
        case Add() if op.grid:
            made_on, *read = (writer.known[t.name] for t in (op.output, *op.inputs))
            zeros = [one.zero for one in (*read, made_on)]
            numbers = [*zeros, *(ratio(one, made_on) for one in read)]
            w = writer.channels(f"{op.name}.heads", op.output, *numbers)
            yield ROWS
            yield (
                f"    add_row8({rows[0]}, {rows[1]}, {to}, {width}, {channels}, {pitches[0]}, "
                f"{pitches[1]}, {made.pitch}, {w});"
            )
        case Cast():
            yield ROWS
            yield f"    {cast(op, writer, rows[0], to)}"
        case Add():
            yield ROWS
            yield (
                f"    add_row({rows[0]}, {rows[1]}, {to}, {width}, {pitches[0]}, {pitches[1]}, "
                f"{made.pitch}, 0, {made.pitch});"
            )
        case Resize() if op.grid:
            yield ROWS
            yield (
                f"    copy_row8({writer.at(op.inputs[0].name)} + {indents[0]}, {to}, {width}, "
                f"{channels}, 0, {made.pitch});"
            )
        case Resize():
            yield from resize(op, writer)
        case Concat(axis="channels"):
            at, copy = 0, "copy_row8" if op.grid else "copy_row"
            for tensor, row, pitch in zip(op.inputs, rows, pitches, strict=True):
                depth = tensor.shape[2]
                yield ROWS
                yield f"    {copy}({row}, {to} + {at}, {width}, {depth}, {pitch}, {made.pitch});"
                at += depth
        case Concat():
            yield "if (y == 0) {"
            at = 0
            for tensor in op.inputs:
                layout, (high, _, depth) = writer.layout(tensor), tensor.shape
                start = f"{writer.at(tensor.name)} + {layout.indent}"
                yield f"    for (int i = 0; i < {high}; i++)"
                yield (
                    f"        copy_row({start} + i * {layout.row}, "
                    f"{writer.at(op.name)}{beside} + ({at} + i) * {made.row}, {width}, {depth}, "
                    f"{layout.pitch}, {made.pitch});"
                )
                at += high
            yield "}"
        case Rows():
            wide, depth = op.inputs[0].shape[1:]
            times = depth // channels
            yield ROWS
            yield f"    for (int p = 0; p < {wide}; p++)"
            yield (
                f"        copy_row({rows[0]} + p * {pitches[0]}, {writer.at(op.name)}{beside} + "
                f"((y + r) * {wide} + p) * {times * made.row}, "
                f"{times}, {channels}, {channels}, {made.row});"
            )
        case Softmax() | Normalize():
            yield ROWS
            yield pixels
            call = "softmax" if isinstance(op, Softmax) else "normalize"
            pixel = f"{rows[0]} + p * {pitches[0]}"
            yield f"        {call}({pixel}, {to} + p * {made.pitch}, {channels});"
        case ArgMax():
            yield ROWS
            yield pixels
            yield (
                f"        ((int32_t *)({to}))[p * {made.pitch}] = "
                f"arg_max({rows[0]} + p * {pitches[0]}, {op.inputs[0].shape[2]});"
            )
        case Peaks():
            high, wide, depth = op.inputs[0].shape
            yield "if (y == 0)"
            yield (
                f"    peaks({writer.at(op.inputs[0].name)}, {high}, {wide}, {depth}, "
                f"{pitches[0]}, {writer.at(op.name)});"
            )
        case _:
            raise NotImplementedError(op)
    if (made.left or made.right) and isinstance(op, Rows):
        count = op.inputs[0].shape[1] * op.inputs[0].shape[2] // channels
        yield f"for (int i = y * {count}; i < (y + rows) * {count}; i++)"
        yield f"    {margins(op, writer, f'{writer.at(op.name)}{beside} + i * {made.row}')}"
    elif (made.left or made.right) and not isinstance(op, Image):
        yield ROWS
        yield f"    {margins(op, writer, to)}"


def cast(op: Cast, writer: Writer, row: str, to: str) -> str:
    """A row of bytes as numbers, or of numbers as bytes."""
    (x,), made = op.inputs, writer.layout(op.output)
    _, width, channels = op.output.shape
    sizes = f"{width}, {channels}, {writer.layout(x).pitch}, {made.pitch}"
    grid = writer.known[op.name if op.grid else x.name]
    numbers = (grid.zero, np.float32(1) / grid.scale) if op.grid else (grid.middle, grid.scale)
    w = writer.channels(f"{op.name}.heads", op.output, *numbers)
    return f"{'bytes_row' if op.grid else 'numbers_row'}({row}, {to}, {sizes}, {w});"


def resize(op: Resize, writer: Writer) -> Lines:
    (x,), made = op.inputs, writer.layout(op.output)
    layout = writer.layout(x)
    parts = ("low", "high", "part", "left", "right", "share")
    table = {
        part: writer.constant(f"{op.name}.{part}", array)
        for part, array in zip(parts, tables(op), strict=True)
    }
    blend = writer.at(f"{op.name}.beside")
    yield f"{ROWS} {{"
    yield f"    const int32_t *low = (const int32_t *)({table['low']});"
    yield f"    const int32_t *high = (const int32_t *)({table['high']});"
    for name in ("low", "high"):
        yield (
            f"    const float *{'above' if name == 'low' else 'under'} = "
            f"{writer.at(x.name)} + {name}[y + r] * {layout.row} + {layout.indent};"
        )
    yield (
        f"    resize_row(above, under, ({table['part']})[y + r], {blend}, {layout.width}, "
        f"{writer.to(op.output, 'y + r')}, {made.width}, {layout.pitch}, {made.pitch}, "
        f"(const int32_t *)({table['left']}), (const int32_t *)({table['right']}), "
        f"{table['share']});"
    )
    yield "}"


def detect(op: Detect, writer: Writer) -> Lines:
    """Threads decode anchors together; one of them then thins the boxes."""
    deltas, scores = (writer.at(tensor.name) for tensor in op.inputs)
    anchors = writer.constant(f"{op.name}.anchors", boxes.anchors(op))
    scratch, threads = writer.at(f"{op.name}.beside"), "at->thread, at->threads"
    yield f"static const struct detector how = {initializer(op)};"
    yield f"detect_share(&how, {anchors}, {deltas}, {scores}, {scratch}, {threads});"
    if writer.shared:
        yield "meet(at->place, at->threads);"
    yield "if (at->thread == 0)"
    yield f"    detect_thin(&how, {writer.at(op.name)}, {scratch});"


def repeated(values: object, lanes: int) -> Array:
    """As many vectors as there are channels, so that the values repeat as pixels do."""
    return np.tile(np.asarray(values, np.float32), lanes)
