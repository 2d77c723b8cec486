"""A model file comes back to the bit, and only what can be opened again is saved."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spindle.model import weights
from spindle.model.answers import Softmax
from spindle.model.family import mobilenet_v2
from spindle.model.graph import FAMILIES, Builder, Graph
from spindle.model.heads import HEADS
from spindle.model.weights import Model
from tests.scramble import scrambled

Table = dict[str, Any]


def tiny() -> Graph:
    g = Builder((9, 7))
    x = g.mean(g.conv(g.image, "stem", 4, kernel=3, stride=2), "pool")
    logits = g.conv(x, "logits", 3, act=None, norm=None)
    return g.graph(g.add(Softmax("probabilities", (logits,))))


TINY = Model(tiny(), scrambled(tiny()), "classify", ("a", "b", "c"), {"top1": 0.5}, {"steps": 3})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_comes_back_to_the_bit(tmp_path: Path, head: str, family: str) -> None:
    slim = {"pose": "pose-light"}.get(head, head) if family == "torch" else head
    graph = mobilenet_v2(0.1, (48, 64), slim, 2, family=FAMILIES[family])
    model = Model(
        graph,
        scrambled(graph),
        HEADS[head].task,
        labels=("käse", "\U0001f600 "),
        metrics={"top1": 71.8, "loss": -1e-300},
        recipe={"steps": 300, "rates": [0.1, None, True], "deep": {"er": "x"}},
        source=("somewhere", "turned round"),
        versions={"spindle": "0.0"},
    )
    weights.save(model, tmp_path / "m.safetensors")
    again = weights.load(tmp_path / "m.safetensors")
    assert replace(again, weights={}) == replace(model, weights={})
    assert set(again.weights) == set(model.weights)
    for name, array in model.weights.items():
        assert again.weights[name].dtype == np.float32
        assert again.weights[name].tobytes() == array.tobytes(), name


def test_the_hash_depends_on_everything_and_on_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    hashes = [weights.save(TINY, path), weights.save(replace(TINY), path)]
    assert hashes[0] == hashes[1]
    other = TINY.weights | {"logits.bias": TINY.weights["logits.bias"] + np.float32(1e-7)}
    for changed in ({"labels": ("a", "b", "d")}, {"task": "embed"}, {"weights": other}):
        hashes.append(weights.save(replace(TINY, **changed), path))
    assert len(set(hashes)) == 4


def test_an_unsaid_version_is_this_one(tmp_path: Path) -> None:
    weights.save(TINY, tmp_path / "m.safetensors")
    assert set(weights.load(tmp_path / "m.safetensors").versions) == {"spindle", "python", "numpy"}


def test_a_recipe_keyed_by_numbers_can_be_opened_again(tmp_path: Path) -> None:
    recipe: dict[Any, Any] = {2: "two", 10: ("ten",)}
    weights.save(replace(TINY, recipe=recipe), tmp_path / "m.safetensors")
    assert weights.load(tmp_path / "m.safetensors").recipe == {"2": "two", "10": ["ten"]}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"weights": {}}, "do not fit"),
        ({"weights": TINY.weights | {"more.bias": np.zeros(3, np.float32)}}, "belongs to no op"),
        ({"weights": TINY.weights | {"logits.bias": np.full(3, np.nan)}}, "not finite"),
        ({"weights": TINY.weights | {"stem.var": np.full(4, -1.0)}}, "below zero"),
        ({"metrics": {"top1": float("nan")}}, "plain JSON"),
        ({"metrics": {"top1": np.float32(1)}}, "plain JSON"),
        ({"metrics": {"top1": "high"}}, "not all numbers"),
        ({"recipe": {"path": Path("x")}}, "plain JSON"),
        ({"labels": (1, 2, 3)}, "not all plain text"),
        ({"labels": ("a", "b", "\x1b[2J")}, "not all plain text"),
        ({"task": "guess"}, "its task is"),
        ({"recipe": {"long": "x" * weights.LARGEST_HEADER}}, "bytes of a header"),
    ],
)
def test_what_could_not_be_opened_again_is_not_saved(
    tmp_path: Path, changed: Table, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        weights.save(replace(TINY, **changed), tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_name_that_could_not_be_opened_again_is_not_saved_to(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ends in .safetensors"):
        weights.save(TINY, tmp_path / "model.bin")


def test_a_failure_while_saving_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "m.safetensors"
    weights.save(TINY, path)
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        weights.save(replace(TINY, labels=("x", "y", "z")), path)
    assert weights.load(path).labels == ("a", "b", "c")
    assert list(tmp_path.iterdir()) == [path]


def test_opening_a_model_file_brings_in_no_torch(tmp_path: Path) -> None:
    weights.save(TINY, tmp_path / "m.safetensors")
    asked = (
        "import sys; from spindle.model import weights\n"
        "assert weights.load(sys.argv[1]).task == 'classify'\n"
        "sys.exit(bool({'torch', 'PIL', 'h5py'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", asked, str(tmp_path / "m.safetensors")], check=True)
