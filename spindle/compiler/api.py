"""What does a program see of a compiled network?  Five functions, their header and their checks."""

from __future__ import annotations

import json
from typing import Any

from spindle.compiler.fitting import initializer
from spindle.compiler.place import Arena, rounded
from spindle.compiler.schedule import Plan
from spindle.compiler.steps import by
from spindle.compiler.targets import Isa
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax

LARGEST = 1 << 14  # pixels along a side of a picture that is fitted
ANSWERS = {"answers.h": (Softmax, Normalize, ArgMax, Peaks), "boxes.h": (Detect,)}
PROMISED = 4095  # letters of a string that C99 asks of a compiler
MADE_BY = "Spindle (MobileNetV2 made whole)"


def about(plan: Plan, info: dict[str, Any]) -> str:
    """Who made it, from what, and how."""
    graph = plan.graph
    outputs = ", ".join(f"{t.name} {by(t)}" for t in graph.outputs)
    lines = [
        f"Made by {MADE_BY} {info.get('versions', {}).get('spindle', '')}.",
        f"{info.get('task', 'network')}: picture {by(graph.input)} -> {outputs}",
        f"{graph.madds:,} multiply-adds in {len(plan.groups)} groups of ops; "
        f"arena {info['arena']:,} bytes for {plan.threads} thread{'s' * (plan.threads > 1)}; "
        f"vectors as on {info['isa']}{', thin tensors in bf16' if 'precision' in info else ''}.",
    ]
    if info.get("hash"):
        lines.append(f"From the model file with the hash {info['hash']}.")
    return "\n".join(f" * {line}".rstrip() for line in lines)


def heading(plan: Plan, info: dict[str, Any], name: str, isa: Isa) -> str:
    wider = "#if defined(__AVX2__) || defined(__AVX512F__)\n#define SPINDLE_PLAIN 1\n#endif\n"
    plain = wider if isa.name == "plain" else ""  # four lanes wherever it is built
    clock = f'#define MARKS {len(plan.groups) + 1}\n#include "kernels/clock.h"'
    if not info.get("measured"):
        clock = "#define TICK(group) (void)0 /* for those who measure */"
    used = {"float32.h", "picture.h", "walk.h"}
    used |= {"brief.h"} if isa.brief else set()
    used |= {"int8.h"} if plan.graph.of_bytes else set()
    used |= {name for name, kinds in ANSWERS.items() for op in plan.graph.ops if type(op) in kinds}
    plain += "#define SPINDLE_FLIPPED 1\n" if isa.flipped and "int8.h" in used else ""
    included = "\n".join(f'#include "kernels/{name}"' for name in sorted(used))
    return f"""/*
{about(plan, info)}
 */
{plain}#include "{name}.h"

{included}

#if LANES != {isa.lanes}
#error "these weights are packed for vectors of {isa.lanes} floats ({isa.name})"
#endif

{clock}"""


def header(plan: Plan, info: dict[str, Any], name: str) -> str:
    big = name.upper()
    height, width, channels = plan.graph.input.shape
    outputs = "\n".join(
        f" *   outputs[{i}]  {o['name']}: {' x '.join(map(str, o['shape']))} of {o['dtype']}"
        for i, o in enumerate(info["outputs"])
    )
    return f"""/*
{about(plan, info)}
 *
 * The caller gives all memory: an arena, aligned to 64 bytes, which may be anything before the
 * first run and holds nothing between runs; weights.bin as it is, aligned to 64 bytes; and
{outputs}
 *
 * Nothing is allocated, printed or kept elsewhere, so that as many threads as there are arenas may
 * run at once.
 */
#ifndef {big}_H
#define {big}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

enum {{
    {name}_ok = 0,
    {name}_no_memory = 1,  /* the arena is missing, or not aligned to 64 bytes */
    {name}_no_picture = 2, /* the picture is missing, or its sides are not 1 to {LARGEST} */
    {name}_no_weights = 3, /* the weights are missing, or not aligned to 64 bytes */
    {name}_no_output = 4,  /* one of the outputs is missing */
    {name}_no_thread = 5   /* no such thread: 1 to {plan.threads} may share a run */
}};

#define {big}_HEIGHT {height}
#define {big}_WIDTH {width}
#define {big}_CHANNELS {channels}
#define {big}_OUTPUTS {len(plan.graph.outputs)}
#define {big}_THREADS {plan.threads}
#define {big}_ARENA {info["arena"]} /* bytes, for pictures of the network's own size */

/* All that is known of the network, as JSON. */
const char *{name}_info(void);

/* Bytes of an arena for pictures of this size; 0 where there can be none. */
size_t {name}_arena(int width, int height);

/* From a picture, rows of RGB bytes, to the outputs; of another size than the network's it is
 * fitted first, as the network was taught; one of that size is taken to be so already.  Gives one
 * of the codes above. */
int {name}_run(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
               void *const *outputs);

/* One thread's share of a run: all `threads` of them call it at once, with the same arguments.
 * The arena must have been made ready once since it held anything else. */
int {name}_share(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
                 void *const *outputs, int thread, int threads);

/* Makes an arena ready to be shared by threads. */
void {name}_ready(void *arena);

#ifdef __cplusplus
}}
#endif

#endif
"""


