"""A compiled network answers as it should, from any thread, and is refused where it cannot run."""

from __future__ import annotations

import ctypes
import gc
import json
import multiprocessing
import shutil
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spindle.compiler import build, library, stamp
from spindle.compiler.library import Library
from spindle.compiler.targets import target
from tests import trivial

pytestmark = pytest.mark.skipif(
    not any((find_spec("ziglang"), shutil.which("clang"), shutil.which("gcc"))),
    reason="there is no C compiler here: pip install ziglang",
)
PICTURES = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 3), np.uint8)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that was compiled for three threads."""
    folder = tmp_path_factory.mktemp("library")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINDLE_CACHE", str(folder / "cache"))
        return build.build(trivial.source(3), target(), folder / "model.so")


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_one_picture_or_many_by_any_number_of_threads(built: Path, threads: int) -> None:
    compiled = Library(built, threads)
    for pictures in (PICTURES, PICTURES[:1], PICTURES[:0], PICTURES[0], PICTURES[:, ::-1]):
        same(compiled.run(pictures), trivial.expected(pictures))


def test_a_picture_of_any_size(built: Path) -> None:
    compiled = Library(built)
    for height, wide in ((1, 1), (200, 3), (3, 4)):
        picture = np.full((height, wide, 3), 7, np.uint8)
        same(compiled.picture(picture), trivial.expected(picture))


def test_many_threads_may_call_at_once(built: Path) -> None:
    compiled, wrong = Library(built, 2), list[object]()

    def call(seed: int) -> None:
        for picture in np.random.default_rng(seed).integers(0, 256, (50, 3, 4, 3), np.uint8):
            found, expected = compiled.run(picture), trivial.expected(picture)
            wrong.extend(name for name in expected if (found[name] != expected[name]).any())

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def forked(compiled: Library) -> None:
    same(compiled.run(PICTURES[0]), trivial.expected(PICTURES[0]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks by habit")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_threads_of_its_own(built: Path) -> None:
    compiled = Library(built, 2)
    forked(compiled)
    child = multiprocessing.get_context("fork").Process(target=forked, args=(compiled,))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    forked(compiled)


def test_its_threads_end_with_it(built: Path) -> None:
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("this system does not list threads")
    before = len(list(tasks.iterdir()))
    compiled = Library(built, 3)
    compiled.run(PICTURES[0])
    assert len(list(tasks.iterdir())) == before + 2
    del compiled
    gc.collect()
    assert len(list(tasks.iterdir())) == before


def test_what_it_was_compiled_from_is_known_before_and_after(built: Path) -> None:
    compiled = Library(built)
    within = ctypes.CDLL(str(built)).model_info
    within.restype = ctypes.c_char_p
    said = json.loads(within())
    assert said.items() <= compiled.info.items()
    assert compiled.info["labels"] == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("pictures", "reason"),
    [
        (np.zeros((4, 3, 3), np.uint8), r"takes pictures of \(3, 4, 3\), these are \(4, 3, 3\)"),
        (np.zeros((1, 1, 3, 4, 3), np.uint8), "takes pictures"),
        (np.zeros((3, 4, 3), np.float32), "pictures are bytes, these are float32"),
        (np.zeros((2, 3, 4, 3), np.float32), "pictures are bytes, these are float32"),
    ],
)
def test_what_is_no_picture_of_its_size(built: Path, pictures: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Library(built).run(pictures)


def test_what_is_no_picture_at_all(built: Path) -> None:
    for shape in ((3, 4), (3, 4, 4), (0, 4, 3)):
        with pytest.raises(ValueError, match="a picture is height x width x 3"):
            Library(built).picture(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("threads", [1, 2])
def test_codes_of_the_c_become_sentences(
    built: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    compiled = Library(built, threads)
    compiled.weights += 4
    for pictures in (PICTURES[0], PICTURES):
        with pytest.raises(ValueError, match=r"model.so cannot .* 4 x 3 .*: it was given no weig"):
            compiled.run(pictures)
    monkeypatch.setattr(library, "ERRORS", {})
    with pytest.raises(ValueError, match="gives the error 3"):
        compiled.run(PICTURES)


def test_a_number_of_threads_that_is_none(built: Path) -> None:
    for threads in (0, -1, 65):
        with pytest.raises(ValueError, match=f"{threads} threads: take 1 to 64"):
            Library(built, threads)


def changed(built: Path, folder: Path, **said: Any) -> Path:
    """The library as it would be if it said something else of itself."""
    info = stamp.read(built)
    code = built.read_bytes()[: -stamp.TRAILER.size]
    path = folder / "other.so"
    path.write_bytes(stamp.stamped(code, info | said))
    return path


def test_a_library_for_another_cpu_is_refused(built: Path, tmp_path: Path) -> None:
    path = changed(built, tmp_path, needs=["z80", *target().needs])
    with pytest.raises(ValueError, match="compiled for a CPU with z80, which this one lacks"):
        Library(path)


def test_a_library_for_another_machine_is_refused(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, machine = target().system, target().machine
    monkeypatch.setattr(library, "here", lambda: ("plan9", machine))
    with pytest.raises(ValueError, match=f"for {system} on {machine}, this is plan9 on {machine}"):
        Library(built)


def test_what_is_broken_or_no_library_is_refused(built: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.so"
    path.write_bytes(built.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cut short"):
        Library(path)
    content = built.read_bytes()
    path.write_bytes(content.replace(b"green", b"greeN"))
    with pytest.raises(ValueError, match="checksum"):
        Library(path)
    path.write_bytes(stamp.stamped(content[:64], stamp.read(built)))
    with pytest.raises(ValueError, match="model.so cannot be opened: "):
        Library(path)


def test_wasm_is_for_elsewhere(built: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.wasm"
    info = stamp.read(built) | {"system": "wasm", "machine": "wasm32"}
    path.write_bytes(stamp.stamped(b"\0asm\x01\0\0\0", info))
    with pytest.raises(ValueError, match="is wasm, for a browser or node"):
        Library(path)
