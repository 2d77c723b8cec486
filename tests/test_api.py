"""The functions a program sees: they refuse what they cannot run, and fit pictures of any size."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spindle.compiler import reference
from spindle.compiler.api import quoted, told
from spindle.compiler.fitting import fitted
from spindle.model.family import mobilenet_v2
from spindle.model.ops import Image, Op
from tests.compiled import HERE, ROOM
from tests.networks import Lent, Network, alike, built, emitted
from tests.settled import settled

pytestmark = pytest.mark.skipif(not HERE, reason="there is no C compiler here: pip install ziglang")
GRAPH = mobilenet_v2(0.1, (32, 48), classes=5)
WEIGHTS = settled(GRAPH)
OK, MEMORY, PICTURE, WEIGHTS_, OUTPUT, THREAD = range(6)


@pytest.fixture(scope="module")
def network() -> Network:
    (made,) = built([emitted(GRAPH, WEIGHTS, threads=2, name="seer")])
    return made


def test_each_wrong_argument_has_its_code(network: Network) -> None:
    source = network.source
    weights, arena = Lent(len(source.weights), source.weights), Lent(source.arena)
    rgb, out = Lent(32 * 48 * 3), Lent(20)
    to, none = (ctypes.c_void_p * 1)(out.address), (ctypes.c_void_p * 1)(None)
    good: list[Any] = [weights.address, arena.address, rgb.address, 48, 32, to]

    def run(place: int, value: Any) -> int:
        given = [value if i == place else one for i, one in enumerate(good)]
        wrapped = [ctypes.c_void_p(one) if i < 3 else one for i, one in enumerate(given)]
        return int(network.function("run")(*wrapped))

    assert run(-1, None) == OK
    assert run(0, None) == run(0, weights.address + 4) == WEIGHTS_
    assert run(1, None) == run(1, arena.address + 32) == MEMORY
    assert run(2, None) == PICTURE
    assert run(3, 0) == run(3, -5) == run(4, 0) == run(4, 1 << 20) == PICTURE
    assert run(5, None) == run(5, none) == OUTPUT
    wrapped = [ctypes.c_void_p(one) for one in good[:3]] + good[3:]
    for thread, threads in ((0, 0), (0, 3), (2, 2), (-1, 2), (0, -1)):
        assert network.function("share")(*wrapped, thread, threads) == THREAD
    assert all(lent.whole() for lent in (weights, arena, rgb, out))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("resample", ["bilinear", "bicubic"])
def test_a_picture_of_another_size_is_fitted_first(fit: Any, resample: Any) -> None:
    def change(op: Op) -> Op:
        return replace(op, fit=fit, resample=resample) if isinstance(op, Image) else op

    graph = GRAPH.until("block03").map(change)
    weights = {name: WEIGHTS[name] for name in graph.arrays}
    (network,) = built([emitted(graph, weights, threads=3)])
    for high, wide in ((32, 48), (1, 1), (100, 37), (31, 200)):
        picture = np.random.default_rng(2).integers(0, 256, (high, wide, 3), np.uint8)
        inside = fitted(picture, graph.image) if (high, wide) != (32, 48) else picture
        for threads in (1, 3):
            alike(graph, weights, inside, network.run(picture, threads))


def test_it_says_what_it_is(network: Network) -> None:
    info = network.function("info")
    info.restype = ctypes.c_char_p
    assert json.loads(info()) == network.source.info
    arena = network.function("arena")
    arena.restype = ctypes.c_size_t
    assert arena(48, 32) == network.source.arena < arena(48, 33) < arena(480, 330)
    assert arena(0, 32) == arena(48, -1) == arena(1 << 14, (1 << 14) + 1) == 0


def test_any_text_survives_as_c() -> None:
    """What looks like an escape, a trigraph or a line's end in JSON is none in C."""
    said = {"labels": ['"', "\\", "??/", "\n\t", "é", "%s", "*/", "a" * 300]}
    room = Path(tempfile.mkdtemp(dir=ROOM.name))
    text = quoted(said)
    (room / "say.c").write_text(
        f"const char said[] ={text}; const char *say(void) {{ return said; }}"
    )
    assert max(map(len, text.splitlines())) <= 100
    words = [shutil.which("gcc") or "cc", "-std=c11", "-Wall", "-Werror", "-shared", "-fPIC"]
    if "gcc" not in HERE:
        pytest.skip("gcc is absent")
    subprocess.run([*words, "-o", "say.so", "say.c"], cwd=room, check=True)
    code = ctypes.CDLL(str(room / "say.so"))
    code.say.restype = ctypes.c_char_p
    assert json.loads(code.say()) == said


@pytest.mark.skipif("gcc" not in HERE, reason="gcc is absent")
@pytest.mark.parametrize("labels", [3, 1000])
def test_no_compiler_finds_what_it_knows_too_long(labels: int) -> None:
    room = Path(tempfile.mkdtemp(dir=ROOM.name))
    text = told({"labels": [f"label {number}" for number in range(labels)]})
    (room / "say.c").write_text(f"{text}\nint main(void) {{ return info[0]; }}\n")
    words = ["gcc", "-std=c11", "-Wall", "-pedantic", "-Werror", "-fsyntax-only", "say.c"]
    done = subprocess.run(words, cwd=room, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif("gcc" not in HERE, reason="gcc is absent")
def test_the_header_is_c_and_c_plus_plus(network: Network) -> None:
    room = Path(tempfile.mkdtemp(dir=ROOM.name))
    (room / "model.h").write_text(network.source.h)
    for language in ("c", "c++"):
        if language == "c++" and not shutil.which("g++"):
            continue
        words = ["gcc", "-x", language, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
        done = subprocess.run([*words, "model.h"], cwd=room, capture_output=True, text=True)
        assert done.returncode == 0 or "#pragma once" in done.stderr, done.stderr


def test_several_networks_live_in_one_program() -> None:
    """Each under its own name, in one library, with nothing in common."""
    names = ("first", "second")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), np.uint8)
    networks = built([emitted(GRAPH, WEIGHTS, name=name) for name in names])
    meant = reference.run(GRAPH, WEIGHTS, pictures[0])["probabilities"]
    for network in networks:
        assert np.abs(network.run(pictures[0])["probabilities"] - meant).max() < 1e-4
