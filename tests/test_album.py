"""Pictures in folders, found by what somebody may call them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Pillow

from spindle.data.forms.album import (
    Album,
    files,
    folders,
    read_names,
    split_of,
    splits_among,
    upright_size,
    walk,
)  # fmt: skip
from tests.tiny import picture, text


def test_names_of_splits() -> None:
    for name in ("train", "Training", "train2017", "train_set", "trainval", "trainval2012"):
        assert split_of(name) == "train"
    for name in ("val", "valid", "validation", "val2017", "dev"):
        assert split_of(name) == "val"
    assert split_of("test-dev2017") == split_of("testing") == "test"
    for name in ("", "trains", "retrain", "value", "testament", "aeroplane_train"):
        assert split_of(name) is None


def test_trainval_gives_way_and_two_of_a_kind_keep_apart() -> None:
    said = splits_among(["trainval", "val", "train", "cat"])
    assert said == {"train": "train", "val": "val"}
    assert splits_among(["test", "trainval"]) == {"trainval": "train", "test": "test"}
    assert splits_among(["val", "valid"]) == {"val": "val", "valid": "valid"}
    assert list(splits_among(["test", "valid", "train"])) == ["train", "valid", "test"]


def test_pictures_are_found_and_rubbish_is_not(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.jpg", "sub/deep/d.jpg"):
        picture(tmp_path / name)
    text(tmp_path / "._a.png", "x")
    text(tmp_path / "notes.txt", "x")
    text(tmp_path / "__MACOSX" / "a.jpg", "x")
    (tmp_path / "folder.jpg").mkdir()
    assert [file.name for file in files(tmp_path)] == ["a.png", "b.JPG"]
    assert [folder.name for folder in folders(tmp_path)] == ["folder.jpg", "sub"]
    (tmp_path / "sub" / "circle").symlink_to(tmp_path)
    assert sorted(walk(tmp_path)) == ["a.png", "b.JPG", "sub/c.jpg", "sub/deep/d.jpg"]
    assert files(tmp_path / "nowhere") == folders(tmp_path / "nowhere") == []


def test_a_picture_is_found_by_many_names(tmp_path: Path) -> None:
    for name in ("images/a.jpg", "images/b.JPG", "other/b2.png", "x/twice.jpg", "y/twice.jpg"):
        picture(tmp_path / name)
    album = Album(tmp_path)
    for name in ("images/a.jpg", "a.jpg", "./images/a.jpg", "C:\\data\\a.jpg", "a", "a.png"):
        assert album.look(name) == "images/a.jpg"
    assert album.look("b.jpg") == "images/b.JPG"
    assert album.look("twice.jpg") is None  # which of the two?
    assert album.look("twice.jpg", "y") == "y/twice.jpg"
    for name in ("", "..", "../../etc/passwd", "c.jpg"):
        assert album.look(name) is None


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_sizes_are_those_of_the_upright_picture(tmp_path: Path, ending: str) -> None:
    for turned in (False, True):
        path = picture(tmp_path / f"p.{ending}", (30, 12), turned)
        with Pillow.open(path) as opened:
            opened.load()
            orientation = opened.getexif().get(0x0112, 1)
            size = opened.size if orientation < 5 else opened.size[::-1]
        assert upright_size(path) == size
        if ending == "jpg":
            assert size == ((12, 30) if turned else (30, 12))


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"p\.jpg cannot be opened"):
        upright_size(text(tmp_path / "p.jpg", "no"))
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(ValueError, match="UTF-8"):
        read_names(tmp_path / "bad.txt")
    (tmp_path / "mark.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n\r\n")
    assert read_names(tmp_path / "absent", tmp_path / "mark.txt") == ("one", "two")
