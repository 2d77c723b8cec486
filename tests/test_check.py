"""Every broken thing is named with its file and a cure, and what is left can be learned from."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.data.check import examine
from spindle.data.datasets import find
from spindle.data.drawn import draw_data
from spindle.data.examine import look_at
from spindle.data.forms.listing import read_list, write_list
from spindle.data.health import Report
from spindle.data.samples import Dataset, Listed, Objects, Problem, Sample, Samples
from spindle.data.synthetic import scene
from spindle.model.heads import Task

Maker = Callable[[Path], object]


def drawn(seed: int, side: int = 48) -> Pillow.Image:
    return Pillow.fromarray(scene(seed, side, side).picture)


def encoded(picture: Pillow.Image, form: str, **options: Any) -> bytes:
    content = BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()


def turned(path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x112] = 6
    drawn(1).save(path, "jpeg", exif=exif)


def report(task: Task = "classify", labels: tuple[str, ...] = ("a",), **splits: Any) -> Report:
    own: dict[str, Samples] = {split: Listed(samples) for split, samples in splits.items()}
    return examine(Dataset(Path("data"), "by hand", task, labels, own))


def told(found: Report, file: str) -> list[Problem]:
    return [problem for problem in found.problems if problem.file == file]


BROKEN: dict[str, tuple[str, Maker, str, bool]] = {
    "absent": ("a.jpg", lambda path: None, "cannot be read (No such file", True),
    "empty": ("a.jpg", lambda path: path.touch(), "is empty (0 bytes)", True),
    "text": ("a.jpg", lambda path: path.write_text("hello"), "not a picture of any kind", True),
    "cut": (
        "a.jpg",
        lambda path: path.write_bytes(encoded(drawn(1), "jpeg")[:-200]),
        "broken or cut short (image file is truncated",
        True,
    ),
    "cut png": (
        "a.png", lambda path: path.write_bytes(encoded(drawn(1), "png")[:-900]), "cut short", True,
    ),
    "wrong name": ("a.jpg", lambda path: drawn(1).save(path, "png"), "is a PNG, but", False),
    "print": (
        "a.jpg", lambda path: drawn(1).convert("CMYK").save(path), "colours of print (CMYK)", False,
    ),
    "deep": (
        "a.png",
        lambda path: Pillow.fromarray(np.arange(2500, dtype=np.uint16).reshape(50, 50)).save(path),
        "more than 8 bits a pixel (mode 'I;16')",
        False,
    ),
    "turned": ("a.jpg", turned, "turned by its EXIF (orientation 6)", False),
    "animated": (
        "a.gif",
        lambda path: drawn(1).save(path, save_all=True, append_images=[drawn(2), drawn(3)]),
        "is animated (3 pictures)",
        False,
    ),
    "tiny": ("a.png", lambda path: drawn(1).resize((5, 40)).save(path), "is tiny (5 x 40)", False),
    "large": (
        "a.png", lambda path: drawn(1, 80).save(path), "is very large (80 x 80)", False,
    ),
    "too large": ("a.png", lambda path: drawn(1, 99).save(path), "has too many pixels", True),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_picture_is_named(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spindle.data.examine.HUGE", 60 * 60)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 90 * 90 // 2)
    name, make, what, fatal = BROKEN[case]
    make(tmp_path / name)
    drawn(9).save(tmp_path / "good.png")
    bad = Sample(tmp_path / name, f"x/{name}", 0)
    good = [Sample(tmp_path / "good.png", "good.png", 0)]
    found = report(train=[bad, *good])
    (problem,) = told(found, f"x/{name}")
    assert what in problem.what and problem.fatal == fatal and problem.cure
    assert str(problem) in str(found)
    assert not told(found, "good.png")
    data = Dataset(tmp_path, "by hand", "classify", ("a",), {"train": Listed([bad, *good])})
    assert len(found.clean(data).splits["train"]) == (1 if fatal else 2)


def test_the_size_of_a_turned_picture_is_the_upright_one(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x112] = 6
    drawn(1).resize((64, 32)).save(tmp_path / "a.jpg", exif=exif)
    assert look_at(tmp_path / "a.jpg").size == (32, 64)


@pytest.mark.parametrize(
    ("box", "what", "fatal"),
    [
        ((10, 10, 10, 20), "object 2 (a) is degenerate (10, 10 to 10, 20 in 48 x 48)", True),
        ((10, 10, 20, 5), "is degenerate", True),
        ((50, 10, 60, 20), "lies outside the picture", True),
        ((-9, -9, 0, 5), "lies outside the picture", True),
        ((40, 10, 60, 20), "lies partly outside the picture", False),
        ((40, 10, np.nan, 20), "is not placed by numbers", True),
        ((40, 10, 48.5, 20), "", False),
    ],
)
def test_wrong_boxes(box: tuple[float, ...], what: str, fatal: bool) -> None:
    boxes = np.array([(0, 0, 48, 48), box, (5, 5, 9, 9)], np.float32)
    objects = Objects(boxes, np.zeros(3, np.int64), areas=np.arange(3, dtype=np.float32))
    sample = Sample(np.asarray(drawn(1)), "a.jpg", objects=objects)
    found = report("detect", train=[sample])
    assert [what in problem.what for problem in told(found, "a.jpg")] == ([True] if what else [])
    data = Dataset(Path(), "", "detect", ("a",), {"train": Listed([sample])})
    (clean,) = found.clean(data).splits["train"]
    assert clean.objects is not None
    assert clean.objects.areas.tolist() == ([0, 2] if fatal else [0, 1, 2])
    assert found.counts["train"]["objects"] == len(clean.objects)


def test_a_picture_that_was_resized_since_it_was_annotated() -> None:
    picture, objects = scene(1, 48, 48).picture, Objects(np.array([[1, 1, 9, 9]]), np.array([0]))
    for size, count in (((48, 48), 0), ((96, 48), 1), (None, 0)):
        sample = Sample(picture, "a.jpg", objects=objects, size=size)
        said = [problem for problem in report("detect", train=[sample]).problems
                if problem.file == "a.jpg"]  # fmt: skip
        assert len(said) == count
    sample = Sample(picture, "a.jpg", objects=objects, size=(96, 48))
    (problem, _) = report("detect", train=[sample]).problems
    assert problem.what == "was annotated as 96 x 48, but is 48 x 48" and not problem.fatal


def test_unknown_labels_and_runs_and_points_of_another_picture() -> None:
    pixels = np.asarray(drawn(1))
    one = np.array([(0, 0, 9, 9)], np.float32)
    strange = Objects(one, np.array([7]))
    runs = Objects(one, np.array([0]), outlines=({"size": [99, 48], "counts": "x"},))
    points = Objects(one, np.array([0]), points=np.array([[[60, 5, 2], [99, 99, 0]]], np.float32))
    found = report(
        "detect",
        train=[Sample(pixels, "kind", objects=strange), Sample(pixels, "runs", objects=runs)],
    )
    assert "object 1 is of class 7, but there are 1 labels" in told(found, "kind")[0].what
    assert "was drawn on 48 x 99, but the picture is 48 x 48" in told(found, "runs")[0].what
    found = report("pose", ("head", "tail"), train=[Sample(pixels, "pose", objects=points)])
    assert told(found, "pose")[0].what == "object 1 has 1 points outside the picture"
    found = report(train=[Sample(pixels, "picture", 3)])
    assert told(found, "picture")[0].what == "is of class 3, but there are 1 labels"
    found = report("detect", train=[Sample(pixels, "part", part=(50, 0, 60, 9))])
    assert "nothing in the part" in told(found, "part")[0].what


def test_masks() -> None:
    pixels, mask = np.asarray(drawn(1)), np.zeros((48, 48), np.uint8)
    mask[0, :3], mask[1, :5] = 9, 255
    samples = [
        Sample(pixels, "size", mask=np.zeros((48, 47), np.uint8)),
        Sample(pixels, "broken", mask=b"no mask"),
        Sample(pixels, "strange", mask=mask),
        Sample(pixels, "strange too", mask=mask),
    ]
    found = report("segment", ("ground", "thing"), train=samples)
    assert told(found, "size")[0].what == "is 48 x 48, but its mask 47 x 48"
    assert told(found, "broken")[0].what.startswith("cannot be used: the mask")
    (nameless,) = told(found, "class 9")
    assert nameless.what.startswith("is in the masks of 2 pictures ('strange' first)")
    assert found.classes["train"] == {"ground": 2 * (48 * 48 - 8)}
    assert told(found, "class 'thing'")[0].what == "has no pixel in train"
    assert {*found.left_out["train"]} == {0, 1}


def test_twins_across_splits(tmp_path: Path) -> None:
    names = ("same.png", "copy.png", "near.jpg", "other.png", "twice.png", "again.png")
    for seed, name in ((1, "same.png"), (1, "copy.png"), (5, "other.png"), (6, "twice.png")):
        drawn(seed, 96).save(tmp_path / name)
    drawn(5, 96).resize((80, 80)).save(tmp_path / "near.jpg", quality=70)
    (tmp_path / "again.png").write_bytes((tmp_path / "twice.png").read_bytes())
    at = {name: Sample(tmp_path / name, name, 0, group=name[:1]) for name in names}
    train = [at["same.png"], at["other.png"], at["twice.png"], at["again.png"]]
    val = [at["copy.png"], at["near.jpg"], Sample(tmp_path / "other.png", "o", 0, group="t")]
    found = report(train=train, val=val[:2])
    said = [str(problem) for problem in found.problems]
    assert any(
        s.startswith("same.png: of train is the same file as 'copy.png' of val") for s in said
    )
    assert any("other.png: of train looks nearly the same as 'near.jpg' of val" in s for s in said)
    assert any("twice.png: is the same file as 'again.png'" in s for s in said)
    assert len(found.problems) == 3
    assert found.left_out == {"train": {0: ()}, "val": {}}
    found = report(train=train, val=val[2:])
    (group,) = told(found, "t")
    assert group.what == "has pictures in several splits: 1 in train and 1 in val"


def test_different_scenes_are_not_twins() -> None:
    samples = [Sample(np.asarray(drawn(seed, 64)), str(seed), 0) for seed in range(300)]
    found = report(train=samples[:200], val=samples[200:])
    assert not found.problems


def test_many_of_a_kind_are_counted_and_a_page_stays_a_page() -> None:
    labels = tuple(f"class {number}" for number in range(100))
    bad = [Sample(b"nothing", f"{number}.jpg", number) for number in range(103)]
    text = str(report(labels=labels, train=bad))
    assert "... and 83 more like these" in text and "19.jpg" in text and "20.jpg" not in text
    assert len(text.splitlines()) < 100


def test_no_outline_is_of_the_background() -> None:
    square = [[1.0, 1, 9, 1, 9, 9, 1, 9]]
    objects = Objects(np.array([[1, 1, 9, 9]] * 2), np.array([1, 1]), outlines=(square, square))
    sample = Sample(scene(1, 48, 48).picture, "a.jpg", objects=objects)
    assert not report("segment", ("background", "cat"), train=[sample]).problems


def test_classes_that_nothing_shows() -> None:
    pixels = [np.asarray(drawn(seed)) for seed in range(4)]
    train = [Sample(pixels[i], str(i), kind) for i, kind in enumerate((0, 0, 1))]
    found = report(labels=("a", "b", "c"), train=train, val=[Sample(pixels[3], "3", 0)])
    said = [str(problem).partition(";")[0] for problem in found.problems]
    assert said == [
        "class 'b': has one picture in train",
        "class 'c': has no picture in train",
        "class 'b': has no picture in val",
        "class 'c': has no picture in val",
    ]
    assert found.classes["train"] == {"a": 2, "b": 1} and not found.fatal
    assert json.loads(json.dumps(found.to_json()))["classes"]["val"] == {"a": 1}


def test_progress_is_shown() -> None:
    steps: list[tuple[int, int]] = []
    samples = [Sample(np.asarray(drawn(seed)), str(seed), 0) for seed in range(5)]
    data = Dataset(Path(), "", "classify", ("a",), {"train": Listed(samples), "val": Listed()})
    examine(data, lambda done, total: steps.append((done, total)))
    assert steps == [(number, 5) for number in range(1, 6)]


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "pose", "embed"])
def test_drawn_data_is_sound_and_can_be_listed(tmp_path: Path, task: Task) -> None:
    draw_data(tmp_path, task, 60, 48)
    found = examine(find(tmp_path))
    assert not found.problems, str(found)
    assert sum(counts["pictures"] for counts in found.counts.values()) == 60
    assert "Nothing is wrong" in str(found)
    data = find(tmp_path)
    write_list(found.clean(data), tmp_path / "clean.jsonl")
    again = read_list(tmp_path / "clean.jsonl")
    assert examine(again).to_json()["counts"] == found.to_json()["counts"]


def test_blood_cells(data: Path) -> None:
    dataset = find(data / "bccd")
    found = examine(dataset)
    text = str(found)
    assert "BloodImage_00343.xml: object 4 (RBC) is degenerate" in text
    assert "BloodImage_00338.xml: object 13 (RBC) is degenerate" in text
    assert len(found.fatal) == 2 and found.counts["train"]["pictures"] == 205
    (twin,) = (problem for problem in found.problems if not problem.fatal)
    assert "BloodImage_00038" in twin.file and "BloodImage_00037" in twin.what  # one field, twice
