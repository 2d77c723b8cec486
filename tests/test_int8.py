"""Networks of bytes: C says to the bit what numpy says, whatever the machine and its threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import spindle
from spindle.compiler import build, reference
from spindle.compiler.library import Library
from spindle.compiler.pipeline import compile, passed
from spindle.compiler.schedule import Limits
from spindle.compiler.targets import AVX2, AVX512, I8MM, NEON, PLAIN, WASM, Isa, target
from spindle.model.graph import Builder, Graph
from spindle.model.ops import Act, Conv, Deconv
from spindle.model.weights import Model, Weights
from tests import drawn
from tests.abroad import in_wasm, needed, on_arm, on_cortex
from tests.compiled import HERE
from tests.gridded import exact, gridded
from tests.networks import ISAS, Outputs, built, emitted, error, played, simde
from tests.settled import settled

pytestmark = pytest.mark.skipif(not HERE, reason="there is no C compiler here: pip install ziglang")
SEEDS = int(os.environ.get("SPINDLE_FUZZ", "36"))
AT_ONCE = 6  # networks built together
PLANS = Limits(), Limits(rings=0), Limits(rings=0, streamed=3), Limits(cache=0), Limits(streamed=5)
NEAR = 0.1  # where numbers were rounded to bytes on the way, and the last bit may decide
HEADS: dict[str, Graph] = {
    "classes": spindle.mobilenet_v2(0.35, (48, 64), classes=7).until("logits"),
    "boxes": spindle.mobilenet_v2(0.35, (64, 64), head="ssdlite", classes=3),
    "masks": spindle.mobilenet_v2(0.35, (65, 49), head="deeplab", classes=4),
    "points": spindle.mobilenet_v2(0.35, (64, 64), head="pose"),
    "identity": spindle.mobilenet_v2(0.35, (64, 32), head="embedding"),
    "first": spindle.mobilenet_v1(0.25, (64, 64), classes=5).until("logits"),
}


def pictures(graph: Graph, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (2, *graph.input.shape), np.uint8)


def until_sums(graph: Graph) -> Graph:
    """Until its last two full convolutions, whose sums need no more than bytes; else as it is."""
    sums = [op.name for op in graph.ops if isinstance(op, Conv) and not op.depthwise]
    return graph.until(*sums[-2:]) if sums else graph


def judged(graph: Graph, weights: Weights, picture: NDArray[np.uint8], found: Outputs) -> int:
    """How many outputs come of whole numbers alone, which are equal; the others are near."""
    graph, weights = passed(graph, weights)
    meant = reference.run(graph, weights, picture)
    assert meant.keys() == found.keys()
    count = 0
    for name, value in meant.items():
        if exact(graph, name):
            assert value.tobytes() == found[name].tobytes(), name
            count += 1
        elif value.dtype == np.int32:
            assert (value != found[name]).mean() < NEAR
        else:
            assert error(value, found[name]) < NEAR or value.shape[2] == 6, name
    return count


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_c_says_what_numpy_says(first: int) -> None:
    isa = ISAS[first // AT_ONCE % len(ISAS)]
    seeds = range(first, min(first + AT_ONCE, SEEDS))
    graphs = [until_sums(drawn.network(seed)) for seed in seeds]
    models = [
        gridded(graph, settled(graph, seed), seed)
        for graph, seed in zip(graphs, seeds, strict=True)
    ]
    sources = [
        emitted(*model, isa, seed % 3 + 1, f"m{seed}", PLANS[seed % len(PLANS)])
        for model, seed in zip(models, seeds, strict=True)
    ]
    count = 0
    for network, model, seed in zip(built(sources, isa), models, seeds, strict=True):
        for picture in pictures(model[0], seed):
            found = network.run(picture)
            count += judged(*model, picture, found)
            for threads in range(2, seed % 3 + 2):
                shared = network.run(picture, threads)
                assert all(found[key].tobytes() == shared[key].tobytes() for key in found), seed
    assert count > 0


@pytest.mark.parametrize("name", HEADS)
def test_every_task_in_bytes(name: str) -> None:
    graph = HEADS[name]
    model = gridded(graph, settled(graph))
    sources = [emitted(*model, AVX2, threads, f"m{threads}") for threads in (1, 2)]
    for threads, network in enumerate(built(sources), 1):
        for picture in pictures(graph, 1):
            judged(*model, picture, network.run(picture, threads))


def loud(kernel: int, stride: int, rows: tuple[int, ...]) -> tuple[Graph, Weights]:
    """All of a white picture counts as much as can be, in these rows of a filter's taps.

    With a stride it is a transposed convolution, whose phases have some of the rows each.
    """
    g = Builder((12, 12))
    x, deep = g.image, f"deep{kernel}"
    if stride == 1:
        x = g.conv(x, deep, 3, kernel, groups=3, act="relu6", norm=None)
    else:
        x = g.add(Deconv(deep, (x,), 3, kernel, stride, 1, 3, 2, None, "relu6"))
    graph = g.graph(g.conv(x, "sums", 4, act=None, norm=None))
    model, numbers = gridded(graph, settled(graph))
    taps = np.zeros((3, kernel, kernel, 1), np.float32)
    taps[:, list(rows)] = 1
    numbers[f"{deep}.weight"], numbers[f"{deep}.bias"] = taps, np.full(3, -4.0, np.float32)
    numbers[f"{deep}.step"] = np.full(3, 1 / (127 * 127.5), np.float32)  # 127 for each tap
    numbers[f"{deep}.scale"] = np.full(3, 6 / 255, np.float32)
    return model, numbers


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
def test_the_loudest_filters_do_not_saturate(isa: Isa) -> None:
    models = [loud(3, 1, (0, 2)), loud(3, 1, (1,)), loud(5, 1, (1, 3, 4)), loud(6, 2, (0, 4))]
    sources = [emitted(*model, isa, 1, f"m{number}") for number, model in enumerate(models)]
    for network, model in zip(built(sources, isa), models, strict=True):
        white = np.full(model[0].input.shape, 255, np.uint8)
        for picture in (white, pictures(model[0], 3)[0]):
            assert judged(*model, picture, network.run(picture)) == 1


def narrow(channels: int, width: int, kernel: int, stride: int, act: Act) -> Graph:
    """A wide tensor whose last plane may be narrower than the others, filtered and summed."""
    g = Builder((9, width))
    wide = g.conv(g.image, "wide", channels, 1, act=act, norm=None)
    deep = g.conv(wide, "deep", channels, kernel, stride, groups=channels, act=act, norm=None)
    return g.graph(g.conv(deep, "sums", 5, act=None, norm=None))


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
def test_planes_narrower_than_a_group_of_channels(isa: Isa) -> None:
    """Several pixels are then filtered at once, of which a row may not be a multiple."""
    rows: list[tuple[int, int, int, Act]] = [
        (13, 3, 1, "relu6"),
        (13, 3, 2, None),
        (14, 5, 1, None),
        (5, 3, 2, "relu6"),
    ]
    shapes = [(channels, *row) for channels in (8, 16, 24, 32, 48, 80, 96, 100) for row in rows]
    graphs = [narrow(*shape) for shape in shapes]
    models = [gridded(graph, settled(graph, n), n) for n, graph in enumerate(graphs)]
    sources = [emitted(*model, isa, n % 2 + 1, f"m{n}") for n, model in enumerate(models)]
    for n, (network, model) in enumerate(zip(built(sources, isa), models, strict=True)):
        picture = pictures(model[0], n)[0]
        assert judged(*model, picture, network.run(picture, n % 2 + 1)) == 1, shapes[n]


@pytest.mark.parametrize("threads", [1, 2])
def test_with_all_that_this_processor_has(threads: int, tmp_path: Path) -> None:
    """Such as VNNI, which its level alone does not promise."""
    graph = HEADS["classes"]
    model = gridded(graph, settled(graph))
    source = compile(Model(*model, "classify"), target(), threads=threads)
    library = Library(build.build(source, target(), tmp_path / "model.so"), threads)
    for picture in pictures(graph, 2):
        assert judged(*model, picture, library.run(picture)) == 1


@pytest.mark.parametrize("seed", range(6))
def test_some_of_it_in_numbers(seed: int) -> None:
    graph = HEADS["classes"]
    model = gridded(graph, settled(graph), seed, 0.6)
    assert any(op.grid for op in model[0].ops) and not all(op.grid for op in model[0].ops[:-1])
    (network,) = built([emitted(*model)])
    judged(*model, pictures(graph, seed)[0], network.run(pictures(graph, seed)[0]))


@pytest.mark.parametrize(
    "isa, cpu",
    [(AVX2, "x86_64_v3+avxvnni"), (AVX512, "x86_64_v4"), (AVX512, "x86_64_v4+avx512vnni")],
)
def test_it_builds_for_processors_that_are_not_here(isa: Isa, cpu: str, tmp_path: Path) -> None:
    needed(zig=True, program=sys.executable, package="python3")
    graph = HEADS["classes"]
    source = emitted(*gridded(graph, settled(graph)), isa)
    build.put(source, tmp_path)
    zig = build.find(target("x86-64-v3")).command
    machine = ("-target", "x86_64-linux-gnu.2.17", f"-mcpu={cpu}", f"-I{build.HEADERS}")
    words = (*zig, *machine, *build.STRICT, "-c", f"{source.name}.c", "-o", "model.o")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "isa, more", [(AVX2, "AVXVNNI"), (AVX512, "AVX512VNNI")], ids=lambda one: str(one)[:7]
)
def test_instructions_that_are_not_here_say_it_too(isa: Isa, more: str) -> None:
    if not simde():
        pytest.skip("SIMDe, which plays instructions, is absent: apt-get install libsimde-dev")
    graph = HEADS["classes"]
    model, picture = gridded(graph, settled(graph)), pictures(graph, 2)[0]
    (network,) = built([emitted(*model, isa)], isa, on=played(isa, more))
    assert judged(*model, picture, network.run(picture)) == 1


@pytest.mark.parametrize(
    "isa, cpu",
    [
        (NEON, ""), (NEON, "cortex_a76"),  # which has dot products
        (I8MM, ""), (I8MM, target("aarch64-linux-i8mm").cpu),  # of unsigned by signed bytes
        (PLAIN, ""),
    ],
    ids=lambda one: getattr(one, "name", one or "generic"),
)  # fmt: skip
def test_arm_says_it_too(isa: Isa, cpu: str) -> None:
    graph = HEADS["classes"]
    model, picture = gridded(graph, settled(graph)), pictures(graph, 2)[:1]
    found = on_arm(emitted(*model, isa), picture, cpu)
    assert judged(*model, picture[0], {name: array[0] for name, array in found.items()}) == 1


def test_a_microcontroller_says_it_too() -> None:
    graph = HEADS["classes"]
    model, picture = gridded(graph, settled(graph)), pictures(graph, 2)[:1]
    found = on_cortex(emitted(*model, PLAIN), picture)
    assert judged(*model, picture[0], {name: array[0] for name, array in found.items()}) == 1


def test_the_browser_says_it_too() -> None:
    graph = HEADS["classes"]
    model, picture = gridded(graph, settled(graph)), pictures(graph, 2)[:1]
    found = in_wasm(emitted(*model, WASM), "wasm32", picture)
    assert judged(*model, picture[0], {name: array[0] for name, array in found.items()}) == 1
