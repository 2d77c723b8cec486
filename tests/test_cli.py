"""What is typed is answered: with exact numbers, in valid JSON, or in one line of regret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.app import cli, hub
from spindle.data.synthetic import scene
from spindle.model import weights
from spindle.model.family import VARIANTS, mobilenet_v2
from spindle.model.heads import HEADS
from spindle.model.weights import Model
from tests.scramble import scrambled

Output = pytest.CaptureFixture[str]
TASKS = {
    "classify": "classifier", "detect": "ssdlite", "segment": "deeplab", "pose": "pose-light",
    "embed": "embedding",
}  # fmt: skip
ANSWER = {
    "classify": {"classes"}, "detect": {"boxes"}, "segment": {"shares", "segments"},
    "pose": {"keypoints", "names", "score"}, "embed": {"vector"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where we are: a model for each task, and one picture."""
    monkeypatch.chdir(tmp_path)
    for task, head in TASKS.items():
        graph = mobilenet_v2(0.1, 65, head, 3)
        labels = ("ant", "bee", "cat") if task == "classify" else ()
        weights.save(
            Model(graph, scrambled(graph), HEADS[head].task, labels), f"{task}.safetensors"
        )
    Pillow.fromarray(scene(1).picture).save("good.png")
    return tmp_path


def asked(capsys: Output, *argv: str) -> tuple[int, str, str]:
    try:
        code = cli.main([*argv])
    except SystemExit as end:
        code = int(str(end.code))
    return code, *capsys.readouterr()


def facts(capsys: Output, *argv: str) -> dict[str, Any]:
    code, out, err = asked(capsys, "info", *argv, "--json")
    assert (code, err) == (0, "")
    known: dict[str, Any] = json.loads(out)
    return known


def test_the_first_example_is_exact(capsys: Output) -> None:
    known = facts(capsys, "mobilenetv2", "--width", "0.75", "--size", "160")
    assert known["params_without_norm"] == 2_609_784
    assert known["madds"] == 107_295_200


def test_the_second_example_is_exact(capsys: Output) -> None:
    asking = ["mobilenetv2", "--head", "ssdlite", "--size", "320", "--classes", "80"]
    known, graph = facts(capsys, *asking), mobilenet_v2(head="ssdlite", size=320, classes=80)
    assert (known["params"], known["madds"]) == (graph.params, graph.madds)
    assert known["outputs"] == [{"name": "detections", "shape": [100, 1, 6]}]
    code, out, _ = asked(capsys, "info", *asking)
    assert code == 0 and f"{graph.madds:,}" in out and "320 x 320 x 3" in out


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("network", ["mobilenetv2", "mobilenetv1"])
def test_every_head_is_told_of(capsys: Output, network: str, head: str) -> None:
    known = facts(capsys, network, "--head", head, "--width", "0.35", "--size", "96")
    assert {"params", "params_without_norm", "madds", "memory", "outputs", "layers"} <= set(known)
    assert set(known["memory"]) == {"op_by_op", "in_place", "block", "split"}
    for sizes in known["memory"].values():
        assert sizes["float32"] == 4 * sizes["int8"] > 0
    assert sum(layer["params"] for layer in known["layers"]) == known["params"]
    assert sum(layer["madds"] for layer in known["layers"]) == known["madds"]
    code, out, err = asked(
        capsys, "info", network, "--head", head, "--size", "96", "--layers", "--conventions"
    )
    assert (code, err) == (0, "") and all(name["name"] in out for name in known["layers"])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_published_point_is_told_of(capsys: Output, name: str) -> None:
    known, variant = facts(capsys, f"mobilenetv2-{name}"), VARIANTS[name]
    assert known["madds"] == mobilenet_v2(variant.width, variant.size).madds
    code, out, _ = asked(capsys, "info", f"mobilenetv2-{name}")
    assert code == 0 and f"top-1 {variant.top1}" in out and len(out.splitlines()[0]) < 120


