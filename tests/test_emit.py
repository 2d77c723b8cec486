"""Every graph of the house in C says what it says in numpy, for any vectors and any threads.

Here emit, writer, convolving and filtering are judged: what they write means nothing by itself.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import spindle
from spindle.compiler.fitting import fitted
from spindle.compiler.source import Source
from spindle.compiler.targets import AVX2, AVX512, NEON, PLAIN, WASM, Isa, target
from spindle.data.preprocess import read_picture
from spindle.model.answers import Detect
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import TORCH, Graph
from spindle.model.mobilenet import Ablation
from spindle.model.ops import Op
from tests.compiled import ELSEWHERE, HERE, NATIVE, build
from tests.networks import alike, built, emitted
from tests.settled import settled

pytestmark = pytest.mark.skipif(not HERE, reason="there is no C compiler here: pip install ziglang")
MOST = 4  # threads
tiny = partial(mobilenet_v2, 0.1, classes=5)


def softmax(op: Op) -> Op:
    return replace(op, score="softmax", threshold=0.1) if isinstance(op, Detect) else op


GRAPHS: dict[str, tuple[Callable[[], Graph], Isa]] = {
    "odd and oblong": (lambda: mobilenet_v2(0.35, (97, 65), classes=11), AVX2),
    "another oblong": (lambda: mobilenet_v2(0.35, (50, 131), classes=11), AVX512),
    "as wide as the paper's": (lambda: mobilenet_v2(1.0, 64), AVX2),
    "wider": (lambda: mobilenet_v2(1.4, (48, 34), classes=1001), AVX512),
    "hardly a picture": (lambda: tiny((3, 1)), PLAIN),
    "padded as in torch": (lambda: tiny((97, 65), family=TORCH), PLAIN),
    "stride 16": (lambda: tiny((65, 49), output_stride=16), AVX512),
    "stride 8": (lambda: tiny((49, 65), output_stride=8, family=TORCH), AVX2),
    "ssd": (lambda: tiny((96, 64), "ssd"), AVX2),
    "ssdlite": (lambda: tiny((129, 97), "ssdlite"), PLAIN),
    "ssdlite, softmax": (lambda: tiny((96, 96), "ssdlite").map(softmax), AVX512),
    "deeplab": (lambda: tiny((65, 97), "deeplab"), AVX512),
    "deeplab with aspp": (lambda: tiny((65, 49), "deeplab-aspp"), AVX2),
    "deeplab, of many rows": (lambda: tiny((513, 33), "deeplab"), AVX2),
    "deeplab at stride 8": (lambda: tiny((33, 49), "deeplab-aspp", output_stride=8), PLAIN),
    "pose": (lambda: tiny((64, 48), "pose"), AVX2),
    "pose, light": (lambda: tiny((48, 64), "pose-light"), AVX512),
    "embedding": (lambda: tiny((96, 48), "embedding"), AVX2),
    "before it": (lambda: mobilenet_v1(0.25, (65, 49), classes=5), AVX2),
    "before it, of torch": (lambda: mobilenet_v1(0.1, (48, 65), family=TORCH), PLAIN),
    "no shortcut": (lambda: tiny(64, ablation=Ablation(shortcut="none")), AVX512),
    "shortcut where it is wide": (lambda: tiny(64, ablation=Ablation(shortcut="expansion")), AVX2),
    "relu in the bottleneck": (lambda: tiny(64, ablation=Ablation(linear=False)), AVX2),
    "no expansion": (lambda: tiny(64, ablation=Ablation(expansion=1)), AVX2),
    "expansion 3": (lambda: tiny((65, 33), ablation=Ablation(expansion=3)), PLAIN),
    "several outputs": (
        lambda: tiny((65, 33)).until("block01", "block03_expand", "block05", "logits", "head"),
        AVX2,
    ),
    "a detector's own words": (
        lambda: tiny((64, 64), "ssdlite").until("boxes", "classes", "block13"),
        AVX512,
    ),
}


def pictures(graph: Graph, count: int = 2) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, *graph.input.shape), np.uint8)


@pytest.mark.parametrize("name", GRAPHS)
def test_c_says_what_numpy_says_by_any_number_of_threads(name: str) -> None:
    draw, isa = GRAPHS[name]
    graph = draw()
    weights = settled(graph)
    (network,) = built([emitted(graph, weights, isa, MOST)], isa)
    for picture in pictures(graph):
        alone = network.run(picture)
        alike(graph, weights, picture, alone)
        for threads in range(2, MOST + 1):
            shared = network.run(picture, threads)
            assert all(alone[key].tobytes() == shared[key].tobytes() for key in alone), threads


@pytest.mark.parametrize("name", ["odd and oblong", "deeplab", "ssdlite"])
def test_a_plan_for_one_thread_gives_the_same_bits(name: str) -> None:
    draw, isa = GRAPHS[name]
    graph = draw()
    weights = settled(graph)
    sources = [emitted(graph, weights, isa, n, f"by{n}") for n in (1, 2, 3)]
    first, *others = (network.run(pictures(graph)[0]) for network in built(sources, isa))
    for other in others:
        assert all(first[key].tobytes() == other[key].tobytes() for key in first)


def small() -> Graph:
    """A little of everything."""
    return tiny((32, 48), "ssdlite").until("detections", "block04")


@pytest.mark.parametrize("optimised", [("-O2",), NATIVE], ids=" ".join)
def test_a_compiler_that_tries_hard_changes_nothing(optimised: tuple[str, ...]) -> None:
    graph = tiny((48, 33), "deeplab")
    weights = settled(graph)
    isa = AVX2 if optimised != NATIVE else target().isa
    (network,) = built([emitted(graph, weights, isa, 2)], isa, *optimised)
    for picture in pictures(graph, 1):
        alike(graph, weights, picture, network.run(picture, 2))


def text(source: Source) -> str:
    """Header and C as one file, so that it can be built where no other file is."""
    return source.c.replace('#include "model.h"', source.h)


@pytest.mark.skipif("ziglang" not in HERE, reason="ziglang, which has all machines, is absent")
@pytest.mark.parametrize(
    ("isa", "machine"),
    [
        (AVX512, "avx512"), (NEON, "aarch64"), (WASM, "wasm"), (PLAIN, "wasm without vectors"),
        (PLAIN, "avx512"),
    ],
)  # fmt: skip
def test_no_compiler_finds_fault_elsewhere(isa: Isa, machine: str) -> None:
    graph = small()
    code = text(emitted(graph, settled(graph), isa))
    build(
        code, "model.o", "-O0", "-fno-sanitize=all", *ELSEWHERE[machine], "-c", compiler="ziglang"
    )


@pytest.mark.parametrize("compiler", HERE)
@pytest.mark.parametrize("threads", [1, 3])
def test_no_compiler_finds_fault_here(compiler: str, threads: int) -> None:
    graph = small()
    for isa, flags in ((AVX2, ("-O0", "-mavx2", "-mfma")), (PLAIN, ("-O0",))):
        code = text(emitted(graph, settled(graph), isa, threads))
        plain = () if compiler == "gcc" else ("-fno-sanitize=all",)  # zig's habit, and slow
        build(code, "model.o", *flags, *plain, "-c", compiler=compiler)


REAL = ("classifier_imagenet_1.0_224", "ssdlite_voc_1.0_300", "deeplabv3_voc_1.0_513")


@pytest.mark.parametrize("name", REAL)
def test_real_weights_on_a_real_picture(name: str, data: Path) -> None:
    model = spindle.load(data / "weights" / f"{name}.npz").model
    path = sorted((data / "coco" / "images").iterdir())[0]
    picture = np.asarray(read_picture(path), np.uint8)
    (network,) = built([emitted(model.graph, model.weights, AVX2, 2)], AVX2, "-O1")
    inside = fitted(picture, model.graph.image)
    found = network.run(inside, 2)
    alike(model.graph, model.weights, inside, found)
    outside = network.run(picture)
    assert all(found[key].tobytes() == outside[key].tobytes() for key in found)


@pytest.mark.skipif("gcc" not in HERE, reason="gcc, which has the sanitizers, is absent")
def test_threads_never_touch_what_another_is_writing() -> None:
    """Under the thread sanitizer, with three of them, in rows and in channels."""
    graph = tiny((96, 48), "ssdlite")
    source = emitted(graph, settled(graph), AVX2, 3)
    program = """
