"""Somebody draws pictures, checks them, learns from them and judges, all in a terminal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spindle.app.cli import main
from spindle.data.datasets import FORMS
from spindle.model.heads import Task
from tests.test_recipe import TASKS


@pytest.fixture(autouse=True)
def pages_without_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run's page would build a library of it, which takes longer than the lesson."""
    monkeypatch.setattr("spindle.app.report.writing.compiled", lambda model: None)


SHORT = ["--recipe", "tiny", "--width", "0.1", "--size", "64", "--device", "cpu", "--epochs", "1"]


def drawn(folder: Path, task: Task, number: int = 24) -> str:
    asked = ["draw", task, str(folder / task), "--number", str(number), "--size", "64"]
    assert main(asked) == 0
    return str(folder / task)


@pytest.mark.parametrize("task", TASKS)
def test_from_nothing_to_a_judged_model(
    task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = drawn(tmp_path, task), tmp_path / "run"
    assert main(["check", data, "--task", task]) == 0
    asked = ["--task", task] if task == "pose" else []
    assert main(["train", data, "--out", str(run), *SHORT, *asked, "--json"]) == 0
    learnt = json.loads(capsys.readouterr().out.splitlines()[-1])
    names = {path.name for path in run.iterdir()}
    assert {"model.safetensors", "metrics.jsonl", "curves.png"} <= names
    model = learnt.pop("model")
    assert main(["eval", model, data, "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged.keys() >= learnt.keys()
    for name, score in learnt.items():
        assert judged[name] == pytest.approx(score, abs=0.02), name
    assert main(["eval", model, data]) == 0
    assert main(["train", data, "--out", str(run), *SHORT, *asked]) == 0  # it is there already
    assert "model.safetensors" in capsys.readouterr().out


def test_help_knows_every_hyperparameter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help-all"])
    said = capsys.readouterr().out
    assert "--judge-every" in said and "--no-cached" in said and "example: spindle train" in said
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--judge-every" not in capsys.readouterr().out


def test_the_forms_of_the_flag_are_those_that_are_read() -> None:
    with pytest.raises(SystemExit):
        main(["train", "data", "--format", "word"])
    for form in FORMS:
        assert main(["check", "absent", "--format", form]) == 2


def test_broken_data_is_told_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(drawn(tmp_path, "classify"))
    victim = next((data / "train").rglob("*.jpg"))
    victim.write_bytes(victim.read_bytes()[:200])
    assert main(["check", str(data)]) == 1
    assert victim.name in capsys.readouterr().out
    clean = tmp_path / "clean.jsonl"
    assert main(["check", str(data), "--fix", str(clean)]) == 0
    assert victim.name not in clean.read_text()
    assert main(["check", str(clean)]) == 0
    assert main(["train", str(clean), "--out", str(tmp_path / "run"), *SHORT]) == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["train", "absent"], "absent does not exist"),
        (["train", "DATA", "--recipe", "fast"], "no recipe 'fast': choose one of paper"),
        (["train", "DATA", "--rate", "-1"], "rate -1.0 is out of range"),
        (["train", "DATA", "--head", "ssdlite"], "none for the task classify: choose classifier"),
        (["train", "DATA", "--size", "wide"], "neither a number nor height x width"),
        (["train", "DATA", "--split", "2"], "a share is between 0 and 1, not 2.0"),
        (["train", "DATA", "--device", "abacus"], "there is no device 'abacus' here"),
        (["train", "DATA", "--weights", "absent.pth"], "there is no file absent.pth"),
        (["train", "DATA", "--freeze", "block99"], "cannot freeze up to 'block99'"),
        (["train", "DATA", "--task", "detect"], "not detect"),
        (["train", "DATA", "--int8"], "--int8 teaches what knows all else already"),
        (["check", "EMPTY"], "is empty, but data is"),
        (["bench", "--plot", "bars.jpg"], "let it end in .png"),
        (["draw", "pose", "here", "--number", "1"], "too few or too small to learn from"),
    ],
)
def test_a_wrong_word_gets_a_sentence(
    argv: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    if "DATA" in argv:
        shutil.move(drawn(tmp_path, "classify", 10), tmp_path / "DATA")
        argv = [*argv, "--width", "0.1", *(() if "--size" in argv else ("--size", "64"))]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