@pytest.mark.parametrize("task", TASKS)
def test_a_model_file_is_told_of(capsys: Output, folder: Path, task: str) -> None:
    known = facts(capsys, f"{task}.safetensors")
    assert known["task"] == task and "versions" in known and known["params"] > 0
    code, out, _ = asked(capsys, "info", f"{task}.safetensors")
    assert code == 0 and f"{task}, 65 x 65 x 3" in out


INFO = [
    *(f"mobilenetv2 --width {n}" for n in ("nan", "inf", "0", "-1", "1e309", "17", "x", "")),
    *(f"mobilenetv2 --size {size}" for size in ("0", "-5", "x", "1x2x3", "1.5", "nan", "9" * 30)),
    *(f"mobilenetv2 --classes {n}" for n in ("0", "-1", "1.5", "9" * 30, "nan", "2000000")),
    *(f"mobilenetv2 --output-stride {n}" for n in ("0", "7", "64", "-8")),
    "mobilenetv2 --head nose", "mobilenetv2 --family mine", "mobilenetv2 --expansion 9999999",
    "mobilenetv2 --size 100000 --head deeplab", "mobilenetv2 --shortcut long",
    "mobilenetv1 --shortcut none", "mobilenetv1 --expansion 3", "mobilenetv3", "mobilenetv2-1.0",
    "mobilenetv2-1.0-225", ".", "absent.safetensors", "good.png", "detect.safetensors --width 1",
    "", "mobilenetv2 more", "mobilenetv2 --colour red",
]  # fmt: skip
PREDICT = [
    "absent.safetensors good.png", ". good.png", "good.png good.png", "classify.safetensors",
    "classify.safetensors good.png --threshold x", "detect.safetensors good.png --threshold nan",
    "detect.safetensors good.png --threshold -1", "classify.safetensors good.png --reading onnx",
    "classify.safetensors good.png --flip", "detect.safetensors good.png --scales 1,2",
    "segment.safetensors good.png --scales 0", "segment.safetensors good.png --scales nan",
    "segment.safetensors good.png --scales a,b", "segment.safetensors good.png --scales 999",
    "segment.safetensors good.png --labels absent.txt", "pose.safetensors good.png --labels .",
    "segment.safetensors good.png --labels two.txt", "classify.safetensors good.png --size 64",
    "classify.safetensors good.png --labels three.txt", "classify.safetensors good.png --save file",
    "classify.safetensors good.png --save file/deeper",
]  # fmt: skip
ADOPT = [
    "absent.pth", "good.png", "classify.safetensors --out absent/m.safetensors",
    "classify.safetensors --out file/m.safetensors", "classify.safetensors --out m.bin",
    "classify.safetensors --bgr", "file.pth",
]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [f"info {line}" for line in INFO]
    + [f"predict {line}" for line in PREDICT]
    + [f"adopt {line}" for line in ADOPT]
    + ["demo --out file", "demo --out file/deeper"],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    capsys: Output, folder: Path, line: str
) -> None:
    for name in ("file", "file.pth"):
        (folder / name).write_text("text")
    (folder / "two.txt").write_text("a\nb\n")
    (folder / "three.txt").write_text("a\nb\nc\n")
    code, out, err = asked(capsys, *line.split(" "))
    assert (code, out) == (2, "")
    assert err.startswith("spindle") and err.count("\n") == 1 and len(err) < 700


