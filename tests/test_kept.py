"""A library is found again by what it was made from, and by nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from spindle import compiler
from spindle.app import kept as room
from spindle.app.kept import keep, kept
from spindle.compiler import build
from spindle.model.family import mobilenet_v2
from spindle.model.weights import Model
from tests import trivial
from tests.scramble import scrambled

pytestmark = pytest.mark.skipif(
    not any((find_spec("ziglang"), shutil.which("clang"), shutil.which("gcc"))),
    reason="there is no C compiler here: pip install ziglang",
)
GRAPH = mobilenet_v2(0.1, 32, classes=3)
MODEL = Model(GRAPH, scrambled(GRAPH), "classify", ("a", "b", "c"))
BUILT: list[Model] = []


@pytest.fixture(autouse=True)
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model becomes the trivial one, in a cache of its own."""

    def compile(model: Model, *_: object, threads: int = 1, **__: object) -> object:
        BUILT.append(model)
        return trivial.source(threads, hash=str(len(BUILT)))

    BUILT.clear()
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(vars(compiler), "compile", compile)


def test_what_was_built_is_found_and_not_built_again() -> None:
    assert kept(MODEL) is None
    first = keep(MODEL)
    again, found = keep(replace(MODEL)), kept(MODEL)
    assert found and first.path == again.path == found.path and len(BUILT) == 1


def test_of_anything_else_nothing_is_found() -> None:
    keep(MODEL)
    name, array = next(iter(MODEL.weights.items()))
    nudged = MODEL.weights | {name: np.nextafter(array, np.float32(9))}
    for other in (
        replace(MODEL, weights=nudged),
        replace(MODEL, labels=("a", "b", "d")),
        replace(MODEL, graph=GRAPH.resized(40, 32)),
    ):
        assert kept(other) is None
    assert kept(MODEL, 2) is None and kept(MODEL) is not None


def test_another_spindle_builds_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(MODEL)
    monkeypatch.setattr(room, "ours", lambda: "another")
    assert kept(MODEL) is None


@pytest.mark.parametrize("spoilt", ["library", "note", "none"])
def test_what_is_broken_is_as_if_never_built(spoilt: str) -> None:
    path = keep(MODEL).path
    (note,) = room.folder().iterdir()
    match spoilt:
        case "library":
            content = path.read_bytes()
            path.unlink()  # or what is loaded from it would break too
            path.write_bytes(content[:-3])
        case "note":
            note.write_text("../../somewhere/else.so")
        case "none":
            path.unlink()
    assert kept(MODEL) is None


def test_notes_of_libraries_that_are_gone_go_too() -> None:
    keep(MODEL).path.unlink()
    keep(replace(MODEL, labels=("x", "y", "z")))
    assert len([*room.folder().iterdir()]) == 1


def test_where_nothing_can_be_kept_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "file"))
    assert kept(MODEL) is None


def test_the_cache_is_the_compiler_s() -> None:
    assert keep(MODEL).path.parent == build.folder()
