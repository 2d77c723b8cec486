"""Networks drawn by lot, in C, say what they say in numpy, and touch nothing that is not theirs.

SPINDLE_FUZZ=300 tries so many of them; each seed is a network, a plan, a machine and its threads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.compiler import emit as emitter
from spindle.compiler.pipeline import passed
from spindle.compiler.place import Arena, given, place, rounded
from spindle.compiler.schedule import Limits, Plan, inside, schedule
from spindle.compiler.source import Source
from spindle.compiler.targets import Isa
from spindle.compiler.walk import sinks
from spindle.model.graph import Graph
from tests import drawn
from tests.compiled import HERE, ROOM
from tests.networks import ISAS, QUICK, Outputs, alike, built, emitted, machine
from tests.settled import settled

pytestmark = pytest.mark.skipif(not HERE, reason="there is no C compiler here: pip install ziglang")
SEEDS = int(os.environ.get("SPINDLE_FUZZ", "36"))
AT_ONCE = 6  # networks built together
WATCHED = range(max(SEEDS // 6, 1))  # with sanitizers, which take their time
PLANS = (
    Limits(), Limits(rings=0), Limits(rings=0, streamed=3), Limits(cache=0), Limits(streamed=5),
    Limits(rings=0, streamed=2, split=True),
)  # fmt: skip
GAP = 64  # bytes between things in an arena that is spread out


def asked(seed: int) -> tuple[int, Limits]:
    """Threads and plan of a seed."""
    limits = PLANS[seed % len(PLANS)]
    return 1 if limits.split else seed % 3 + 1, limits


def pictures(graph: Graph, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (2, *graph.input.shape), np.uint8)


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_c_says_what_numpy_says(first: int) -> None:
    isa = ISAS[first // AT_ONCE % len(ISAS)]
    seeds = range(first, min(first + AT_ONCE, SEEDS))
    graphs = [drawn.network(seed) for seed in seeds]
    weights = [settled(graph, seed) for graph, seed in zip(graphs, seeds, strict=True)]
    sources = [
        emitted(graph, numbers, isa, threads, f"m{seed}", limits)
        for graph, numbers, seed in zip(graphs, weights, seeds, strict=True)
        for threads, limits in [asked(seed)]
    ]
    each = zip(built(sources, isa), graphs, weights, seeds, strict=True)
    for network, graph, numbers, seed in each:
        for picture in pictures(graph, seed):
            found = network.run(picture)
            alike(graph, numbers, picture, found)
            for threads in range(2, asked(seed)[0] + 1):
                shared = network.run(picture, threads)
                assert all(found[key].tobytes() == shared[key].tobytes() for key in found), seed


# reads weights and two pictures, writes the outputs of each; every array exactly as large as said
PROGRAM = """
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
static const size_t gaps[][2] = {@GAPS@}, sizes[] = {@SIZES@};
int main(void)
{
    const size_t bytes = @WEIGHTS@, picture = @PICTURE@, arena_bytes = @ARENA@;
    char *weights = aligned_alloc(64, bytes), *arena = aligned_alloc(64, arena_bytes);
    uint8_t *rgb = malloc(picture);
    void *to[MODEL_OUTPUTS];
    if (fread(weights, 1, bytes, stdin) != bytes)
        return 1;
    memset(arena, 0xFF, arena_bytes);
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
        ASAN_POISON_MEMORY_REGION(arena + gaps[i][0], gaps[i][1]);
    for (int run = 0; run < 2; run++) {
        if (fread(rgb, 1, picture, stdin) != picture)
            return 2;
        for (int i = 0; i < MODEL_OUTPUTS; i++)
            to[i] = malloc(sizes[i]);
        if (model_run(weights, arena, rgb, MODEL_WIDTH, MODEL_HEIGHT, to))
            return 3;
        for (int i = 0; i < MODEL_OUTPUTS; i++) {
            fwrite(to[i], 1, sizes[i], stdout);
            free(to[i]);
        }
    }
    ASAN_UNPOISON_MEMORY_REGION(arena, arena_bytes);
    free(weights), free(arena), free(rgb);
    return 0;
}
"""


def spread(plan: Plan) -> tuple[Arena, list[tuple[int, int]]]:
    """An arena in which nothing shares its bytes, and the gaps: so that no slip stays hidden.

    Where each thing ends is reckoned here once more, as many bytes as its rows take and no more.
    """
    usual, at = place(plan), 0
    offsets, gaps = {}, []

    def take(name: str, size: int) -> None:
        nonlocal at
        offsets[name] = at
        end = at + size
        at = rounded(end) + GAP
        gaps.append((-(-end // 8) * 8, at - -(-end // 8) * 8))

    def size(name: str) -> int:
        layout = plan.layouts[name]
        return 4 * usual.rows[name] * layout.row * layout.planes

    for span in usual.spans:
        if span.name in ("meeting", "zeros") or span.name.endswith(".beside"):
            take(span.name, span.bytes)
    for group in plan.groups:
        for name in sorted(inside(group, plan.graph)):
            take(name, size(name))
        for op in sinks(group, plan.graph):
            if not given(op, plan):
                take(op.name, size(op.name))
    spans = tuple(span for span in usual.spans if span.name in offsets)
    return replace(usual, offsets=offsets, spans=spans, bytes=at), gaps


def watched(graph: Graph, numbers: dict[str, NDArray[np.float32]], isa: Isa, limits: Limits,
            monkeypatch: pytest.MonkeyPatch) -> tuple[Source, list[tuple[int, int]]]:  # fmt: skip
    graph, numbers = passed(graph, numbers)
    plan = schedule(graph, isa, 1, limits)
    arena, gaps = spread(plan)
    monkeypatch.setattr(emitter, "place", lambda _: arena)
    return emitter.emit(plan, numbers, isa, {"task": "test"}), gaps


@pytest.mark.skipif("gcc" not in HERE, reason="gcc, which has the sanitizers, is absent")
@pytest.mark.parametrize("seed", WATCHED)
def test_nothing_is_touched_that_is_not_its_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor, ring and picture has forbidden bytes around it; all begins as no number."""
    graph, isa, limits = drawn.network(seed), ISAS[seed % 3], PLANS[seed % len(PLANS)]
    numbers = settled(graph, seed)
    source, gaps = watched(graph, numbers, isa, limits, monkeypatch)
    found = sanitized(source, pictures(graph, seed), isa, gaps)
    for picture, outputs in zip(pictures(graph, seed), found, strict=True):
        alike(graph, numbers, picture, outputs)