@pytest.mark.parametrize("reading", ["numpy", "torch"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_answered_in_words_json_and_pictures(
    capsys: Output, folder: Path, task: str, reading: str
) -> None:
    asking = ["predict", f"{task}.safetensors", "good.png", "--reading", reading]
    asking += ["--threshold", "0", "--save", "drawn"]
    code, out, err = asked(capsys, *asking)
    assert (code, err) == (0, "") and out.startswith("good.png: ") and out.count("\n") == 1
    code, out, err = asked(capsys, *asking, "--json")
    assert (code, err) == (0, "") and out.count("\n") == 1
    assert set(json.loads(out)) == {"image"} | ANSWER[task]
    for name in ("good.png", "good-2.png"):
        with Pillow.open(folder / "drawn" / name) as drawn:
            assert drawn.width >= 96 and drawn.height >= 96


def test_no_picture_is_written_over(capsys: Output, folder: Path) -> None:
    (folder / "other").mkdir()
    Pillow.fromarray(scene(2).picture).save(folder / "other" / "good.jpg")
    before = (folder / "good.png").read_bytes()
    pictures = ["good.png", "other/good.jpg", "good.png"]
    code, *_ = asked(capsys, "predict", "classify.safetensors", *pictures, "--save", ".")
    assert code == 0 and (folder / "good.png").read_bytes() == before
    assert sorted(path.name for path in folder.glob("*.png")) == [
        "good-2.png", "good-3.png", "good-4.png", "good.png",
    ]  # fmt: skip


def every_sort(folder: Path) -> tuple[list[str], list[str]]:
    """Names of pictures that can be read, and of files that cannot."""
    pixels = scene(4, 60, 80).picture
    colours, exif = Pillow.fromarray(pixels), Pillow.Exif()
    exif[0x112] = 6
    colours.save(folder / "turned.jpg", exif=exif)
    colours.convert("CMYK").save(folder / "cmyk.jpg")
    Pillow.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    colours.convert("P").save(folder / "palette.png", transparency=bytes([0, 100]))
    colours.resize((1, 1)).save(folder / "dot.png")
    colours.resize((1, 5000)).save(folder / "needle.png")
    colours.save(folder / "whole.png")
    (folder / "truncated.png").write_bytes((folder / "whole.png").read_bytes()[:500])
    (folder / "truncated.jpg").write_bytes((folder / "cmyk.jpg").read_bytes()[:900])
    (folder / "empty.png").touch()
    (folder / "hollow").mkdir()
    (folder / "text.jpg").write_text("I am no picture.")
    good = ["turned.jpg", "cmyk.jpg", "deep.png", "palette.png", "dot.png", "needle.png"]
    return good, ["truncated.png", "truncated.jpg", "empty.png", "text.jpg", "absent.jpg", "hollow"]


@pytest.mark.parametrize("task", TASKS)
def test_pictures_of_all_sorts_are_answered_and_bad_ones_named_at_the_end(
    capsys: Output, folder: Path, task: str
) -> None:
    good, bad = every_sort(folder)
    mixed = [*bad[:3], *good, *bad[3:]]
    asking = ["predict", f"{task}.safetensors", *mixed, "--json", "--save", "drawn"]
    code, out, err = asked(capsys, *asking)
    assert code == 1
    assert [json.loads(line)["image"] for line in out.splitlines()] == good
    told = err.splitlines()
    assert len(told) == len(bad)
    for name, line in zip(bad, told, strict=True):
        assert line.startswith(f"spindle: {name} ")
    assert {path.stem for path in (folder / "drawn").iterdir()} == {Path(n).stem for n in good}


def test_labels_are_given_to_a_model_that_has_none(capsys: Output, folder: Path) -> None:
    (folder / "labels.txt").write_text("sky\nantelope\nzebra\n", encoding="utf-8")
    asking = ["predict", "segment.safetensors", "good.png", "--labels", "labels.txt", "--json"]
    code, out, _ = asked(capsys, *asking)
    assert code == 0 and set(json.loads(out)["shares"]) <= {"sky", "antelope", "zebra"}


@pytest.mark.parametrize("look", [["--scales", "0.5,1"], ["--flip"], ["--scales", "all", "--flip"]])
def test_a_segmenter_looks_as_often_as_it_is_told(
    capsys: Output, folder: Path, look: list[str]
) -> None:
    code, out, err = asked(capsys, "predict", "segment.safetensors", "good.png", "--json", *look)
    assert (code, err) == (0, "")
    assert sum(json.loads(out)["shares"].values()) == pytest.approx(1)


def test_a_model_file_needs_no_adopting(capsys: Output, folder: Path) -> None:
    code, out, err = asked(capsys, "adopt", "classify.safetensors", "--out", "again.safetensors")
    assert (code, out) == (2, "") and "is a Spindle model already" in err
    assert not (folder / "again.safetensors").exists()


def test_a_folder_is_its_pictures(capsys: Output, folder: Path) -> None:
    (folder / "photos").mkdir()
    for name in ("b.png", "a.PNG", "notes.txt"):
        (folder / "photos" / name).write_bytes((folder / "good.png").read_bytes())
    code, out, _ = asked(capsys, "predict", "detect.safetensors", "photos", "good.png", "--json")
    said = [Path(json.loads(line)["image"]).name for line in out.splitlines()]
    assert code == 0 and said == ["a.PNG", "b.png", "good.png"]


def test_as_many_classes_as_are_asked_for(capsys: Output, folder: Path) -> None:
    _, out, _ = asked(capsys, "predict", "classify.safetensors", "good.png", "--json", "--top", "2")
    assert len(json.loads(out)["classes"]) == 2


def test_accuracy_is_told_of_the_published_point_only(capsys: Output, folder: Path) -> None:
    _, out, _ = asked(capsys, "info", "mobilenetv2-1.0-224", "--json")
    assert json.loads(out)["published"]["top1"] == 71.8
    for other in (["--width", "0.5"], ["--expansion", "3"], ["--family", "torch"]):
        _, out, _ = asked(capsys, "info", "mobilenetv2-1.0-224", *other)
        assert "71.8" not in out


def test_a_model_file_tells_how_it_wants_its_pictures(capsys: Output, folder: Path) -> None:
    _, out, _ = asked(capsys, "info", "classify.safetensors")
    assert "pictures: crop 0.875 of it, bilinear; minus 127.5, 127.5, 127.5; over 127.5" in out
    _, out, _ = asked(capsys, "info", "classify.safetensors", "--json")
    said = json.loads(out)
    assert said["preprocessing"]["std"] == [127.5] * 3 and len(said["hash"]) == 64


def test_a_published_name_that_cannot_be_fetched_is_one_line(
    capsys: Output, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINDLE_CACHE", str(folder / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(hub, "LABELS", hub.Published("http://127.0.0.1:1/labels.json", "00"))
    code, out, err = asked(capsys, "predict", "mobilenetv2-1.0-224", "good.png")
    assert (code, out) == (2, "") and "online?" in err and err.count("\n") == 1
    monkeypatch.setenv("SPINDLE_CACHE", str(folder / "good.png"))
    code, out, err = asked(capsys, "predict", "mobilenetv2-1.0-224", "good.png")
    assert (code, out) == (2, "") and "good.png" in err and err.count("\n") == 1


def shell(folder: Path, *argv: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "spindle", *argv],
        cwd=folder, text=True, capture_output=True, check=False, **settings,
    )  # fmt: skip


def test_the_real_program_answers_and_regrets(folder: Path) -> None:
    done = shell(folder, "predict", "classify.safetensors", "good.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["classes"]) == 3
    done = shell(folder, "predict", "classify.safetensors", "good.png", "absent.png")
    assert done.returncode == 1 and done.stdout.startswith("good.png: ")
    assert done.stderr == "spindle: absent.png cannot be read: No such file or directory\n"
    done = shell(folder, "info", "mobilenetv2", "--width", "nan")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1


def test_the_program_is_quiet_where_nobody_listens(folder: Path) -> None:
    line = '"$0" -W error -m spindle info mobilenetv2 --json | head -c 5; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable], cwd=folder, text=True, capture_output=True, check=True
    )
    assert done.stderr == "" and done.stdout[:3] == "{\n "


@pytest.mark.parametrize("setting", [{}, {"NO_COLOR": "1"}])
def test_nothing_is_coloured_where_nobody_sees_it(folder: Path, setting: dict[str, str]) -> None:
    for ask in (
        ["info", "mobilenetv2"],
        ["--help"],
        ["predict", "classify.safetensors", "good.png"],
    ):
        done = shell(folder, *ask, env=os.environ | setting)
        assert done.returncode == 0 and "\x1b" not in done.stdout + done.stderr