def text(plan: Plan, arena: Arena, info: dict[str, Any], name: str) -> str:
    """The functions of the header."""
    image = plan.graph.image
    height, width, channels = image.output.shape
    fitted = rounded(height * width * channels)
    several = plan.threads > 1
    return f"""{told(info)}

static const struct fit fit = {initializer(image)};

const char *{name}_info(void)
{{
    return info;
}}

size_t {name}_arena(int width, int height)
{{
    if (width == {width} && height == {height})
        return {arena.bytes};
    if (width < 1 || height < 1 || width > {LARGEST} || height > {LARGEST})
        return 0;
    return {arena.bytes + fitted} + fit_scratch(&fit, width, height);
}}

void {name}_ready(void *arena)
{{
    __builtin_memset((char *)arena + {arena.offsets["meeting"]}, 0, sizeof(Meeting));
}}

int {name}_share(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
                 void *const *outputs, int thread, int threads)
{{
    char *const memory = arena;
    if (!weights || (uintptr_t)weights % 64)
        return {name}_no_weights;
    if (!arena || (uintptr_t)arena % 64)
        return {name}_no_memory;
    if (!rgb || !{name}_arena(width, height))
        return {name}_no_picture;
    if (!outputs)
        return {name}_no_output;
    for (int i = 0; i < {len(plan.graph.outputs)}; i++)
        if (!outputs[i])
            return {name}_no_output;
    if (threads < 1 || threads > {plan.threads} || thread < 0 || thread >= threads)
        return {name}_no_thread;
    if (width != {width} || height != {height}) {{
        uint8_t *const fitted = (uint8_t *)memory + {arena.bytes};
        if (thread == 0)
            fit_picture(&fit, rgb, width, height, fitted, memory + {arena.bytes + fitted});
{f"        meet((Meeting *)(void *)(memory + {arena.offsets['meeting']}), threads);" * several}
        rgb = fitted;
    }}
    network(weights, memory, rgb, outputs, thread, threads);
    return {name}_ok;
}}

int {name}_run(const void *weights, void *arena, const uint8_t *rgb, int width, int height,
               void *const *outputs)
{{
    return {name}_share(weights, arena, rgb, width, height, outputs, 0, 1);
}}"""


def told(info: dict[str, Any]) -> str:
    """What is known of the network; compilers that are asked to may find it too long a string."""
    said = f"static const char info[] ={quoted(info)};"
    if len(said) <= PROMISED:
        return said
    return f'#pragma GCC diagnostic ignored "-Woverlength-strings"\n{said}'


def quoted(info: dict[str, Any]) -> str:
    """JSON as C strings, a line each."""
    content = json.dumps(info, separators=(",", ":"))
    lines, line = [], ""
    for letter in content:
        line += {'"': '\\"', "\\": "\\\\", "?": "\\?"}.get(letter, letter)
        if len(line) > 88:
            lines.append(line)
            line = ""
    return "".join(f'\n    "{line}"' for line in [*lines, line])
