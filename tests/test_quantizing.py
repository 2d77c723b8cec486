"""Somebody quantizes a model in a terminal, by data of any form, and hears what it is worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.app.cli import main
from spindle.app.quantizing import gathered, quantize_model, samples_at
from spindle.data.drawn import draw_data
from spindle.model.heads import Task
from spindle.model.weights import Model, load, save
from tests.settled import settled
from tests.test_quantize import network

HEADS: dict[Task, str] = {
    "classify": "classifier", "detect": "ssdlite", "segment": "deeplab", "pose": "pose",
    "embed": "embedding",
}  # fmt: skip


def kept(folder: Path, task: Task = "classify") -> str:
    graph = network(HEADS[task])
    path = folder / f"{task}.safetensors"
    save(Model(graph, settled(graph), task), path)
    return str(path)


@pytest.mark.parametrize("task", HEADS)
def test_every_task_from_drawn_pictures_to_a_report(
    task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_data(tmp_path / "data", task, 12, 64, 0)
    out = tmp_path / "small.safetensors"
    asked = ["--calibrate", str(tmp_path / "data"), "-o", str(out), "--pictures", "8", "--report"]
    assert main(["quantize", kept(tmp_path, task), *asked]) == 0
    said = capsys.readouterr().out
    assert "tensors of bytes" in said and "by itself" in said and "block05" in said
    if task in ("classify", "segment"):
        assert "same answer" in said
    assert load(out).graph.of_bytes
    with Pillow.open(tmp_path / "small.png") as picture:
        assert len(picture.getcolors(1 << 24) or []) > 3


def test_what_was_made_is_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_data(tmp_path / "data", "classify", 12, 64, 0)
    out = tmp_path / "small.safetensors"
    asked = ["quantize", kept(tmp_path), "-o", str(out), "--json"]
    assert main(asked) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"model", "bytes", "tensors"}
    assert main([*asked, "--calibrate", str(tmp_path / "data"), "--pictures", "8", "--report"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == str(out) and told["bytes"] == out.stat().st_size
    assert told["decibels"] > 0 and set(told["measures"]) == {"top1", "same answer"}
    assert told["judged"].endswith(" pictures")
    assert main([*asked, "--calibrate", str(tmp_path / "data"), "--report"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["judged"].endswith(" pictures, which had set the ranges as well")


def test_a_folder_of_pictures_is_enough_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
        Pillow.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    image = load(kept(tmp_path)).graph.image
    samples = samples_at(folder, "classify")
    assert len(samples) == 6 and len(gathered(samples, image, folder)) == 5
    made = quantize_model(load(kept(tmp_path)), folder)
    assert "5 pictures" in made.model.source[-1]


def test_without_pictures_the_norms_are_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.safetensors"
    assert main(["quantize", kept(tmp_path), "-o", str(out)]) == 0
    assert "not measured" in capsys.readouterr().out
    assert main(["quantize", str(out), "-o", str(out)]) == 2
    assert "quantized already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["-o", "model.onnx"], "the name of a model file ends in .safetensors"),
        (["--calibrate", "absent"], "absent does not exist"),
        (["--calibrate", "EMPTY"], "is empty"),
        (["--calibrate", "EMPTY", "--pictures", "0"], "0 pictures show nothing"),
        (["--mixed"], "without --calibrate nothing is measured"),
        (["--report"], "without --calibrate nothing is measured that --report could show"),
        (["-o", "nowhere/m.safetensors"], "there is no folder nowhere for m.safetensors"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    asked: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = [str(tmp_path / "empty") if word == "EMPTY" else word for word in asked]
    out = [] if "-o" in words else ["-o", str(tmp_path / "out.safetensors")]
    assert main(["quantize", kept(tmp_path), *words, *out]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
