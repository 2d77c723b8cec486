"""Every graph of the house in C says what it says in numpy, for any vectors and any threads.

Here emit, writer, convolving and filtering are judged: what they write means nothing by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.compiler.source import Source
from spindle.compiler.targets import AVX2, AVX512, NEON, PLAIN, WASM, Isa, target
from spindle.model.answers import Detect
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import TORCH, Graph
from spindle.model.mobilenet import Ablation
from spindle.model.ops import Op
from tests.compiled import HERE, NATIVE, build, builds_elsewhere
from tests.networks import Network, alike, built, emitted
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
    builds_elsewhere(text(emitted(graph, settled(graph), isa)), machine)


@pytest.mark.parametrize("compiler", HERE)
@pytest.mark.parametrize("threads", [1, 3])
def test_no_compiler_finds_fault_here(compiler: str, threads: int) -> None:
    graph = small()
    for isa, flags in ((AVX2, ("-O0", "-mavx2", "-mfma")), (PLAIN, ("-O0",))):
        code = text(emitted(graph, settled(graph), isa, threads))
        build(code, "model.o", *flags, "-c", compiler=compiler)
