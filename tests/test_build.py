"""C becomes a library for this machine or another; the same C is built only once."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spindle.compiler import build, stamp
from spindle.compiler.library import Library
from spindle.compiler.targets import target
from tests import abroad, trivial

COMPILERS = [name for name in ("ziglang", "clang", "gcc") if shutil.which(name) or find_spec(name)]
pytestmark = pytest.mark.skipif(
    not COMPILERS, reason="there is no C compiler here: pip install ziglang"
)
zig_only = pytest.mark.skipif(
    "ziglang" not in COMPILERS, reason="ziglang, which compiles for other machines, is absent"
)
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SPINDLE_CACHE", str(folder))
    return folder / "compiled"


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_each_compiler_builds_what_runs_here(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compiler != "ziglang":
        path = shutil.which(compiler)
        monkeypatch.setattr(build, "find_spec", lambda name: None)
        monkeypatch.setattr(build, "which", lambda name: path if name == compiler else None)
    built = build.build(trivial.source(2), target(), tmp_path / "model.so")
    library = Library(built, 2)
    assert library.info["compiler"].startswith("zig" if compiler == "ziglang" else compiler)
    same(library.run(PICTURES), trivial.expected(PICTURES))
    same(library.run(PICTURES[0]), trivial.expected(PICTURES[0]))


@zig_only
@pytest.mark.parametrize(
    "name",
    [
        "x86-64-v3",
        "x86-64-v4",
        "aarch64-linux",
        "aarch64-linux-i8mm",
        "aarch64-macos",
        "x86_64-windows",
        "wasm32",
    ],
)
def test_libraries_for_other_machines_say_what_they_are_for(name: str, tmp_path: Path) -> None:
    there = target(name)
    info = stamp.read(build.build(trivial.source(), there, tmp_path / f"m{there.suffix}"))
    assert (info["system"], info["machine"]) == (there.system, there.machine)
    assert tuple(info["needs"]) == there.needs and info["labels"] == ["red", "green", "blue"]


def test_what_was_built_for_arm_runs_there() -> None:
    same(abroad.on_arm(trivial.source(), PICTURES), trivial.expected(PICTURES))


@pytest.mark.parametrize("name", ["wasm32", "wasm32-relaxed"])
def test_wasm_runs_in_node(name: str) -> None:
    same(abroad.in_wasm(trivial.source(), name, PICTURES), trivial.expected(PICTURES))


def test_only_what_the_header_names_is_seen_from_outside(tmp_path: Path) -> None:
    if not shutil.which("nm") or sys.platform != "linux":
        pytest.skip("nm, which lists what a library shows, is absent")
    built = build.build(trivial.source(), target(), tmp_path / "model.so")
    listed = subprocess.run(["nm", "-D", "--defined-only", built], capture_output=True, text=True)
    names = {line.split()[-1] for line in listed.stdout.splitlines()}
    header = {"info", "arena", "run", "share", "ready"}
    around = {"weights", "pool", "start", "pooled", "stop"}
    assert names == {f"model_{name}" for name in header | around}


def test_the_same_is_built_once_and_another_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    make = build.make

    def counted(*given: Any) -> None:
        built.append(given[3])
        make(*given)

    monkeypatch.setattr(build, "make", counted)
    first, source = tmp_path / "a.so", trivial.source()
    build.build(source, target(), first)
    again = build.build(source, target(), tmp_path / "b.so")
    assert len(built) == 1 and first.read_bytes() == again.read_bytes()
    others = [
        replace(source, weights=bytes(12)),
        replace(source, c=source.c + "\n"),
        replace(source, info=source.info | {"hash": "another"}),
    ]
    for other in others:
        build.build(other, target(), tmp_path / "c.so")
    assert len(set(built)) == 4 and len(list(cache.iterdir())) == 4
    monkeypatch.setattr(build, "KEPT", 2)
    build.build(trivial.source(2), target(), tmp_path / "c.so")
    assert len(list(cache.iterdir())) == 2


def build_one(out: str) -> None:
    build.build(trivial.source(), target(), Path(out))


def test_two_processes_may_build_the_same_at_once(tmp_path: Path, cache: Path) -> None:
    outs = [str(tmp_path / f"{n}.so") for n in range(3)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=build_one, args=(out,)) for out in outs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    for out in outs:
        same(Library(out).run(PICTURES), trivial.expected(PICTURES))
    assert len(list(cache.iterdir())) == 1, "something half-built is left"


def test_what_a_compiler_refuses_is_told_in_a_sentence(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match="refuses the C text for native: .*error.*all that"):
        build.build(trivial.broken(), target(), tmp_path / "model.so")
    (log,) = cache.iterdir()
    assert log.suffix == ".log" and "nonsense" in log.read_text()
    assert not (tmp_path / "model.so").exists()


def test_a_cache_that_is_full_is_told_with_a_way_out(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "put", full)
    said = f"built in {cache}: No space left on device; .* another place in SPINDLE_CACHE"
    with pytest.raises(ValueError, match=said):
        build.build(trivial.source(), target(), tmp_path / "model.so")
    assert not list(cache.iterdir())


def test_other_compilers_spell_a_cpu_in_their_own_way() -> None:
    clang = build.Compiler("clang", ("clang",))
    assert build.command(clang, target("aarch64-macos"))[1] == "-mcpu=apple-m1"
    assert build.command(clang, target("x86-64-v3"))[1] == "-march=x86-64-v3"


def test_warnings_are_errors(tmp_path: Path) -> None:
    source = trivial.source()
    sloppy = replace(source, c=source.c + "\nfloat f(int x); float f(int x) { return x; }\n")
    with pytest.raises(ValueError, match="conversion"):
        build.build(sloppy, target(), tmp_path / "model.so")


def test_without_zig_other_machines_are_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs zig.*pip install 'spindle\[compile\]'"):
        build.build(trivial.source(), target("wasm32"), tmp_path / "model.wasm")
    monkeypatch.setattr(build, "which", lambda name: None)
    with pytest.raises(ValueError, match=r"no C compiler here: pip install 'spindle\[compile\]'"):
        build.build(trivial.source(), target(), tmp_path / "model.so")


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder .*gone"):
        build.build(trivial.source(), target(), tmp_path / "gone" / "model.so")
    with pytest.raises(ValueError, match="--emit-c"):
        build.build(trivial.source(), target("c"), tmp_path / "model.so")