def sanitized(
    source: Source, two: NDArray[np.uint8], isa: Isa, gaps: list[tuple[int, int]]
) -> list[Outputs]:
    kind = np.dtype([(o["name"], o["dtype"], tuple(o["shape"])) for o in source.info["outputs"]])
    names = kind.names or ()
    room = Path(tempfile.mkdtemp(dir=ROOM.name))
    said = {
        "GAPS": ", ".join(f"{{{at}, {size}}}" for at, size in gaps),
        "SIZES": ", ".join(str(kind[name].itemsize) for name in names),
        "WEIGHTS": len(source.weights), "PICTURE": two[0].size, "ARENA": source.arena,
    }  # fmt: skip
    program = PROGRAM
    for word, text in said.items():
        program = program.replace(f"@{word}@", str(text))
    for name, text in (("model.c", source.c), ("model.h", source.h), ("main.c", program)):
        (room / name).write_text(text)
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o", "program")
    words = ["gcc", *QUICK, *machine(isa), *flags, "main.c", "model.c"]
    done = subprocess.run(words, cwd=room, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    content = source.weights + two.tobytes()
    ran = subprocess.run([str(room / "program")], input=content, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()[-4000:]
    shutil.rmtree(room)
    return [{name: row[name] for name in names} for row in np.frombuffer(ran.stdout, kind)]
