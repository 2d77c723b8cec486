"""Data found out by looking: each form for what it is, and what is none for what it holds."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from spindle.data.datasets import FORMS, find, parted
from spindle.data.forms.listing import write_list
from spindle.data.synthetic import scene
from spindle.model.heads import Task
from tests.tiny import picture, text


def coco(at: Path) -> None:
    image = {"id": 1, "file_name": "1.jpg", "width": 20, "height": 10}
    outline = {"bbox": [1, 1, 5, 5], "segmentation": [[1, 1, 6, 1, 6, 6]]}
    row = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [1, 1, 2], **outline}
    kind = {"id": 1, "name": "cat", "keypoints": ["nose"]}
    content = {"images": [image], "annotations": [row], "categories": [kind]}
    picture(at / "images/1.jpg")
    text(at / "annotations.json", json.dumps(content))


def voc(at: Path) -> None:
    corners = "<xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax>"
    thing = f"<object><name>cat</name><bndbox>{corners}</bndbox></object>"
    picture(at / "JPEGImages/1.jpg")
    text(at / "Annotations/1.xml", f"<annotation>{thing}</annotation>")


def yolo(at: Path) -> None:
    picture(at / "images/1.jpg")
    text(at / "labels/1.txt", "0 0.5 0.5 0.5 0.5\n")


def market(at: Path) -> None:
    picture(at / "bounding_box_train/0001_c1s1_1.jpg")
    picture(at / "query/0002_c1s1_1.jpg")
    picture(at / "bounding_box_test/0002_c2s1_1.jpg")


def masks(at: Path) -> None:
    picture(at / "images/1.jpg")
    (at / "masks").mkdir()
    Pillow.new("L", (20, 10), 1).save(at / "masks/1.png")


def table(at: Path) -> None:
    picture(at / "a/1.jpg")
    picture(at / "b/2.jpg")
    text(at / "labels.csv", "path,label\na/1.jpg,x\nb/2.jpg,y\n")


def kinds(at: Path) -> None:
    picture(at / "a/1.jpg")
    picture(at / "b/2.jpg")
    text(at / "about.csv", "who,when\nme,now\n")


MAKERS: dict[str, Callable[[Path], None]] = {
    "coco": coco, "voc": voc, "yolo": yolo, "market": market, "masks": masks, "csv": table,
    "folders": kinds,
}  # fmt: skip
TASKS = {"coco": "pose", "masks": "segment", "market": "embed", "csv": "classify",
         "folders": "classify"}  # fmt: skip


def test_every_form_has_words_and_tasks() -> None:
    assert {"shards", "list", *MAKERS} == set(FORMS)
    assert all(form.words and set(form.tasks) <= {*get_args(Task)} for form in FORMS.values())


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_each_form_is_known_by_looking(tmp_path: Path, name: str, wrapped: bool) -> None:
    MAKERS[name](tmp_path / "outer" / "inner" if wrapped else tmp_path)
    fitting = [key for key, form in FORMS.items() if form.fits(tmp_path)]
    assert wrapped or fitting[0] == name, fitting
    found = find(tmp_path)
    assert found.task == TASKS.get(name, "detect") and not found.problems
    assert find(str(tmp_path), form=name).form == found.form
    for task in get_args(Task):
        if task not in FORMS[name].tasks and name != "folders":
            with pytest.raises(ValueError, match=r"can be learned, not|needs|no keypoints|is for"):
                find(tmp_path, task, form=name)


def test_a_task_chooses_among_forms(tmp_path: Path) -> None:
    masks(tmp_path)
    voc(tmp_path)
    picture(tmp_path / "images/1.jpg")
    assert find(tmp_path).task == "detect" and find(tmp_path, "segment").task == "segment"
    assert find(tmp_path, form="masks").form == "pictures and masks"


def test_a_list_and_shards(tmp_path: Path, data: Path) -> None:
    kinds(tmp_path)
    found = find(tmp_path)
    write_list(found, tmp_path / "clean.jsonl")
    again = find(tmp_path / "clean.jsonl")
    assert again.labels == found.labels
    assert [s.kind for s in again.splits["all"]] == [0, 1]
    (tmp_path / "old.tar.gz").write_bytes(b"what these were unpacked from")
    assert find(tmp_path).form == found.form
    for shards in ("train-0000.tar.gz", "train-000{0..0}.tar.gz", "train-0000.*"):
        seen = find(data / "cifar10" / shards)
        assert seen.task == "classify" and len(seen.labels) == 10


@pytest.mark.parametrize(
    ("train", "val"),
    [("train-0.tar", "val-0.tar"), ("imagenet1k-train-0.tar", "imagenet1k-validation-0.tar"),
     ("train/0.tar", "valid/0.tar")],
)  # fmt: skip
def test_shards_say_their_split_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: str, val: str
) -> None:
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    for name, count in ((train, 2), (val, 1)):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(tmp_path / "data" / name, "w") as tar:
            for number in range(count):
                for ending, file in (("jpg", picture(tmp_path / "1.jpg")),
                                     ("txt", text(tmp_path / "1.txt", "cat"))):  # fmt: skip
                    tar.add(file, f"{number}.{ending}")
    found = find(tmp_path / "data")
    assert {split: len(samples) for split, samples in found.splits.items()} == {
        "train": 2, "val": 1,
    }  # fmt: skip


def test_a_tar_of_folders_is_to_be_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    kinds(tmp_path / "photos")
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        tar.add(tmp_path / "photos", "photos")
    with pytest.raises(ValueError, match="a tar file of folders of classes is to be unpacked"):
        find(tmp_path / "photos.tar")


def test_what_is_no_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        find(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is empty"):
        find(tmp_path)
    for name in "abc":
        text(tmp_path / f"{name}.mp4", "")
    with pytest.raises(ValueError, match=r"holds 3 \.mp4 and no pictures, but data is .*COCO"):
        find(tmp_path)
    picture(tmp_path / "1.jpg")
    with pytest.raises(ValueError, match=r"holds 3 \.mp4 and 1 pictures: nothing says"):
        find(tmp_path)
    with pytest.raises(ValueError, match=r"is a \.mp4 file"):
        find(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="no task is called 'fly'"):
        find(tmp_path, "fly")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no form of data is called 'x': there are shards"):
        find(tmp_path, form="x")
    with pytest.raises(ValueError, match="but data is a CSV of paths and labels$"):
        find(tmp_path, form="csv")


def test_what_may_be_meant_is_said(tmp_path: Path) -> None:
    text(tmp_path / "photos.zip", "PK")
    with pytest.raises(ValueError, match="unpack it first"):
        find(tmp_path / "photos.zip")
    text(tmp_path / "phone" / "1.heic", "")
    with pytest.raises(ValueError, match=r"1 \.heic and no pictures: save them as JPEG"):
        find(tmp_path / "phone")
    for name in ("one/1.jpg", "table/1.jpg", "parts/train/1.jpg", "parts/test/1.jpg"):
        picture(tmp_path / name)
    with pytest.raises(ValueError, match="nothing says what they show"):
        find(tmp_path / "one")
    with pytest.raises(ValueError, match="its folders are no classes"):
        find(tmp_path / "parts")
    table = text(tmp_path / "table" / "x.csv", "Picture File,Dog Breed,width\n1.jpg,a,3\n")
    with pytest.raises(ValueError, match=r"first line of x\.csv is 'Picture File,Dog"):
        find(tmp_path / "table")
    table.write_bytes("path,label\n1.jpg,Käse\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"x\.csv is not text in UTF-8"):
        find(tmp_path / "table")


def test_a_form_without_a_usable_picture_says_why(tmp_path: Path) -> None:
    coco(tmp_path)
    (tmp_path / "images/1.jpg").unlink()
    with pytest.raises(ValueError, match=r"no picture in it can be used .*'1\.jpg' is not there"):
        find(tmp_path)


HOSTILE = (
    "a.json", "a.csv", "a.xml", "a.txt", "data.yaml", "labels/a.txt", "class_dict.csv", "a.jsonl",
    "ImageSets/Main/train.txt",
)  # fmt: skip
CUNNING = (
    '{"images":[{}],"categories":[{}]}', "path,label\nx,", "names:\n  9999999999: x",
    "0 1 1 1 1 1 1 1",
)  # fmt: skip


@given(st.sampled_from(HOSTILE), st.text(max_size=60) | st.sampled_from(CUNNING))
def test_hostile_files_are_told_of(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: str
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    picture(folder / "images/a.jpg")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    for path in (folder, folder / name):
        try:
            assert any(map(len, find(path).splits.values()))
        except ValueError as error:
            assert str(folder) in str(error) or name.rpartition("/")[2] in str(error)


def test_scenes_as_folders_are_parted(tmp_path: Path) -> None:
    for i in range(20):
        folder = tmp_path / ("even" if i % 2 == 0 else "odd")
        folder.mkdir(exist_ok=True)
        Pillow.fromarray(scene(i, 16, 16).picture).save(folder / f"{i}.png")
    data = parted(find(tmp_path), 0.2)
    assert {split: len(found) for split, found in data.splits.items()} == {"train": 16, "val": 4}


@pytest.mark.parametrize(
    ("name", "task", "splits", "labels"),
    [
        ("bccd", None, {"train": 205, "val": 87}, 3),
        ("camvid", None, {"train": 150, "val": 50}, 11),
        ("coco", None, {"all": 208}, 80),
        ("coco", "pose", {"all": 86}, 17),
        ("ants_bees", None, {"train": 243, "val": 153}, 2),
        ("flowers5", None, {"all": 4317}, 5),
        ("imagenet_like", None, {"all": 200}, 991),
    ],
)
def test_real_data(
    data: Path, name: str, task: Task | None, splits: dict[str, int], labels: int
) -> None:
    found = find(data / name, task)
    assert {split: len(samples) for split, samples in found.splits.items()} == splits
    assert len(found.labels) == labels
    assert len([p for p in found.problems if p.fatal]) == (2 if name == "bccd" else 0)
    assert list(parted(found).splits) == ["train", "val"]
