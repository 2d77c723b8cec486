"""What is written for the others means the same, and what they leave over is done as defined."""

from __future__ import annotations

import errno
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.app.bench import lively, noise
from spindle.app.peers import torch as peer
from spindle.app.peers.finish import EXECUTORCH, finisher, parted
from spindle.app.peers.prepare import PEERS, lightened, prepare, write_executorch
from spindle.app.peers.serving import obey, shared
from spindle.compiler import reference
from spindle.model import record, weights
from spindle.model.family import mobilenet_v2
from spindle.model.heads import HEADS
from spindle.model.ops import Image
from spindle.model.weights import Model
from tests.scramble import scrambled

Array = NDArray[Any]


def small(head: str = "classifier") -> Model:
    graph = mobilenet_v2(0.1, (64, 48), head, 5)
    return Model(graph, scrambled(graph), HEADS[head].task)


@pytest.mark.parametrize("head", HEADS)
def test_a_part_and_the_rest_make_the_whole(head: str, tmp_path: Path) -> None:
    model = small(head)
    (tmp_path / "graph.json").write_text(json.dumps(record.to_json(model.graph)))
    first, finish = finisher(tmp_path, EXECUTORCH)
    assert not any(isinstance(op, EXECUTORCH) for op in first.ops)
    assert first.madds == model.graph.madds
    seen = noise(model.graph, 2)
    own = {name: model.weights[name] for name in first.arrays}
    want = reference.run(model.graph, model.weights, seen)
    made = finish(reference.run(first, own, seen))
    for name, array in want.items():
        np.testing.assert_array_equal(made[name], array)


def test_what_needs_no_finish_is_left_whole() -> None:
    graph = small().graph
    assert parted(graph, EXECUTORCH) == (graph, ())


@pytest.mark.parametrize("head", ["classifier", "ssdlite", "embedding"])
def test_a_lightened_model_says_the_same(head: str) -> None:
    model, light = small(head), lightened(small(head))
    seen = noise(model.graph, 1)
    want = reference.run(model.graph, model.weights, seen)
    made = reference.run(light.graph, light.weights, seen)
    for name, array in want.items():
        np.testing.assert_allclose(made[name], array, atol=1e-5 * np.abs(array).max())
    image = light.graph.ops[0]
    assert isinstance(image, Image) and set(image.std) == {1.0} and not light.graph.until(
        "stem"
    ).ops[1].statistics  # fmt: skip


def test_a_batch_in_turns_or_at_once_is_the_same(tmp_path: Path) -> None:
    model = lightened(small())
    seen = noise(model.graph, 5)
    prepare(model, tmp_path / "room", seen, 1)
    want = reference.run(model.graph, model.weights, seen)["probabilities"]
    for run in (peer.load(tmp_path / "room", 1, "float32"),
                shared(peer.load, tmp_path / "room", 2, "float32")):  # fmt: skip
        np.testing.assert_allclose(run(seen)["probabilities"], want, atol=1e-5)


def test_a_command_is_obeyed_or_refused(tmp_path: Path) -> None:
    calls: list[int] = []

    def run(pixels: Array) -> dict[str, Array]:
        calls.append(1)
        return {"sum": pixels.sum(keepdims=True)}

    pixels = np.ones((2, 2, 3), np.uint8)
    said = obey({"runs": 3}, run, pixels)
    assert len(calls) == len(said["ms"]) == 3
    obey({"answer": str(tmp_path / "a.npz")}, run, pixels)
    assert np.load(tmp_path / "a.npz")["sum"].item() == 12
    with pytest.raises(ValueError, match="no command"):
        obey({"eval": "1"}, run, pixels)


def test_every_peer_has_a_room() -> None:
    rooms = Path(peer.__file__).parent
    assert all((rooms / f"{name}.py").exists() for name in PEERS)


def test_lively_weights_keep_the_size_of_what_passes() -> None:
    graph = mobilenet_v2(0.5, 64)
    model = lightened(Model(graph, lively(graph), "classify"))
    seen = noise(graph, 2)[:, None]
    first, second = (reference.run(model.graph, model.weights, x)["probabilities"] for x in seen)
    assert np.abs(first - second).max() > 1e-5 and first.max() > 2 * first.mean()


def test_what_executorch_runs_is_kept_wherever_the_cache_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another disk, to which nothing is moved, or where a link takes a right that few have."""
    written: list[Path] = []

    def export(words: list[str], **_: Any) -> SimpleNamespace:
        written.append(Path(words[3]) / "model.pte")
        written[-1].write_bytes(b"a program")
        return SimpleNamespace(returncode=0)

    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", export)
    monkeypatch.setattr(Path, "symlink_to", refused)
    monkeypatch.setattr(Path, "rename", refused)
    for name in ("one", "two"):
        (room := tmp_path / name).mkdir()
        weights.save(small(), room / "model.safetensors")
        write_executorch(small(), room, 1, 1, "float32")
        assert (room / "model.pte").read_bytes() == b"a program"
    assert len(written) == 1
