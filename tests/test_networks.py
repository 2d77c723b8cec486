"""A compiled file says of itself what it is, for people and for programs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from spindle.app.cli import main
from spindle.compiler import build, stamp
from spindle.compiler.targets import target
from tests import trivial

pytestmark = pytest.mark.skipif(
    not any((find_spec("ziglang"), shutil.which("clang"), shutil.which("gcc"))),
    reason="there is no C compiler here: pip install ziglang",
)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    source = trivial.source(3)
    more = {"source": ["by hand"], "isa": "plain", "arena": 4096, "versions": {"spindle": "0.1.0"}}
    return build.build(replace(source, info=source.info | more), target(), tmp_path / "model.so")


def test_a_library_is_told_of(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(library), "--json"]) == 0
    known = stamp.read(library)
    assert json.loads(capsys.readouterr().out) == known
    assert main(["info", str(library)]) == 0
    told = capsys.readouterr().out
    for fact in ("classify, 3 x 4 x 3, 3 labels", "for 3 threads", f"{known['arena']:,} bytes",
                 known["system"], known["machine"], known["compiler"]):  # fmt: skip
        assert fact in told


def test_what_is_no_library_is_one_line(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (other := library.with_name("other.so")).write_bytes(library.read_bytes()[:-3])
    for path in (other, library.with_name("absent.so")):
        assert main(["info", str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["info", str(library), "--width", "0.5"]) == 2
    assert "says itself what it is: width cannot be changed" in capsys.readouterr().err
