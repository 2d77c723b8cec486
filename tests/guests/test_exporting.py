"""Every task leaves in every form; what is there afterwards says what numpy says, or is not."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.app import cli, exporting, exports
from spindle.app.bench import noise
from spindle.app.exporting import FORMS, export_model
from spindle.app.predictor import Predictor, load
from spindle.compiler import reference
from spindle.compiler.calibrate import calibrated
from spindle.data.drawn import draw_data
from spindle.data.synthetic import scene
from spindle.model import weights
from spindle.model.heads import Task
from tests.small import small, together

TASKS = get_args(Task)
# each form's file, and what Python must be able to import for it
OUT = {
    "onnx": ("model.onnx", "onnxruntime"),
    "pt2": ("model.pt2", "torch"),
    "tflite": ("model.tflite", "ai_edge_litert"),
    "mlpackage": ("model.mlpackage", "coremltools"),
    "pte": ("model.pte", "executorch"),
    "openvino": ("openvino", "openvino"),
    "ncnn": ("ncnn", "ncnn"),
    "c": ("c", "spindle"),
}
SLOW = ("pte", "mlpackage")
DROPPED = {  # where a form has no words for the answer: what it gives instead
    ("pt2", "detect"): ["boxes", "classes"],
    ("tflite", "detect"): ["boxes", "classes"],
    ("tflite", "pose"): ["heat"],
    ("ncnn", "segment"): ["scores"],
    ("ncnn", "pose"): ["heat"],
    ("ncnn", "embed"): ["neck", "identities"],
    ("ncnn", "detect"): ["boxes0", "boxes1", "classes0", "classes1"],
}
Output = pytest.CaptureFixture[str]


def needs(*guests: str) -> None:
    for guest in guests:
        pytest.importorskip(guest, reason=f"{guest} is not installed", exc_type=ImportError)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("form", [form for form in FORMS if form not in SLOW])
def test_every_task_in_every_form(form: str, task: Task, tmp_path: Path) -> None:
    name, guest = OUT[form]
    needs(guest)
    done = export_model(small(task), tmp_path / name)
    assert left(tmp_path) == {name}, "nothing else is left"
    assert list(done.ends) == DROPPED.get((form, task), [])
    assert done.pictures == exporting.PICTURES
    assert done.agreement and done.agreement.difference < 1e-4
    assert done.agreement.same == done.agreement.of > 0


@pytest.mark.parametrize("form", SLOW)
def test_all_answers_at_once(form: str, tmp_path: Path) -> None:
    name, guest = OUT[form]
    needs(guest)
    done = export_model(together(), tmp_path / name)
    assert left(tmp_path) == {name}
    assert set(done.ends) & {"boxes", "classes"} == {"boxes", "classes"}
    assert ("heat" in done.ends) == (form == "mlpackage")
    if form == "mlpackage":
        assert done.agreement is None, "it runs on other machines"
    else:
        assert done.agreement and done.agreement.difference < 1e-4


@pytest.mark.parametrize(
    ("form", "task"),
    [("onnx", task) for task in TASKS]
    + [("openvino", "detect"), ("pt2", "segment"), ("pt2", "detect")],
)
def test_a_free_batch(form: str, task: Task, tmp_path: Path) -> None:
    needs(OUT[form][1])
    if (form, task) == ("pt2", "detect"):
        pytest.skip("torch takes the batch of rows for a constant: training/network.py")
    done = export_model(small(task), tmp_path / OUT[form][0], None)  # one picture, then three
    assert done.agreement and done.agreement.close and done.agreement.same == done.agreement.of


@pytest.mark.parametrize("form", ["onnx", "tflite", "pt2"])
def test_a_batch_of_three_where_four_are_looked_at(form: str, tmp_path: Path) -> None:
    needs(OUT[form][1])
    done = export_model(small("classify"), tmp_path / OUT[form][0], 3)
    assert done.agreement and (done.agreement.same, done.agreement.of) == (4, 4)


def test_onnx_says_what_it_is_and_knows_nothing_of_us(tmp_path: Path) -> None:
    """Bytes in, boxes out, by a runtime that has never heard of anchors."""
    onnxruntime = pytest.importorskip("onnxruntime")
    model = small("detect")
    export_model(model, tmp_path / "model.onnx", None)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    said = json.loads(session.get_modelmeta().custom_metadata_map["spindle"])
    assert said["task"] == "detect" and said["labels"] == list(model.labels)
    assert said["outputs"] == [{"name": "detections", "shape": [12, 1, 6], "dtype": "float32"}]
    assert said["preprocessing"]["mean"] == list(model.graph.image.mean)
    seen = np.stack([scene(seed, 32, 48).picture for seed in range(7, 9)])
    (found,) = session.run(["detections"], {"image": seen})
    meant = reference.run(model.graph, model.weights, seen)["detections"]
    np.testing.assert_allclose(found, meant, atol=1e-5)
    assert (meant[..., 5] >= 0).sum() > 10


def test_ncnn_is_told_what_to_do_with_a_picture(tmp_path: Path) -> None:
    """By a caller who has the folder and nothing else, and lets ncnn round as it likes."""
    ncnn = pytest.importorskip("ncnn")
    model = small("embed")
    assert set(model.graph.image.std) != {1.0}
    export_model(model, tmp_path / "ncnn")
    said = json.loads((tmp_path / "ncnn" / "spindle.json").read_text())
    net = ncnn.Net()
    net.load_param(str(tmp_path / "ncnn" / "model.param"))
    net.load_model(str(tmp_path / "ncnn" / "model.bin"))
    pixels = scene(5, 32, 48).picture
    image = said["preprocessing"]
    size = image["width"], image["height"]
    picture = ncnn.Mat.from_pixels(pixels, ncnn.Mat.PixelType.PIXEL_RGB, *size)
    picture.substract_mean_normalize(image["mean"], [1 / std for std in image["std"]])
    asked = net.create_extractor()
    asked.input("image", picture)
    neck, names = (np.array(asked.extract(one["name"])[1]).ravel() for one in said["outputs"])
    meant = reference.run(model.graph, model.weights, pixels)
    np.testing.assert_allclose(names, meant["identities"].ravel(), atol=1e-2)
    unit = neck / np.linalg.norm(neck)
    np.testing.assert_allclose(unit, meant["embedding"].ravel(), atol=1e-2)


def test_torch_loads_without_us(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = small("classify")
    export_model(model, tmp_path / "model.pt2")
    notes = {"spindle": ""}
    module = torch.export.load(tmp_path / "model.pt2", extra_files=notes).module()
    assert json.loads(notes["spindle"])["labels"] == list(model.labels)
    seen = scene(3, 32, 48).picture[None]
    meant = reference.run(model.graph, model.weights, seen)["probabilities"]
    made = module(torch.from_numpy(seen))["probabilities"].numpy()
    np.testing.assert_allclose(made, meant, atol=1e-5)


def test_the_command_compares_pictures_and_judges_by_data(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnxruntime")
    monkeypatch.chdir(tmp_path)
    draw_data(tmp_path / "shapes", "classify", 20, 48)
    labels = ("circle", "square", "triangle")
    weights.save(replace(small("classify"), labels=labels), "model.safetensors")
    Pillow.fromarray(scene(1, 50, 90).picture).save("one.png")
    words = ["export", "model.safetensors", "--check", "one.png", "shapes/val", "--data", "shapes"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "on 5 pictures" in said and "5 of 5 labels the same" in said
    assert cli.main([*words, "--json", "-o", "again.onnx"]) == 0
    found = json.loads(capsys.readouterr().out)
    ours, theirs = found["scores"].values()
    assert list(found["scores"]) == ["numpy", "again.onnx"]
    assert ours == pytest.approx(theirs) and 0 <= ours["top1"] <= 1
    assert f"top1: {ours['top1']:.4f} by numpy, {ours['top1']:.4f} by model.onnx" in said


def spoilt(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this form's answers are a little off."""
    true = FORMS[form]()

    def load(*given: Any) -> Any:
        run = true.load(*given)  # type: ignore[misc]
        return lambda pixels: {name: array + 0.01 for name, array in run(pixels).items()}

    monkeypatch.setitem(FORMS, form, lambda: replace(true, load=load))


