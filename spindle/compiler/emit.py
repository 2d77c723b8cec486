"""How is a plan said in C?  One file of constants and calls, its header, and the weights."""

from __future__ import annotations

from typing import Any

from spindle.compiler.api import header, heading, text
from spindle.compiler.pack import Blob
from spindle.compiler.place import Arena, beside, given, place
from spindle.compiler.schedule import Plan, inside
from spindle.compiler.source import Source
from spindle.compiler.steps import about, function
from spindle.compiler.targets import Isa
from spindle.compiler.walk import Group, extent, reach, sinks
from spindle.compiler.writer import HALF, Shape, Writer, affine, called
from spindle.model.grids import grids
from spindle.model.ops import Resize
from spindle.model.tasks import outputs
from spindle.model.weights import Weights


def emit(
    plan: Plan, weights: Weights, isa: Isa, info: dict[str, Any], name: str = "model"
) -> Source:
    arena, blob = place(plan), Blob()
    shapes: set[Shape] = set()
    first: dict[str, str] = {}  # the group under whose name a text was written
    calls = []
    known = grids(plan.graph, weights)
    for number, group in enumerate(plan.groups):
        writer = Writer(plan, arena, group, weights, isa, known=known)
        written = grouped(group, writer)
        shapes |= writer.shapes
        called = first.setdefault(written, group.name)
        calls.append(call(number, called, writer, blob.join(writer.blob)))
    info = info | {
        "outputs": outputs(plan.graph),
        "isa": isa.name,
        "threads": plan.threads,
        "arena": arena.bytes,
        "groups": len(plan.groups),
        **({"precision": "bf16"} if isa.brief else {}),
    }
    c = "\n\n".join(
        [
            heading(plan, info, name, isa),
            "\n\n".join(instance(*shape) for shape in sorted(shapes)),
            walk(max(len(group.ops) for group in plan.groups)),
            *(written.replace("@", f"make_{group}") for written, group in first.items()),
            run(plan, arena, calls, name),
            text(plan, arena, info, name),
        ]
    )
    h = header(plan, info, name)
    return Source(name, c + "\n", h, blob.content, arena.bytes, plan.threads, info)


def instance(kind: str, pixels: int, other: int, ways: tuple[str, ...]) -> str:
    """A kernel in one of the shapes that this network calls."""
    name = kind.removesuffix("8").upper()
    sizes = {"TILE": "VECTORS", "FILTER": "SIDE"}[name]
    lines = [
        f"#define {name} {called(kind, pixels, other, ways)}",
        f"#define PIXELS {pixels}",
        f"#define {sizes} {other}",
        *(f"#define {way.upper()} {1 if way == HALF else 'brief'}" for way in ways),
        f'#include "kernels/{kind}.h"',
    ]
    return "\n".join(lines)


def walk(ops: int) -> str:
    """What the functions of a group are given."""
    return f"""typedef struct {{
    const float *w, *zero; /* the group's weights, and a row of zeros */
    float *const *t;       /* its tensors */
    const uint8_t *rgb;
    int thread, threads;
    Meeting *place;
    int n; /* the tile that a split group is at */
    int made[{ops}]; /* rows, by each op */
}} Walk;"""


def grouped(group: Group, writer: Writer) -> str:
    """The functions of a group's ops, and the one that starts them."""
    functions = [function(op, writer) for op in group.ops]
    ends = sinks(group, writer.plan.graph)
    lines = ["STEP void @(Walk *at)", "{"]
    if group.split:
        (sink,) = ends
        count = writer.layout(group.ops[0].output).tiles
        lines += [
            f"    for (at->n = 0; at->n < {count}; at->n++) {{",
            "        __builtin_memset(at->made, 0, sizeof at->made);",
            f"        {writer.function(sink.name)}(at, {extent(sink)});",
            "    }",
        ]
    elif group.lanes:
        lines += [f"    {writer.function(op.name)}(at, {extent(op)});" for op in ends]
    else:
        (sink,) = ends
        height = extent(sink)
        lines.append(f"    {writer.made(sink)} = share({height}, at->thread, at->threads);")
        lines += [f"    {line}" for line in beginnings(group, writer)]
        end = f"share({height}, at->thread + 1, at->threads)"
        lines.append(f"    {writer.function(sink.name)}(at, {end});")
    return "\n\n".join([*functions, "\n".join([*lines, "}"])])


