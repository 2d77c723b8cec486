"""A model becomes a file by a verb, a predictor or a reading, and the file is a predictor again."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spindle
from spindle import compiler
from spindle.app import building
from spindle.app.building import compile_
from spindle.app.predictor import Predictor, load
from spindle.compiler import build, stamp
from spindle.compiler.source import Source
from spindle.compiler.targets import Target, target
from spindle.data.results import Classification
from spindle.model import weights
from spindle.model.family import mobilenet_v2
from spindle.model.weights import Model
from tests import trivial
from tests.scramble import scrambled

pytestmark = pytest.mark.skipif(
    not any((find_spec("ziglang"), shutil.which("clang"), shutil.which("gcc"))),
    reason="there is no C compiler here: pip install ziglang",
)
CALLS: list[tuple[str, int, int | None, bool]] = []
PICTURE = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)


def planned(
    model: Model, target: Target, threads: int = 1, memory: int | None = None, tune: bool = False
) -> Source:
    CALLS.append((target.name, threads, memory, tune))
    return trivial.source(threads)


@pytest.fixture(autouse=True)
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model becomes the trivial one: what is tried here is the way, not the C."""
    CALLS.clear()
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(vars(compiler), "compile", planned)
    monkeypatch.setitem(vars(compiler), "explain", lambda *given: "the plan")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    graph = mobilenet_v2(0.1, 32, classes=3)
    path = tmp_path / "m.safetensors"
    weights.save(Model(graph, scrambled(graph), "classify", ("a", "b", "c")), path)
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return build.build(trivial.source(2), target(), tmp_path / "model.so")