def test_what_does_not_agree_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("onnxruntime")
    (tmp_path / "model.onnx").write_bytes(b"of before")
    spoilt("onnx", monkeypatch)
    with pytest.raises(ValueError, match="not kept, its answers are not numpy's: largest diff"):
        export_model(small("classify"), tmp_path / "model.onnx")
    assert left(tmp_path) == {"model.onnx"}
    assert (tmp_path / "model.onnx").read_bytes() == b"of before"


@pytest.mark.parametrize(
    ("form", "module", "cure"),
    [
        ("tflite", "ai_edge_litert.interpreter", "pip install ai-edge-litert"),
        ("openvino", "openvino", "pip install openvino"),
        ("mlpackage", "coremltools", "pip install coremltools"),
    ],
)
def test_what_is_not_installed_is_said_in_a_line(
    form: str, module: str, cure: str, tmp_path: Path, capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    weights.save(small("classify"), tmp_path / "model.safetensors")
    room = {"tflite": "tflite", "openvino": "openvino", "mlpackage": "coreml"}[form]
    for name in (f"spindle.app.exports.{room}", "spindle.app.peers.litert"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr(exports, room, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    out = tmp_path / OUT[form][0]
    assert cli.main(["export", str(tmp_path / "model.safetensors"), "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert cure in said and said.count("\n") == 1
    assert left(tmp_path) == {"model.safetensors"}


def test_a_converter_that_fails_is_heard_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Output
) -> None:
    def write(*given: Any) -> None:
        print("much that nobody asked for")
        os.write(1, b"from C as well")
        raise RuntimeError("no such\n  operator")

    needs("onnxruntime")
    true = FORMS["onnx"]()
    monkeypatch.setitem(FORMS, "onnx", lambda: replace(true, write=write))
    with pytest.raises(ValueError, match="not written: ONNX says RuntimeError: no such operator$"):
        export_model(small("classify"), tmp_path / "model.onnx")
    assert left(tmp_path) == set() and capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-o", "model.xyz"], "says nothing of its form: let a file end in .onnx, .pt2"),
        (["-o", "model_onnx"], "says nothing of its form"),
        (["-o", "nowhere/model.onnx"], "there is no folder nowhere for model.onnx"),
        (["--batch", "many"], "a number of pictures or free, not 'many'"),
        (["--batch", "0"], "a number of pictures or free, not '0'"),
        (["-o", "model.tflite", "--batch", "free"], "TensorFlow Lite wants to know the batch"),
        (["-o", "my_ncnn", "--batch", "2"], "ncnn takes one picture at a time"),
        (["--check", "no.png"], "no.png cannot be read"),
    ],
)
def test_bad_words(
    words: list[str], reason: str, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnxruntime", "ai_edge_litert", "ncnn")
    monkeypatch.chdir(tmp_path)
    weights.save(small("classify"), "model.safetensors")
    assert cli.main(["export", "model.safetensors", *words]) == 2
    said = capsys.readouterr().err
    assert reason in said and said.count("\n") == 1
    assert left(tmp_path) == {"model.safetensors"}


def test_an_older_folder_makes_room_but_nobody_elses(tmp_path: Path) -> None:
    needs("ncnn")
    model = small("classify")
    export_model(model, tmp_path / "ncnn")
    export_model(model, tmp_path / "ncnn")
    (tmp_path / "ncnn" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="is no ncnn of ours"):
        export_model(model, tmp_path / "ncnn")
    assert (tmp_path / "ncnn" / "thesis.txt").read_text() == "mine" and left(tmp_path) == {"ncnn"}


@pytest.mark.parametrize("form", ["onnx", "tflite", "openvino", "c"])
def test_bytes_leave_as_bytes(form: str, tmp_path: Path) -> None:
    """With one scale for a tensor where a form knows no more, which is said."""
    needs(OUT[form][1])
    model = small("classify")
    whole = calibrated(model, noise(model.graph, 4), "minmax").model
    done = export_model(whole, tmp_path / OUT[form][0])
    assert done.agreement and done.agreement.difference < (0.05 if form == "openvino" else 1e-4)
    assert (done.coarse is None) == (form == "c")
    assert ("one scale for a tensor: " in str(done)) == (form != "c")


def test_bytes_do_not_leave_as_numbers(tmp_path: Path) -> None:
    needs("torch")
    model = small("classify")
    whole = calibrated(model, noise(model.graph, 4), "minmax").model
    with pytest.raises(ValueError, match="float32 alone: export what this model was quantized"):
        export_model(whole, tmp_path / "model.pt2")
    assert left(tmp_path) == set()


def test_a_model_shrinks_and_leaves(tmp_path: Path) -> None:
    needs("onnxruntime")
    predictor = Predictor(small("classify"))
    lesser = predictor.quantize()
    assert lesser.graph.of_bytes and lesser.names == predictor.names
    lesser.save(tmp_path / "small.safetensors")
    assert load(tmp_path / "small.safetensors").model.weights.keys() == lesser.model.weights.keys()
    assert predictor.export(tmp_path / "model.onnx").form == "ONNX"
    assert load(tmp_path / "model.onnx").names == predictor.names