def beginnings(group: Group, writer: Writer) -> list[str]:
    """Where each op begins, for a thread whose rows are not the first."""
    lines = []
    for op in reversed(group.ops[:-1]):
        wanted = []
        for reader in group.readers(op.output):
            how = reach(reader, op.output)
            assert how
            wanted.append(affine(writer.made(reader), how.scale, how.low, how.over))
        first = wanted[0]
        for other in wanted[1:]:
            first = f"lower({first}, {other})"
        lines.append(f"{writer.made(op)} = higher({first}, 0);")
    return lines


def call(number: int, called: str, writer: Writer, weights: int) -> str:
    """The group run: its weights, its tensors, and for whom."""
    group, plan, arena = writer.group, writer.plan, writer.arena
    inner = inside(group, plan.graph)
    outputs = [tensor.name for tensor in plan.graph.outputs]
    makers = {op.name: op for op in plan.graph.ops}
    places = []
    for name in writer.tensors:
        own = name.removesuffix(".beside")
        if name != own:
            each = beside(makers[own], plan) // plan.threads
            spread = isinstance(makers[own], Resize) and plan.threads > 1
            places.append(f"A({arena.offsets[name]}{f' + thread * {each}' if spread else ''})")
        elif own in outputs and given(makers[own], plan):
            places.append(f"outputs[{outputs.index(own)}]")
        elif own in inner and not group.lanes and plan.threads > 1:
            places.append(f"A({arena.offsets[own]} + thread * {arena.apart[group.name]})")
        else:
            places.append(f"A({arena.offsets[own]})")
    lines = [f"    /* {about(op)} */" for op in group.ops]
    return "\n".join(
        [
            *lines,
            "    {",
            f"        float *const t[] = {{{', '.join(places) or '0'}}};",
            f"        Walk at = {{W + {weights}, zero, t, rgb, thread, threads, place, 0, {{0}}}};",
            f"        make_{called}(&at);",
            *(["        meet(place, threads);"] if plan.threads > 1 else []),
            f"        {'if (thread == 0) ' if plan.threads > 1 else ''}TICK({number});",
            "    }",
        ]
    )


def run(plan: Plan, arena: Arena, calls: list[str], name: str) -> str:
    """All groups, in order, as one thread goes through them."""
    zeros = next(span.bytes for span in arena.spans if span.name == "zeros")
    lines = [
        "#define A(offset) (float *)(void *)(arena + (offset))",
        "#define W weights",
        "",
        "/* One thread's share of the whole network. */",
        "static void network(const float *weights, char *arena, const uint8_t *rgb,",
        "                    void *const *outputs, int thread, int threads)",
        "{",
        f"    float *const zero = A({arena.offsets['zeros']});",
        f"    Meeting *const place = (Meeting *)(void *)(arena + {arena.offsets['meeting']});",
        f"    if (thread == 0) __builtin_memset(zero, 0, {zeros});",
        *(["    meet(place, threads);"] if plan.threads > 1 else []),
        f"    {'if (thread == 0) ' if plan.threads > 1 else ''}TICK(-1);",
        *calls,
        *handed(plan, arena),
        "}",
    ]
    return "\n".join(lines)


def handed(plan: Plan, arena: Arena) -> list[str]:
    """Outputs that lie in whole vectors, copied to where the caller wants them."""
    lines = []
    for number, tensor in enumerate(plan.graph.outputs):
        maker = next(op for op in plan.graph.ops if op.name == tensor.name)
        if not given(maker, plan):
            layout, (high, wide, channels) = plan.layouts[tensor.name], tensor.shape
            lines += [
                f"    for (int y = share({high}, thread, threads); "
                f"y < share({high}, thread + 1, threads); y++)",
                f"        copy_row(A({arena.offsets[tensor.name]}) + y * {layout.row} + "
                f"{layout.indent}, (float *)outputs[{number}] + y * {wide * channels}, {wide}, "
                f"{channels}, {layout.pitch}, {channels});",
            ]
    return lines
