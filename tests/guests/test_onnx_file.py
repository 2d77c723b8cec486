"""An exported network says in ONNX Runtime what numpy says, and what is none of ours is refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spindle
from spindle.app.cli import main
from spindle.app.predictor import Predictor
from spindle.compiler import onnx
from spindle.compiler.pipeline import known
from spindle.data.results import Boxes, Classification, Embedding, Mask, Pose
from spindle.data.synthetic import scene
from spindle.model.family import mobilenet_v2
from spindle.model.heads import HEADS
from spindle.model.weights import Model
from tests.scramble import scrambled

pytest.importorskip("onnxruntime", reason="ONNX Runtime is absent: pip install onnxruntime")
PICTURE = scene(3, 90, 140).picture


def exported(path: Path, head: str = "classifier", batch: int | None = 1, **said: Any) -> Model:
    """Writes the file as `export` does, and gives what it was made from."""
    graph = mobilenet_v2(0.1, 65, head, 3)
    model = Model(graph, scrambled(graph), HEADS[head].task)
    outputs = [{"name": t.name, "shape": list(t.shape)} for t in graph.outputs]
    notes = {"spindle": json.dumps(known(model) | {"outputs": outputs} | said)}
    path.write_bytes(onnx.write(graph, model.weights, batch, notes))
    return model


@pytest.mark.parametrize("head", ["classifier", "ssdlite", "deeplab", "pose-light", "embedding"])
def test_it_says_what_numpy_says(tmp_path: Path, head: str) -> None:
    model = exported(path := tmp_path / "m.onnx", head)
    ours, theirs = Predictor(model)(PICTURE, 0), spindle.load(path)(PICTURE, 0)
    match ours, theirs:
        case Classification(), Classification():
            assert dict(theirs.classes) == pytest.approx(dict(ours.classes), abs=1e-4)
        case Boxes(), Boxes():
            assert len(ours.boxes) == len(theirs.boxes) > 0
            assert theirs.boxes[0].place == pytest.approx(ours.boxes[0].place, abs=0.05)
        case Mask(), Mask():
            assert (ours.pixels == theirs.pixels).mean() > 0.999
        case Pose(), Pose():
            assert np.allclose([p[1:] for p in ours.points], [p[1:] for p in theirs.points], 1e-3)
        case Embedding(), Embedding():
            assert np.allclose(ours.vector, theirs.vector, atol=1e-4)
        case _:
            raise AssertionError((ours, theirs))


def test_many_threads_may_ask(tmp_path: Path) -> None:
    exported(path := tmp_path / "m.onnx", batch=None)
    predictor = spindle.load(path, threads=2)
    alone = predictor(PICTURE)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(predictor, PICTURE) for _ in range(12)]
        assert {one.result() for one in asked} == {alone}


def test_it_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported(path := tmp_path / "m.onnx")
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "classify, 65 x 65 x 3" in said and "answers: probabilities (1 x 1 x 3)" in said
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "classify"


@pytest.mark.parametrize("said", [
    {"task": 3}, {"labels": None}, {"classes": "3"}, {"outputs": []}, {"outputs": [{}]},
    {"preprocessing": None}, {"preprocessing": {"height": "65"}},
])  # fmt: skip
def test_what_says_nonsense_of_itself_is_refused(tmp_path: Path, said: Any) -> None:
    exported(path := tmp_path / "m.onnx", **said)
    with pytest.raises(ValueError, match="m.onnx says of itself what cannot be read"):
        spindle.load(path)


@pytest.mark.parametrize("said", [
    {"outputs": [{"name": "other", "shape": [1, 1, 3]}]},
    {"preprocessing": {"height": 64, "width": 65}},
])  # fmt: skip
def test_what_is_not_as_it_says_is_refused(tmp_path: Path, said: Any) -> None:
    exported(path := tmp_path / "m.onnx", **said)
    with pytest.raises(ValueError, match="is not as it says it is"):
        spindle.load(path)


def test_what_is_none_of_ours_is_refused_in_a_sentence(tmp_path: Path) -> None:
    exported(path := tmp_path / "m.onnx")
    (torn := tmp_path / "torn.onnx").write_bytes(path.read_bytes()[:-999])
    with pytest.raises(ValueError, match=r"torn.onnx is no ONNX file that can be run: \["):
        spindle.load(torn)
    graph = mobilenet_v2(0.1, 65, classes=3)
    (alien := tmp_path / "alien.onnx").write_bytes(onnx.write(graph, scrambled(graph)))
    with pytest.raises(ValueError, match="alien.onnx was not exported by Spindle"):
        spindle.load(alien)
    with pytest.raises(FileNotFoundError):
        spindle.load(tmp_path / "absent.onnx")


def test_what_it_cannot_do_it_says(tmp_path: Path) -> None:
    exported(path := tmp_path / "m.onnx", "deeplab")
    with pytest.raises(ValueError, match="run by ONNX Runtime, it has no torch"):
        spindle.load(path, "torch")
    with pytest.raises(ValueError, match="says itself what it is: labels"):
        spindle.load(path, labels=("a",))
    for ask in (lambda: spindle.load(path).model, lambda: spindle.load(path)(PICTURE, flip=True)):
        with pytest.raises(ValueError, match="is exported: load what it was exported from"):
            ask()
