"""Pascal VOC, tiny and real."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.forms.voc import fits, parse, read
from spindle.data.samples import Dataset
from tests.tiny import picture, text


def note(*things: tuple[str, str, str], size: str = "20 10", name: str = "a.jpg") -> str:
    wide, high = size.split()
    objects = "".join(
        f"<object><name>{kind}</name><difficult>{difficult}</difficult><bndbox>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box.split()))
        + "</bndbox></object>"
        for kind, box, difficult in things
    )
    return (
        f"<annotation><filename>{name}</filename><size><width>{wide}</width>"
        f"<height>{high}</height></size>{objects}</annotation>"
    )


def objects(data: Dataset, split: str) -> list[tuple[str, list[list[float]], list[int]]]:
    return [
        (s.name, s.objects.boxes.tolist(), s.objects.kinds.tolist())
        for s in data.splits[split]
        if s.objects is not None
    ]


def test_the_usual_folders(tmp_path: Path) -> None:
    for name in "abcd":
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
    notes = tmp_path / "Annotations"
    text(notes / "a.xml", note(("dog", "1 1 10 5", "0"), ("cat", "3 3 20 10", "1")))
    text(notes / "b.xml", note(("cat", "4 4 4 9", "0"), ("cat", "2 2 90 9", "0")))
    text(notes / "c.xml", "<annotation><broken>")
    text(notes / "e.xml", note(("cat", "1 1 5 5", "0"), name="e.jpg"))
    lists = tmp_path / "ImageSets" / "Main"
    text(lists / "train.txt", "a\nb\nc\n")
    text(lists / "val.txt", "d\ne 1\n")
    text(lists / "trainval.txt", "a\nb\nc\nd\ne\n")
    text(lists / "cat_train.txt", "a 1\n")
    assert fits(tmp_path)
    text(lists / "test.txt", "a\n")
    data = read(tmp_path)
    assert data.labels == ("cat", "dog") and data.task == "detect"
    assert list(data.splits) == ["train", "val", "test"] and len(data.splits["val"]) == 0
    assert objects(data, "train") == [
        ("JPEGImages/a.jpg", [[0, 0, 10, 5], [2, 2, 20, 10]], [1, 0]),
        ("JPEGImages/b.jpg", [[1, 1, 20, 9]], [0]),
    ]
    assert next(iter(data.splits["train"])).size == (20, 10)
    first = next(iter(data.splits["train"])).objects
    assert first is not None and first.ignored.tolist() == [False, True]
    said = [str(problem) for problem in data.problems]
    assert len(said) == 5
    for words in (
        "c.xml: is not XML",
        "d.xml: is named in a list, but is not there",
        "e.xml: speaks of a picture that is not there: e.jpg",
        "b.xml: object 1 (cat) is degenerate",
        "b.xml: object 2 (cat) lies partly",
    ):
        assert any(words in line for line in said), words
    assert [p.fatal for p in data.problems if "partly" in p.what] == [False]


def test_a_picture_without_a_note_is_told_of(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
    text(tmp_path / "a.xml", note(("cat", "1 1 5 5", "0")))
    (problem,) = read(tmp_path).problems
    assert (problem.file, problem.fatal) == ("b.jpg", False)
    text(tmp_path / "ImageSets" / "Main" / "train.txt", "a\n")
    assert not read(tmp_path).problems  # what is not listed is not meant


def test_names_of_voc_stand_in_its_order(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", note(*((n, "1 1 9 9", "0") for n in ("person", "cat", "tvmonitor"))))
    assert read(tmp_path).labels == ("cat", "person", "tvmonitor")
    text(tmp_path / "a.xml", note(*((n, "1 1 9 9", "0") for n in ("zebra", "person", "bus"))))
    assert read(tmp_path).labels == ("bus", "person", "zebra")


def test_folders_of_splits_and_a_missing_size(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        picture(tmp_path / split / f"{split}.jpg", (20, 10), turned=True)
        content = note(("x", "1 1 10 20", "0"), size="0 0")
        text(tmp_path / split / f"{split}.xml", content)
    data = read(tmp_path)
    assert list(data.splits) == ["train", "val"] and not data.problems  # upright it is 10 x 20
    assert objects(data, "val") == [("valid/valid.jpg", [[0, 0, 10, 20]], [0])]


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'
    "<annotation><filename>&c;</filename></annotation>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused(tmp_path: Path, encoding: str) -> None:
    content = BOMB if encoding == "utf-8" else BOMB.replace('"1.0"', '"1.0" encoding="utf-16"')
    (tmp_path / "a.xml").write_bytes(content.encode(encoding))
    with pytest.raises(ValueError, match="DOCTYPE"):
        parse(tmp_path / "a.xml")
    picture(tmp_path / "a.jpg")
    assert "DOCTYPE" in read(tmp_path).problems[0].what


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_anything_is_xml_or_refused(tmp_path_factory: pytest.TempPathFactory, said: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.xml"
    file.write_bytes(said)
    try:
        assert parse(file).tag
    except ValueError as error:
        assert "any.xml" in str(error)


@pytest.mark.parametrize("said", ["1 1 nan 9", "1 1 inf 9", "1 1 x 9", "1 1", "1e999 0 1 1"])
def test_a_box_of_nonsense_is_told_of(tmp_path: Path, said: str) -> None:
    picture(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", note(("x", said, "0"), ("", "1 1 2 2", "0")))
    data = read(tmp_path)
    assert len(data.problems) == 2 and objects(data, "all") == [("a.jpg", [], [])]


def test_a_name_in_a_list_leads_nowhere_else(tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages" / "a.jpg")
    text(tmp_path / "Annotations" / "a.xml", note())
    text(tmp_path / "ImageSets" / "Main" / "train.txt", "../a\n/etc/passwd\n")
    data = read(tmp_path)
    assert len(data.splits["train"]) == 0 and len(data.problems) == 2


def test_bccd(data: Path) -> None:
    found = read(data / "bccd")
    assert {split: len(samples) for split, samples in found.splits.items()} == {
        "train": 205, "val": 87,
    }  # fmt: skip
    assert found.labels == ("Platelets", "RBC", "WBC")
    assert [problem.file.split("_")[-1] for problem in found.problems if problem.fatal] == [
        "00343.xml", "00338.xml",
    ]  # fmt: skip
    assert all("degenerate" in problem.what for problem in found.problems)
    for sample in found.splits["val"]:
        assert isinstance(sample.picture, Path) and sample.objects is not None
        root = ElementTree.parse(data / "bccd/Annotations" / f"{sample.picture.stem}.xml").getroot()
        boxes = [[float(c.text or 0) for c in node] for node in root.iter("bndbox")]
        want = [[max(a - 1, 0), max(b - 1, 0), c, d] for a, b, c, d in boxes if c > a and d > b]
        assert sample.objects.boxes.tolist() == want
