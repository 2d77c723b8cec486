"""Data teach a model and judge it, and both say in a sentence what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from spindle.app import learning
from spindle.app.learning import compiled, judged, teach
from spindle.data.datasets import find, parted
from spindle.data.drawn import draw_data
from spindle.data.preprocess import Picture
from spindle.data.results import Classification
from spindle.model import weights
from spindle.model.family import mobilenet_v2
from spindle.training import frozen
from tests.scramble import scrambled


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw_data(folder := tmp_path_factory.mktemp("shapes"), "classify", 60, 32)
    return folder


def test_what_was_taught_is_in_its_folder(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = {"width": 0.1, "size": 32}
    taught = teach(find(data), tmp_path / "run", recipe="tiny", network=network, epochs=1)
    kept = weights.load(tmp_path / "run" / "model.safetensors")
    assert kept.graph == taught.graph and kept.recipe["epochs"] == 1
    assert kept.labels == find(data).labels and kept.graph.input.shape == (32, 32, 3)
    assert capsys.readouterr().err == ""


def test_a_frozen_trunk_is_compiled_where_that_is_worth_its_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path))
    graph = mobilenet_v2(0.1, (48, 64), classes=3)
    part = frozen.trunk(graph, scrambled(graph))
    many = int(learning.WORTH / part[0].madds) + 1
    assert compiled(*part, many - 1) is None
    ask = compiled(*part, many)
    assert ask is not None and compiled(*part, 1) is not None  # now that it is there
    pictures = np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3), np.uint8)
    by_torch = frozen.by_torch(*part)(pictures)
    np.testing.assert_allclose(ask(pictures), by_torch, rtol=1e-4, atol=1e-4)
    assert by_torch.std(0).min() >= 0 and by_torch.std(0).max() > 0.01

    def nobody(*args: object) -> None:
        raise ValueError("there is no C compiler here")

    monkeypatch.setattr(learning, "keep", nobody)
    assert compiled(*frozen.trunk(graph, scrambled(graph, 1)), many) is None


def test_a_trunk_is_asked_by_whoever_can(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path))
    graph = mobilenet_v2(0.1, 32, classes=3)
    start = weights.Model(graph, scrambled(graph), "classify", ("a", "b", "c"))
    taught = [
        teach(find(data), tmp_path / name, start, recipe="frozen")
        for name, worth in (("torch", 1e11), ("c", 0.0))
        if not monkeypatch.setattr(learning, "WORTH", worth)
    ]
    assert len(list((tmp_path / "kept").iterdir())) == 1
    for name, array in taught[0].weights.items():
        np.testing.assert_allclose(array, taught[1].weights[name], rtol=1e-2, atol=1e-3)


def test_what_is_wrong_with_the_data_is_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copytree(data, broken := tmp_path / "broken")
    first = next(path for path in broken.rglob("*") if path.is_file())
    names = [path.relative_to(broken) for path in broken.rglob("*") if path.is_file()]
    lines = ["path,label", *(f"{name},{name.parent.name}" for name in names)]
    first.unlink()
    (broken / "list.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="there is no recipe 'soup'"):
        teach(find(broken / "list.csv"), tmp_path / "run", recipe="soup")
    assert "1 things in" in capsys.readouterr().err


def test_a_judge_sees_the_part_that_is_asked_for(data: Path) -> None:
    found, seen = parted(find(data)), list[tuple[int, int]]()
    told: list[int] = []
    first, *rest = found.labels

    def says(picture: Picture) -> Classification:
        seen.append(picture.size)
        return Classification(((first, 0.9), *((label, 0.0) for label in rest)))

    judge = judged(says, found.labels, data, "classify", foresee=told.append)
    of_first = sum(sample.kind == 0 for sample in found.splits["val"])
    assert len(seen) == len(found.splits["val"]) == told[0]
    assert judge.scores()["top1"] == pytest.approx(of_first / len(seen))
    shared = judged(says, [first], data, "classify", shared=True)
    assert shared.scores()["top1"] == 1
    with pytest.raises(ValueError, match="have no class in common: it knows dog ..., the data"):
        judged(says, ["dog"], data, "classify")
