"""A folder for each class, of a split, of a person; and people by the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from spindle.data.forms import folders, identities
from tests.tiny import picture, text


def test_without_splits(tmp_path: Path) -> None:
    for name in ("b/1.jpg", "a/2.jpg", "a/deep/3.png", "stray.jpg"):
        picture(tmp_path / name)
    text(tmp_path / "a" / "4.heic", "")
    (tmp_path / "empty").mkdir()
    assert folders.fits(tmp_path)
    data = folders.read(tmp_path)
    assert (data.task, data.labels) == ("classify", ("a", "b"))
    assert [(s.name, s.kind) for s in data.splits["all"]] == [
        ("a/2.jpg", 0), ("a/deep/3.png", 0), ("b/1.jpg", 1),
    ]  # fmt: skip
    assert [p.file for p in data.problems] == ["stray.jpg", "a/4.heic"]


def test_with_splits(tmp_path: Path) -> None:
    for name in ("training/a", "training/b", "valid/b", "valid/c", "test/a", "other/x"):
        picture(tmp_path / name / "1.jpg")
    data = folders.read(tmp_path)
    assert list(data.splits) == ["train", "val", "test"] and data.labels == ("a", "b", "c")
    assert [s.kind for s in data.splits["val"]] == [1, 2]
    assert [(p.file, p.fatal) for p in data.problems] == [("val/c", False)]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "bus", "test"):
        picture(tmp_path / name / "1.jpg")
    data = folders.read(tmp_path)
    assert data.labels == ("bus", "test", "train") and list(data.splits) == ["all"]


@pytest.mark.parametrize(
    "names", [("train", "test"), ("train", "valid", "test"), ("img", "ann"),
              ("train_images", "train_masks", "test_images"), ("input", "target")]
)  # fmt: skip
def test_splits_and_masks_are_no_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        picture(tmp_path / name / "1.jpg")
    assert not folders.fits(tmp_path)
    picture(tmp_path / "bus" / "1.jpg")
    assert folders.fits(tmp_path)


def test_retinas(tmp_path: Path) -> None:
    for split, count in (("train", 60), ("val", 1), ("test", 2)):
        for kind in ("CNV", "DME", "DRUSEN", "NORMAL"):
            for n in range(count):
                text(tmp_path / split / kind / f"{kind}-{100 + n // 3}-{n}.jpeg", "")
    data = folders.read(tmp_path)
    assert data.labels == ("CNV", "DME", "DRUSEN", "NORMAL") and "OCT2017" in data.form
    first = next(iter(data.splits["train"]))
    assert (first.group, first.name) == ("100", "train/CNV/CNV-100-0.jpeg")
    assert [p.file for p in data.problems] == ["val"] and not data.problems[0].fatal


def test_people_by_folder(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        picture(tmp_path / name / "1.jpg")
    data = folders.read(tmp_path, "embed")
    assert data.task == "embed"
    assert [(s.kind, s.camera) for s in data.splits["all"]] == [(0, -1), (1, -1)]


def test_market(tmp_path: Path) -> None:
    for name in (
        "bounding_box_train/0002_c1s1_000451_03.jpg", "bounding_box_train/0007_c2s3_000451_03.jpg",
        "query/0005_c3s1_1_00.jpg", "bounding_box_test/0005_c1s1_1_01.jpg",
        "bounding_box_test/-1_c4s1_1_01.jpg", "bounding_box_test/0000_c6s1_1_01.jpg",
        "bounding_box_test/0002_c5s1_1_01.jpg", "bounding_box_test/me.jpg",
    ):  # fmt: skip
        picture(tmp_path / name)
    assert identities.fits(tmp_path)
    data = identities.read(tmp_path)
    assert data.task == "embed" and data.labels == ("0002", "0007", "0005")
    assert [(s.kind, s.camera, s.role) for s in data.splits["train"]] == [(0, 1, ""), (1, 2, "")]
    assert [(s.kind, s.camera, s.role) for s in data.splits["val"]] == [
        (2, 3, "query"), (-1, 6, "gallery"), (0, 5, "gallery"), (2, 1, "gallery"),
    ]  # fmt: skip
    assert [p.file for p in data.problems] == ["bounding_box_test/me.jpg"]


def test_real_folders(data: Path) -> None:
    found = folders.read(data / "ants_bees")
    assert found.labels == ("ants", "bees") and not found.problems
    on_disk = {split: len(list((data / "ants_bees" / split).rglob("*.jpg"))) for split in
               ("train", "val")}  # fmt: skip
    assert {split: len(samples) for split, samples in found.splits.items()} == on_disk
    found = folders.read(data / "flowers5")
    assert len(found.splits["all"]) == 4317 and len(found.labels) == 5
