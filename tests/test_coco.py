"""COCO JSON, tiny and real, judged by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from spindle.data.forms.coco import fits, read
from spindle.data.masks import read_mask
from spindle.data.samples import VOID, Objects
from tests.tiny import picture, text

Row = dict[str, Any]
SQUARE = [[1, 1, 9, 1, 9, 9, 1, 9]]


def write(file: Path, images: list[Row], annotations: list[Row], categories: list[Row]) -> Path:
    content = {"images": images, "annotations": annotations, "categories": categories}
    return text(file, json.dumps(content))


def image(number: int, name: str | None = None) -> Row:
    return {"id": number, "file_name": name or f"{number}.jpg", "width": 20, "height": 10}


def row(number: int, of: Any, kind: Any = 3, **more: Any) -> Row:
    box = {"bbox": [1, 1, 8, 8], "segmentation": SQUARE}
    return {"id": number, "image_id": of, "category_id": kind, **box, **more}


KINDS = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


def objects(sample: Any) -> Objects:
    assert isinstance(sample.objects, Objects)
    return sample.objects


def test_a_file_beside_its_pictures(tmp_path: Path) -> None:
    for n in (1, 2):
        picture(tmp_path / "images" / f"{n}.jpg")
    rows = [row(1, 1, 7), row(2, 1, iscrowd=1), row(3, 1, ignore=1, area=5.5)]
    file = write(tmp_path / "any.json", [image(1), image(2)], rows, KINDS)
    for path in (tmp_path, file):
        assert fits(path)
        data = read(path)
        assert (data.task, data.labels) == ("detect", ("cat", "dog"))
        one, two = data.splits["all"]
        assert one.name == "images/1.jpg" and len(objects(two)) == 0 and not data.problems
        assert objects(one).kinds.tolist() == [1, 0, 0]
        assert objects(one).boxes[0].tolist() == [1, 1, 9, 9]
        assert objects(one).crowds.tolist() == [False, True, False]
        assert objects(one).ignored.tolist() == [False, True, True]
        assert objects(one).areas.tolist() == [64, 64, 5.5]
        assert one.size == (20, 10)


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
        ("train/_annotations.coco.json", "valid/_annotations.coco.json"),
        ("train.json", "val.json"),
        ("train/labels.json", "valid/labels.json"),  # FiftyOne
    ],
)
def test_files_of_splits(tmp_path: Path, train: str, val: str) -> None:
    inner = "train2017", "val2017"
    if "/_" in train:
        inner = "train", "valid"
    if "labels" in train:
        inner = "train/data", "valid/data"
    for folder in inner:  # the same name in both: each file means its own
        picture(tmp_path / folder / "1.jpg")
    write(tmp_path / train, [image(1)], [row(1, 1)], KINDS)
    write(tmp_path / val, [image(1)], [row(1, 1, 9)], [{"id": 9, "name": "dog"}, *KINDS[1:]])
    if train == "train.json":
        picture(tmp_path / "train" / "1.jpg")
        picture(tmp_path / "val" / "1.jpg")
        inner = "train", "val"
    write(tmp_path / "annotations" / "captions_train2017.json", [image(1)], [], KINDS)
    if not train.startswith("annotations"):
        (tmp_path / "annotations" / "captions_train2017.json").unlink()
    data = read(tmp_path)
    assert list(data.splits) == ["train", "val"] and data.labels == ("cat", "dog")
    assert [[s.name for s in split] for split in data.splits.values()] == [
        [f"{inner[0]}/1.jpg"], [f"{inner[1]}/1.jpg"],
    ]  # fmt: skip
    assert [objects(s).kinds.tolist() for split in data.splits.values() for s in split] == [
        [0],
        [1],
    ]


def test_other_json_lies_beside(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "1.jpg")
    write(tmp_path / "train" / "_annotations.coco.json", [image(1)], [row(1, 1)], KINDS)
    text(tmp_path / "dataset-metadata.json", '{"title": "x"}')  # Kaggle
    text(tmp_path / "notes.json", '{"categories": [{"id": 0, "name": "cat"}]}')  # Label Studio
    assert fits(tmp_path) and list(read(tmp_path).splits) == ["train"]
    (tmp_path / "train" / "_annotations.coco.json").unlink()
    assert not fits(tmp_path)


def test_numbers_may_be_texts(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    kinds: list[Row] = [{"id": "10", "name": "dog"}, {"id": 9, "name": "cat"}]
    file = write(tmp_path / "a.json", [image(1)], [row(1, "1", "10"), row(2, 1, 10)], kinds)
    data = read(file)
    (sample,) = data.splits["all"]
    assert data.labels == ("cat", "dog") and objects(sample).kinds.tolist() == [1, 1]
    assert not data.problems


def test_a_heading_is_no_class(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    pets: Row = {"id": 0, "name": "pets", "supercategory": "none"}
    kinds: list[Row] = [pets, *({**kind, "supercategory": "pets"} for kind in KINDS)]
    assert read(write(tmp_path / "a.json", [image(1)], [row(1, 1)], kinds)).labels == ("cat", "dog")
    some = write(tmp_path / "a.json", [image(1)], [row(1, 1, 0)], kinds)
    assert read(some).labels == ("pets", "cat", "dog")  # something is of it


def test_two_files_for_one_split_are_told_of(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    for year in (2014, 2017):
        write(tmp_path / f"annotations/instances_train{year}.json", [image(1)], [], KINDS)
    with pytest.raises(ValueError, match="several files for train"):
        read(tmp_path)


def test_outlines_become_masks(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    runs = {"size": [10, 20], "counts": [0, 10, 190]}
    broken: list[Any] = [{"size": [1, 1], "counts": [1]}, [[1, 2]], [], "x", [["a"] * 6]]
    rows = [row(1, 1), row(2, 1, iscrowd=1, segmentation=runs)]
    rows += [row(10 + i, 1, segmentation=outline) for i, outline in enumerate(broken)]
    data = read(write(tmp_path / "a.json", [image(1)], rows, KINDS), "segment")
    assert data.labels == ("background", "cat", "dog") and len(data.problems) == len(broken)
    mask = read_mask(next(iter(data.splits["all"])), (20, 10))
    want = np.zeros((10, 20), int)
    want[:, 0] = VOID
    want[1:9, 1:9] = 1
    assert np.array_equal(mask, want)


def test_people(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    kinds = [{"id": 1, "name": "person", "keypoints": ["left_eye", "right_eye"]}]
    rows = [
        row(1, 1, 1, keypoints=[2, 2, 2, 0, 0, 0]),
        row(2, 1, 1, keypoints=[0] * 6),
        row(3, 1, 1, keypoints=[2, 2, 2, 3, 3, 1], iscrowd=1),
        row(4, 1, 1, keypoints=[1, 2]),
        row(5, 1, 1),
    ]
    file = write(tmp_path / "a.json", [image(1)], rows, kinds)
    data = read(file)
    assert data.task == "pose" and data.labels == ("left eye", "right eye")
    (person,) = data.splits["all"]
    assert person.part == (1, 1, 9, 9) and person.group == "1.jpg" and person.name == "1.jpg#1"
    assert objects(person).points.tolist() == [[[2, 2, 2], [0, 0, 0]]]
    assert [p.what for p in data.problems] == ["annotation 4 has not 6 numbers as keypoints"]
    assert read(file, "detect").labels == ("person",)
    with pytest.raises(ValueError, match="no keypoints"):
        read(write(tmp_path / "b.json", [image(1)], [row(1, 1)], KINDS), "pose")


def test_what_is_wrong_is_told_and_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "1.jpg")
    rows = [
        row(1, 1), row(2, 1, 99), row(3, 77), row(4, 1, bbox=[1, 1, 0, 4]),
        row(5, 1, bbox=[30, 1, 4, 4]), row(6, 1, bbox=[10, 1, 40, 4]), row(7, 1, bbox="x"),
        {"id": 8}, row(9, 1, bbox=[1, float("nan"), 4, 4]), row(10, 1, [1]), row(11, [1]),
    ]  # fmt: skip
    images = [image(1), image(1, "again.jpg"), image(2, "gone.jpg"), {"id": [5]}, {"id": 6}]
    data = read(write(tmp_path / "a.json", images, rows, [*KINDS, {"name": "x"}, KINDS[0]]))
    (sample,) = data.splits["all"]
    assert objects(sample).boxes.tolist() == [[1, 1, 9, 9], [10, 1, 20, 5]]
    said = [str(problem) for problem in data.problems]
    for words in (
        "annotation 2 is of category 99", "annotation 3 is of picture 77", "annotation 4 (cat) is "
        "degenerate", "annotation 5 (cat) lies outside", "annotation 6 (cat) lies partly",
        "annotation 7 has no box", "annotation 8 is of picture None", "annotation 9 has no box",
        "annotation 10 is of category [1]", "annotation 11 is of picture [1]", "has id 1 again",
        "'gone.jpg' is not there", "has no number for id", "has no file_name",
        "two categories of id 7", "categories without a number",
    ):  # fmt: skip
        assert sum(words in line for line in said) == 1, words
    assert len(said) == 16


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"images": [', "is not JSON"),
        ('{"images": 5}', "images are no list"),
        ('{"images": [], "categories": []}', "needs lists"),
        ('{"images": [' + "[" * 200_000, "too deep|not JSON"),
        ("[1]", "is not COCO JSON"),
        ('{"images": [1, 2], "categories": [null], "annotations": [3]}', None),
        ('{"images": [' + "9" * 5000 + "]}", "is not JSON"),
    ],
)
def test_hostile_files(tmp_path: Path, content: str, words: str | None) -> None:
    file = text(tmp_path / "a.json", content)
    if words is None or content == "[1]":
        assert not any(map(len, read(file).splits.values()))
    else:
        with pytest.raises(ValueError, match=words) as caught:
            read(file)
        assert "a.json" in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3)
    | st.just(10**400) | st.just("1.jpg"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["counts", "size", "x"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
KEYS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore", "segmentation",
        "keypoints", "file_name", "width", "height", "name")  # fmt: skip
spoiled = st.dictionaries(st.sampled_from(KEYS), anything, max_size=3)


@given(spoiled, spoiled, spoiled, st.sampled_from(["detect", "segment", "pose", None]))
def test_spoiled_entries(
    tmp_path_factory: pytest.TempPathFactory, one: Row, two: Row, three: Row, task: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "spoiled"
    if not folder.exists():
        picture(folder / "1.jpg")
    kind = {"id": 3, "name": "cat", "keypoints": ["nose"], **three}
    whole = row(1, 1, keypoints=[1, 1, 2])
    file = write(folder / "a.json", [{**image(1), **one}], [{**whole, **two}], [kind])
    try:
        found = read(file, task)
    except ValueError as error:
        assert "a.json" in str(error)
    else:
        for sample in found.splits["all"]:
            assert np.isfinite(objects(sample).boxes).all()
            if found.task == "segment":
                assert read_mask(sample, (20, 10), 2).shape == (10, 20)


@pytest.fixture(scope="module")
def official(data: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(data / "coco/instances.json")


def test_coco_itself(data: Path, official: COCO) -> None:
    found = read(data / "coco")
    assert len(found.splits["all"]) == 208 and len(found.labels) == 80 and not found.problems
    kinds = {number: i for i, number in enumerate(sorted(official.getCatIds()))}
    for sample in found.splits["all"]:
        assert isinstance(sample.picture, Path)
        rows = official.loadAnns(official.getAnnIds([int(sample.picture.stem)]))
        boxes = np.array([r["bbox"] for r in rows]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.abs(objects(sample).boxes - boxes).max(initial=0) < 0.02  # the edge, rounded
        assert objects(sample).kinds.tolist() == [kinds[r["category_id"]] for r in rows]
        assert objects(sample).crowds.tolist() == [bool(r["iscrowd"]) for r in rows]
        assert np.allclose(objects(sample).areas, [r["area"] for r in rows])


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_the_masks_of_coco(data: Path, official: COCO) -> None:
    found = read(data / "coco", "segment")
    assert found.labels[:2] == ("background", "person")
    kinds = {number: i + 1 for i, number in enumerate(sorted(official.getCatIds()))}
    for sample in list(found.splits["all"])[:40]:
        assert isinstance(sample.picture, Path)
        number = int(sample.picture.stem)
        size = official.imgs[number]["width"], official.imgs[number]["height"]
        rows = official.loadAnns(official.getAnnIds([number]))
        want = np.zeros(size[::-1], np.uint8)
        for r in sorted(rows, key=lambda r: (-r["iscrowd"], -np.float32(r["area"]))):
            want[official.annToMask(r) == 1] = VOID if r["iscrowd"] else kinds[r["category_id"]]
        assert np.array_equal(read_mask(sample, size, 81), want)


def test_the_people_of_coco(data: Path) -> None:
    found = read(data / "coco" / "person_keypoints.json")
    content = json.loads((data / "coco/person_keypoints.json").read_text())
    rows = [r for r in content["annotations"] if r["num_keypoints"] and not r["iscrowd"]]
    assert len(content["images"]) == 80 and len(content["annotations"]) == 172
    assert found.task == "pose" and len(found.splits["all"]) == len(rows) == 86
    by_number = {r["id"]: r for r in rows}
    for sample in found.splits["all"]:
        r = by_number.pop(int(sample.name.split("#")[1]))
        assert objects(sample).points.ravel().tolist() == r["keypoints"]
    assert [s.name for s in read(data / "coco", "pose").splits["all"]] == [
        s.name for s in found.splits["all"]
    ]