#include "model.h"
#include <pthread.h>
#include <sched.h>
#define YIELD sched_yield()
#include "model.c"
static _Alignas(64) char weights[@WEIGHTS@], arena[@ARENA@];
static uint8_t rgb[MODEL_HEIGHT * MODEL_WIDTH * 3];
static float out[600];
static void *to[] = {out};
static void *work(void *thread)
{
    for (int i = 0; i < 2; i++)
        if (model_share(weights, arena, rgb, MODEL_WIDTH, MODEL_HEIGHT, to, *(int *)thread, 3))
            return thread;
    return NULL;
}
int main(void)
{
    pthread_t ids[3];
    static int numbers[] = {0, 1, 2};
    model_ready(arena);
    for (int i = 0; i < 3; i++)
        pthread_create(ids + i, NULL, work, numbers + i);
    void *wrong = NULL;
    for (int i = 0; i < 3; i++) {
        void *said;
        pthread_join(ids[i], &said);
        wrong = said ? said : wrong;
    }
    return wrong ? 1 : 0;
}
"""
    program = program.replace("@WEIGHTS@", str(len(source.weights)))
    program = program.replace("@ARENA@", str(source.arena))
    program = program.replace('#include "model.h"', source.h)
    program = program.replace('#include "model.c"', source.c.replace('#include "model.h"', ""))
    flags = ("-O0", "-D_POSIX_C_SOURCE=200809L", "-mavx2", "-mfma", "-fsanitize=thread", "-pthread")
    path = build(program, "program", *flags, compiler="gcc")
    still = ["setarch", "-R"] if shutil.which("setarch") else []
    done = subprocess.run([*still, str(path)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
