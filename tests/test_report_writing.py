"""A page of every task: whole, small, loading nothing, and not to be broken by a label."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.app.bench import lively
from spindle.app.cli import main
from spindle.app.predictor import Predictor
from spindle.app.report import writing
from spindle.app.report.loss import Loss, lost
from spindle.app.report.story import Told
from spindle.app.report.witness import Witness
from spindle.app.report.writing import LOG, beside, few, lot, page, unsure, whole
from spindle.data import metrics
from spindle.data.datasets import find
from spindle.data.drawn import draw_data
from spindle.data.parting import part_of
from spindle.data.samples import Listed, Problem, Sample
from spindle.model.family import mobilenet_v2
from spindle.model.heads import HEADS, Task
from spindle.model.weights import Model
from tests.test_recipe import TASKS

HEAD = {"classify": "classifier", "detect": "ssdlite", "segment": "deeplab", "pose": "pose-light",
        "embed": "embedding"}  # fmt: skip
HOSTILE = "</style><script>alert(1)</script><img src=x onerror='a'>\"&amp;<!--"
PARTS = {
    "classify": {"predictions", "classes", "confusion", "measures", "training", "data", "cost"},
    "detect": {"predictions", "classes", "measures", "data", "cost"},
    "segment": {"predictions", "classes", "confusion", "measures", "data"},
    "pose": {"predictions", "classes", "measures", "data", "cost"},
    "embed": {"predictions", "measures", "data", "cost"},
}
EVERYWHERE = {"model-card", "how-to-reproduce-it", "among-the-paper-s-networks"}
VOID = {"img", "meta", "br"}
Story = Callable[..., Told]


class Reader(HTMLParser):
    """The page as a browser would read it, each tag closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open and self.open[-1] != "style" else ""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Of each task, told once."""

    @cache
    def tell(task: Task, hostile: bool = False) -> Told:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "compiled", lambda model: None)  # seconds: another test's
            return story(tmp_path_factory.mktemp(task), task, hostile)

    return tell


def story(folder: Path, task: Task, hostile: bool) -> Told:
    """What a model that has learnt nothing says of drawn pictures."""
    draw_data(folder / "data", task, 30, 32)
    found = find(folder / "data", task)
    if hostile and task != "embed":
        first, *rest = found.labels
        found = replace(found, labels=(*rest, f"{first}{HOSTILE}"))
    classes = 0 if task == "embed" else len(found.labels)
    size = 65 if task == "segment" else 64
    graph = mobilenet_v2(0.1, size, HEADS[HEAD[task]], classes=classes)
    labels = () if task == "embed" else found.labels
    model = Model(graph, lively(graph, 2), task, labels, recipe={"seed": 3, "rate": 0.1},
                  source=(HOSTILE,) if hostile else (), versions={"spindle": "1"})  # fmt: skip
    samples = Listed(
        replace(sample, name=f"{sample.name}{HOSTILE}" if hostile else sample.name)
        for sample in part_of(found, "val")
    )
    if task == "pose":  # two people in a picture keep its name
        samples = Listed(part_of(found, "val"))
    predictor = Predictor(model, "numpy")
    witness = Witness(lambda picture: predictor(picture, 0.0), samples, task, found.labels)
    judge = metrics.evaluate(witness, witness, task, found.labels)
    rows = [{"epoch": i, "train_loss": 2 / i, metrics.HEADLINE[task]: i / 9} for i in (1, 2, 3)]
    (folder / "model.safetensors").touch()
    (folder / LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = whole(folder / "model.safetensors", "model", graph, model, None,
                 replace(found, splits={"val": samples}), judge, witness, len(samples),
                 samples, samples, "spindle eval")  # fmt: skip
    formats = {"float32": {"accuracy": 0.5, "ms": 2.0}, "int8": {"accuracy": 0.49, "ms": 1.0}}
    return replace(told, loss=Loss("Measured here.", formats))


@pytest.mark.parametrize("task", TASKS)
def test_a_page_is_whole(task: Task, stories: Story) -> None:
    told = stories(task)
    text = page(told)
    found = Reader(text)
    ids = set(found.values("id"))
    assert PARTS[task] | EVERYWHERE <= ids
    assert {f"#{name}" for name in ids} == set(found.values("href"))
    assert len(text) < 2_000_000
    assert not re.search(r"\b(nan|inf|None)\b", found.text)
    assert not any(re.search(r"\bnan\b|\binf\b", value) for value in found.values("d"))
    assert "width=device-width, initial-scale=1" in found.values("content")
    assert "prefers-color-scheme:dark" in text
    headline = metrics.HEADLINE[task]
    score = told.judge.scores()[headline]
    assert f"{100 * score:.1f}\u202f%" in found.text and headline in found.text
    assert "int8" in found.text and "\u22121.00" in found.text.replace("-", "\u2212")
    assert "unknown" in found.text and "Apache-2.0" in found.text  # the weights', and ours
    for label in told.data.labels if task != "embed" else ():
        assert label in found.text


@pytest.mark.parametrize("task", TASKS)
def test_it_loads_nothing_and_runs_nothing(task: Task, stories: Story) -> None:
    told = stories(task, True)
    text = page(told)
    found = Reader(text)
    assert not found.names & {"script", "iframe", "object", "embed", "link", "base", "form"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert all(value.startswith("#") for value in found.values("href"))
    assert "url(" not in text and "@import" not in text
    assert any("default-src 'none'" in value for value in found.values("content"))
    if task != "embed":
        assert HOSTILE in found.text
    pictures = found.values("src")
    assert pictures
    for address in pictures:
        kind, _, content = address.partition(",")
        assert kind == "data:image/jpeg;base64"
        with Pillow.open(BytesIO(base64.b64decode(content, validate=True))) as picture:
            picture.load()
            assert max(picture.size) <= 360


def test_a_classifier_without_its_weights_has_a_page(stories: Story) -> None:
    """As a compiled file has it."""
    told = replace(stories("classify"), model=None, known={}, health=None)
    ids = Reader(page(told)).values("id")
    assert "predictions" in ids and "among-the-paper-s-networks" not in ids


def test_this_model_stands_among_the_paper_s(stories: Story) -> None:
    text = page(stories("classify"))
    assert text.count('class="dot') >= 22 and 'class="star"' in text
    assert "this model's accuracy is on other data" in text.lower().replace("&#x27;", "'")


def test_so_many_as_are_asked_for() -> None:
    samples = Listed(Sample(b"", str(number)) for number in range(100))
    names = [int(sample.name) for sample in lot(samples, 30)]
    assert len(set(names)) == 30 and names == sorted(names)
    assert names == [int(sample.name) for sample in lot(samples, 30)]
    assert np.std(names) > 20  # from everywhere
    assert lot(samples, 100) is samples


def test_much_data_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_data(tmp_path / "data", "classify", 50, 16)
    found = find(tmp_path / "data")
    monkeypatch.setattr(writing, "EXAMINED", 20)
    sizes = {name: len(part) for name, part in few(found).splits.items()}
    assert sizes == {"train": 16, "val": 4}


def test_of_a_part_no_class_is_called_absent(stories: Story) -> None:
    health = stories("classify").health
    assert health is not None
    lacking, broken = Problem("class 'a'", "has no picture in val"), Problem("a.jpg", "is cut")
    assert unsure(replace(health, problems=(lacking, broken))).problems == (broken,)


def test_a_page_is_written_over_no_other_file(tmp_path: Path) -> None:
    other = tmp_path / "mine.html"
    other.write_text("<p>mine</p>")
    with pytest.raises(ValueError, match="is no report: choose another name"):
        beside("model.safetensors", str(other))
    with pytest.raises(ValueError, match="let it end in .html"):
        beside("model.safetensors", "page.pdf")
    with pytest.raises(ValueError, match="make it first"):
        beside("model.safetensors", str(tmp_path / "absent" / "page.html"))


def test_it_lies_beside_the_model_of_a_run(tmp_path: Path) -> None:
    model = str(tmp_path / "model.safetensors")
    (tmp_path / LOG).write_text("")
    assert beside(model, None) == Path("report.html")  # a published name, in such a folder
    (tmp_path / "model.safetensors").touch()
    assert beside(model, None) == tmp_path / "report.html"


def test_train_and_eval_leave_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writing, "compiled", lambda model: None)
    monkeypatch.setattr(writing, "lost", lost)
    draw_data(tmp_path / "data", "classify", 24, 32)
    data, run = str(tmp_path / "data"), tmp_path / "run"
    asked = ["--recipe", "tiny", "--width", "0.1", "--size", "64", "--device", "cpu"]
    train = ["train", data, "--out", str(run), *asked, "--epochs", "1"]
    assert main(train) == 0
    first = (run / "report.html").read_text()
    assert "Not measured: no C compiler is here." in Reader(first).text
    assert f"spindle train {data}" in Reader(first).text and "--epochs 1" in Reader(first).text
    assert main(["eval", str(run / "model.safetensors"), data, "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == "" and json.loads(said.out.splitlines()[-1])["top1"] >= 0
    assert "spindle eval" in Reader((run / "report.html").read_text()).text

    def broken(told: Told) -> str:
        raise RuntimeError("the ink\nis dry")

    monkeypatch.setattr(writing, "page", broken)
    assert main(train) == 0  # the run counts all the same
    ended, told = capsys.readouterr().err.splitlines()
    assert ended.startswith(f"spindle: the run in {run} had ended")
    assert told == f"spindle: {run / 'report.html'} could not be written: the ink is dry"
