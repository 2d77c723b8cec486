"""Pictures with masks, numbered or coloured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.data.forms.pairs import fits, read
from spindle.data.labels import VOC
from spindle.data.masks import read_mask
from spindle.data.samples import VOID, Dataset
from tests.tiny import picture, text


def mask(path: Path, rows: Any, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Pillow.fromarray(np.array(rows, np.uint8))
    if mode == "P":
        image.putpalette([n for c in range(256) for n in (c, 255 - c, 7)])
    image.save(path)


def masks_of(data: Dataset, split: str = "all") -> list[list[list[int]]]:
    return [read_mask(s, (2, 1), len(data.labels)).tolist() for s in data.splits[split]]


@pytest.mark.parametrize(
    ("pictures", "masks"),
    [
        ("{0}/images/a.jpg", "{0}/masks/a.png"),
        ("images/{0}/a.jpg", "labels/{0}/a_L.png"),
        ("{0}/a.jpg", "{0}_labels/a_L.png"),
        ("{0}/a.jpg", "{0}annot/a.png"),
        ("{0}/img/a.jpg", "{0}/SegmentationClass/a_mask.png"),
        ("{0}/img/a.jpg", "{0}/ann/a.png"),
        ("{0}_images/a.jpg", "{0}_masks/a.png"),
        ("images-{0}/a.jpg", "masks-{0}/a.png"),
        ("{0}/a.jpg", "{0}/a_mask.png"),
    ],
)
@pytest.mark.parametrize("mode", ["L", "P"])
def test_layouts(tmp_path: Path, pictures: str, masks: str, mode: str) -> None:
    for split in ("train", "val"):
        picture(tmp_path / pictures.format(split), (2, 1))
        mask(tmp_path / masks.format(split), [[0, 2]], mode)
    text(tmp_path / "labels.txt", "sky\nroad\n")
    assert fits(tmp_path)
    data = read(tmp_path)
    assert data.labels == ("sky", "road") and not data.problems
    assert masks_of(data, "val") == [[[0, VOID]]]  # there is no third class


def test_masks_among_their_pictures(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"{name}.jpg", (2, 1))
    for name, end in (("a", "_mask"), ("b", "_seg")):
        mask(tmp_path / f"{name}{end}.png", [[0, 2]])
    text(tmp_path / "_classes.csv", "Pixel Value, Class\n0, ground\n2, cat, big\n")  # Roboflow
    assert fits(tmp_path)
    data = read(tmp_path)
    assert data.labels == ("ground", "class 1", "cat, big")
    assert [s.name for s in data.splits["all"]] == ["a.jpg", "b.jpg"]
    assert [str(p) for p in data.problems] == [
        "c.jpg: has no mask; add it to " + tmp_path.name + "/"
    ]
    for file in tmp_path.glob("*_*.png"):
        file.unlink()
    assert not fits(tmp_path)


def test_colours(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg", (2, 1))
    mask(tmp_path / "masks/a.png", [[[255, 0, 0], [0, 0, 255]]])
    data = read(tmp_path)
    assert data.labels == ("background", "#0000ff", "#ff0000") and masks_of(data) == [[[2, 1]]]
    text(tmp_path / "class_dict.csv", "name,r,g,b\nroad,255,0,0\nsky,0,9,9\n")
    data = read(tmp_path)
    assert data.labels == ("road", "sky") and masks_of(data) == [[[0, VOID]]]
    (tmp_path / "class_dict.csv").unlink()
    text(tmp_path / "labelmap.txt", "# label:color_rgb:parts:actions\nx:0,0,255::\ny:255,0,0::\n")
    assert read(tmp_path).labels == ("x", "y") and masks_of(read(tmp_path)) == [[[1, 0]]]


def test_black_and_white(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg", (2, 1))
    mask(tmp_path / "masks/a.png", [[0, 255]])
    data = read(tmp_path)
    assert data.labels == ("background", "foreground") and masks_of(data) == [[[0, 1]]]
    text(tmp_path / "labels.txt", "lung\n")
    assert read(tmp_path).labels == ("background", "lung")
    text(tmp_path / "labels.txt", "not lung\nlung\n")
    assert read(tmp_path).labels == ("not lung", "lung") and masks_of(read(tmp_path)) == [[[0, 1]]]
    (tmp_path / "labels.txt").unlink()
    Pillow.new("1", (2, 1), 1).save(tmp_path / "masks/a.png")
    assert masks_of(read(tmp_path)) == [[[1, 1]]]


def test_numbers_without_names(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg", (2, 1))
    mask(tmp_path / "masks/a.png", [[0, 3]])
    data = read(tmp_path)
    assert data.labels == ("background", "class 1", "class 2", "class 3")
    assert masks_of(data) == [[[0, 3]]]


def test_voc(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"JPEGImages/{name}.jpg", (2, 1))
    mask(tmp_path / "SegmentationClass/a.png", [[15, 255]], "P")
    text(tmp_path / "ImageSets/Segmentation/train.txt", "a\n")
    text(tmp_path / "ImageSets/Segmentation/val.txt", "b\nc\n")
    data = read(tmp_path)
    assert data.labels == ("background", *VOC) and masks_of(data, "train") == [[[15, VOID]]]
    assert [p.file for p in data.problems] == ["JPEGImages/b.jpg", "SegmentationClass/c"]


def test_what_is_alone_is_told_of(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"images/{name}.jpg", (2, 1))
    for name in ("b", "c"):
        mask(tmp_path / f"masks/{name}.png", [[0, 1]])
    data = read(tmp_path)
    assert [str(p).partition(";")[0] for p in data.problems] == [
        "images/a.jpg: has no mask", "masks/c.png: is a mask without a picture",
    ]  # fmt: skip
    text(tmp_path / "masks/b.png", "broken")
    assert len(read(tmp_path).splits["all"]) == 1  # told of where pictures are opened


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg", (60, 60))
    mask(tmp_path / "masks/a.png", np.random.default_rng(0).integers(0, 256, (60, 60, 3)))
    with pytest.raises(ValueError, match="more than 255 colours"):
        read(tmp_path)


def test_camvid(data: Path) -> None:
    found = read(data / "camvid")
    assert {split: len(samples) for split, samples in found.splits.items()} == {
        "train": 150, "val": 50,
    }  # fmt: skip
    assert len(found.labels) == 11 and found.labels[0] == "sky" and not found.problems
    sample = next(iter(found.splits["val"]))
    assert isinstance(sample.mask, Path)
    numbers = np.asarray(Pillow.open(sample.mask))
    read_ = read_mask(sample, (480, 360), 11)
    assert np.array_equal(read_, np.where(numbers == 11, VOID, numbers)) and (numbers == 11).any()