def test_the_verb_writes_a_library(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.with_name("x.so")
    assert compile_(str(file), str(out), threads=2, memory=1000, tune=True) == 0
    assert CALLS == [("native", 2, 1000, True)]
    assert stamp.read(out)["task"] == "classify"
    assert "x.so: native, 0.0 MB" in capsys.readouterr().out


def test_the_verb_tells_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, folder = file.with_name("x.so"), file.with_name("c")
    compile_(str(file), str(out), emit_c=str(folder), explain=True, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["library"] == str(out) and told["folder"] == str(folder)
    assert told["bytes"] == out.stat().st_size and told["target"] == "native"


def test_numbers_of_16_bits_are_asked_for(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Target] = []

    def seen(model: Model, target: Target, **how: Any) -> Source:
        asked.append(target)
        return trivial.source(1)

    monkeypatch.setitem(vars(compiler), "compile", seen)
    compile_(str(file), str(file.with_name("x.so")), target="x86-64-v3", bf16=True)
    assert "x86-64-v3 is not known to have instructions for bf16" in capsys.readouterr().err
    compile_(str(file), emit_c=str(file.with_name("c")), target="x86-64-v4", bf16=True)
    assert not capsys.readouterr().err and all(target.isa.brief for target in asked)
    with pytest.raises(ValueError, match="in bf16 or in bytes, never in both"):
        compile_(str(file), int8=True, bf16=True)


def test_the_verb_names_the_file_as_such_files_end(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    compile_(str(file))
    assert Path(f"model{target().suffix}").exists()
    if find_spec("ziglang"):
        compile_(str(file), target="wasm32")
        assert Path("model.wasm").exists()


def test_the_verb_writes_a_folder_of_c(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, own, out = (file.with_name(name) for name in ("plain", "own", "both.so"))
    compile_(str(file), emit_c=str(plain))
    compile_(str(file), target="c", emit_c=str(plain))
    compile_(str(file), str(out), emit_c=str(own))
    assert [call[0] for call in CALLS] == ["c", "c", "native"]
    assert (plain / "model.c").exists() and (own / "model.c").exists() and out.exists()
    with pytest.raises(ValueError, match="is a folder, not a file: say --emit-c DIR"):
        compile_(str(file), str(out), target="c")
    assert "plain: the C, and how to build it" in capsys.readouterr().out


def test_the_verb_explains_without_building(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    compile_(str(file), explain=True)
    assert capsys.readouterr().out == "the plan\n" and not Path("model.so").exists()


def test_what_is_no_library_is_not_written_over(file: Path) -> None:
    with pytest.raises(ValueError, match="is there already and is no library of ours"):
        compile_(str(file), str(file))
    out = file.with_name("again.so")
    for _ in range(2):
        compile_(str(file), str(out))
    weights.load(file)


def test_a_place_that_will_not_do_is_told_before_anything_is_planned(
    file: Path, tmp_path: Path
) -> None:
    (tmp_path / "theirs.so").write_bytes(b"theirs")
    for out, said in (("gone/m.so", "there is no folder"), ("theirs.so", "no library of ours")):
        with pytest.raises(ValueError, match=said):
            compile_(str(file), str(tmp_path / out))
    assert not CALLS


def test_what_is_compiled_already_is_not_compiled_again(library: Path) -> None:
    with pytest.raises(ValueError, match="model.so is compiled already: give the model file"):
        compile_(str(library))


@pytest.mark.parametrize(
    ("name", "target", "reason"),
    [("model.txt", None, "model.txt is no name for a library for native: let it end in"),
     ("model", None, "is no name for a library for native"),
     ("model.wasm", None, "is no name for a library for native"),
     ("model.so", "wasm32", "is no name for a library for wasm32: let it end in .wasm"),
     ("nowhere/model.so", None, "there is no folder .*nowhere for model.so: make it first"),
     (".", None, "is a folder: name a file such as model")],
)  # fmt: skip
def test_a_library_is_called_as_one_before_anything_is_planned(
    file: Path, name: str, target: str | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_(str(file), str(file.parent / name), target=target)
    with pytest.raises(ValueError, match=reason):
        Predictor(weights.load(file)).compile(file.parent / name, target=target or "native")
    assert not CALLS


def test_a_library_goes_to_another_process(library: Path) -> None:
    there = pickle.loads(pickle.dumps(load(library, threads=2)))  # noqa: S301 (our own)
    assert there(PICTURE) == load(library)(PICTURE) and there.run.model.threads == 2


def test_threads_where_they_cannot_share(file: Path) -> None:
    with pytest.raises(ValueError, match="on wasm32 threads cannot share a picture"):
        compile_(str(file), target="wasm32", threads=2)


def test_what_takes_long_is_said(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(building, "PATIENCE", 0.0)
    with building.saying("thinking"):
        threadsafe = subprocess.run([sys.executable, "-c", "pass"])  # long enough for a timer
    assert threadsafe.returncode == 0 and capsys.readouterr().err == "spindle: thinking ...\n"
    monkeypatch.setattr(building, "PATIENCE", 60.0)
    with building.saying("blinking"):
        pass
    assert capsys.readouterr().err == ""


def test_a_library_is_a_predictor(library: Path) -> None:
    for threads in (1, 2):
        result = spindle.load(library, threads=threads)(PICTURE)
        assert isinstance(result, Classification)
        sums = trivial.expected(PICTURE)["sums"].ravel()
        expected = sorted(zip(["red", "green", "blue"], sums), key=lambda one: -one[1])
        assert result.classes == tuple((name, float(score)) for name, score in expected)


def test_a_library_needs_neither_torch_nor_safetensors(library: Path) -> None:
    absent = ("torch", "safetensors", "h5py", "ziglang", "hypothesis")
    code = (
        f"import sys\nfor name in {absent!r}: sys.modules[name] = None\n"
        f"import numpy, spindle\npicture = numpy.zeros((3, 4, 3), numpy.uint8)\n"
        f"print(spindle.load({str(library)!r})(picture))\n"
        "print([name for name in ('urllib.request', 'hashlib', 'spindle.model.weights')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[1:] == ["[]"], done.stderr
    assert done.stdout.startswith("red 0.00")


def test_what_a_library_cannot_tell(library: Path, tmp_path: Path) -> None:
    predictor = spindle.load(library)
    for ask in (
        lambda: predictor.model,
        lambda: predictor.save(tmp_path / "m.safetensors"),
        lambda: predictor.compile(tmp_path / "n.so"),
    ):
        with pytest.raises(ValueError, match="model.so is compiled: load what it was compiled"):
            ask()
    with pytest.raises(ValueError, match="says itself what it is: labels"):
        spindle.load(library, labels=("a",))
    with pytest.raises(ValueError, match="several scales and flips"):
        predictor(PICTURE, flip=True)


def test_a_predictor_compiles(file: Path, tmp_path: Path) -> None:
    predictor, path = spindle.load(file), tmp_path / "p.so"
    assert predictor.compile(path, threads=3) == path
    assert CALLS == [("native", 3, None, False)] and stamp.read(path)["threads"] == 3


def test_the_reading_c_compiles_once_for_each_size(file: Path) -> None:
    opened = weights.load(file)
    predictor = Predictor(replace(opened, graph=opened.graph.resized(3, 4)), "c", threads=2)
    for _ in range(2):
        found = predictor.run(predictor.graph, PICTURE)
        expected: dict[str, Any] = trivial.expected(PICTURE)
        np.testing.assert_array_equal(found["sums"], expected["sums"])
    assert CALLS == [("native", 2, None, False)]
