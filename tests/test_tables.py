"""CSV of paths and labels, whatever its columns are called."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.forms.tables import columns, fits, order, read, rows_of
from tests.tiny import picture, text


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("path,label", "{0},{1}"),
        ("Label,File Name,width", "{1},{0},5"),
        ("", "{0},{1}"),
        ("", "{1};{0}"),
        ("", "{0} {1}"),
        ("id\tbreed", "{0}\t{1}"),
        ("image,whatever", "{0},{1}"),
        ("n,class,what", "1,{1},{0}"),
    ],
)
def test_columns_are_found_by_looking(tmp_path: Path, head: str, line: str) -> None:
    lines = [head] * bool(head) + [line.format(*row) for row in
                                   (("images/a.jpg", "dog"), ("b.jpg", "cat"))]  # fmt: skip
    for name in "ab":
        picture(tmp_path / "images" / f"{name}.jpg")
    file = text(tmp_path / "some.csv", "\n".join(lines))
    for path in (tmp_path, file):
        assert fits(path)
        data = read(path)
        assert data.labels == ("cat", "dog") and not data.problems
        assert [(s.name, s.kind) for s in data.splits["all"]] == [
            ("images/a.jpg", 1), ("images/b.jpg", 0),
        ]  # fmt: skip


def test_splits_and_groups(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / name)
    text(tmp_path / "x.csv", "image,target,split,patient\na,1,train,p\nb,2,valid,q\n")
    data = read(tmp_path)
    assert {split: [s.group for s in found] for split, found in data.splits.items()} == {
        "train": ["p"], "val": ["q"],
    }  # fmt: skip
    (tmp_path / "x.csv").unlink()
    text(tmp_path / "train.csv", "a.jpg,x")
    text(tmp_path / "val.csv", "b.jpg,y")
    assert list(read(tmp_path).splits) == ["train", "val"]


def test_broken_lines_are_told_of(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    text(tmp_path / "labels.txt", "cat\ndog")
    said = "path,label\na.jpg,dog\ngone.jpg,cat\na.jpg\na.jpg,\n\na.jpg,zebra\n../../x.jpg,cat\n"
    data = read(text(tmp_path / "x.csv", said))
    assert data.labels == ("cat", "dog") and [s.kind for s in data.splits["all"]] == [1]
    assert [p.what.split()[1] for p in data.problems] == ["4", "5", "3", "7", "8"]


def test_a_picture_has_one_class(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
    text(tmp_path / "x.csv", "path,label\na.jpg,dog\na,cat\nb.jpg,cat\nb.jpg,cat\n")
    data = read(tmp_path)
    assert [(s.name, s.kind) for s in data.splits["all"]] == [("a.jpg", 1), ("b.jpg", 0)]
    assert [(p.what, p.fatal) for p in data.problems] == [
        ("line 3 names a again, which line 2 names of class 'dog'", True),
        ("line 5 names b.jpg again, which line 4 names", False),
    ]


def test_a_column_for_each_class(tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / f"{name}.jpg")
    lines = "image,MEL,NV,BCC\na,1.0,0.0,0.0\nb,0.0,0.0,1.0\nc,1.0,1.0,0.0\n"
    data = read(text(tmp_path / "x.csv", lines))
    assert data.labels == ("BCC", "MEL")
    assert [(s.name, s.kind) for s in data.splits["all"]] == [("a.jpg", 1), ("b.jpg", 0)]
    assert [p.what for p in data.problems] == ["line 4 has not one class alone: c,1.0,1.0,0.0"]


def test_what_is_handed_in_is_no_truth(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    text(tmp_path / "train.csv", "id,label\na,dog\n")
    text(tmp_path / "sample_submission.csv", "id,label\na,nothing\n")
    assert read(tmp_path).labels == ("dog",)


HEAD = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


@pytest.mark.parametrize(
    "lines",
    [
        HEAD + "{0}.jpg,20,10,cat,1,1,9,9\n{0}.jpg,20,10,ant,2,2,9.5,9\n{1}.jpg,20,10,,,,,\n",
        "{0}.jpg,1,1,9,9,cat\n{0}.jpg,2,2,9.5,9,ant\n{1}.jpg,,,,,\n",
    ],
)
def test_boxes(tmp_path: Path, lines: str) -> None:
    for split in ("train", "valid"):
        for name in "ab":
            picture(tmp_path / split / f"{name}.jpg")
        text(tmp_path / split / "_annotations.csv", lines.format("a", "b"))
    assert fits(tmp_path)
    data = read(tmp_path)
    assert (data.task, data.labels) == ("detect", ("ant", "cat")) and not data.problems
    for split, folder in (("train", "train"), ("val", "valid")):
        two, empty = data.splits[split]
        assert two.objects is not None and empty.objects is not None
        assert two.objects.boxes.tolist() == [[1, 1, 9, 9], [2, 2, 9.5, 9]]
        assert two.objects.kinds.tolist() == [1, 0] and not len(empty.objects)
        assert [two.name, empty.name] == [f"{folder}/a.jpg", f"{folder}/b.jpg"]


def test_wrong_boxes_are_told_of(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    text(tmp_path / "broken.jpg", "")
    rows = (
        "cat,1,1,9,9",
        "cat,1,1,x,9",
        "cat,1,1,nan,9",
        ",1,1,9,9",
        "cat,5,1,5,9",
        "cat,30,1,40,9",
    )
    lines = "".join(f"a.jpg,20,10,{row}\n" for row in rows) + "broken.jpg,20,10,cat,1,1,9,9\n"
    data = read(text(tmp_path / "x.csv", HEAD + lines))
    (sample,) = data.splits["all"]
    assert sample.objects is not None and len(sample.objects) == 1
    assert [str(p).split("; ")[0] for p in data.problems] == [
        "x.csv: line 5 has no path or no label: a.jpg,20,10,,1,1,9,9",
        "x.csv: line 3 (cat) has no box of four numbers",
        "x.csv: line 4 (cat) has no class or no end",
        "x.csv: line 6 (cat) is degenerate: 0 wide and 8 high",
        "x.csv: line 7 (cat) lies outside the picture: 30, 1 to 40, 9 in 20 x 10",
        "broken.jpg: cannot be opened as a picture",
    ]
    text(tmp_path / "x.csv", "path,label\na.jpg,cat\n")
    with pytest.raises(ValueError, match="no columns xmin"):
        read(tmp_path, "detect")


def test_numbers_of_classes_keep_their_place() -> None:
    assert order({"3", "1", "2"}, ()) == ("1", "2", "3")  # every number is there
    assert order({"7", "10"}, ()) == tuple(map(str, range(11)))
    assert order({"0001", "0005"}, ()) == ("0001", "0005")
    assert order({"900000001", "5"}, ()) == ("5", "900000001")
    assert order({"b", "a"}, ()) == ("a", "b") and order({"a"}, ("b", "a")) == ("b", "a")
    assert order({"1"}, ("cat", "dog")) == ("0", "1") and order(set(), ()) == ()


@given(st.text(max_size=120))
def test_any_text_is_a_table_or_not(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(said.encode("utf-8", "ignore"))
    assert columns(rows_of(file)) is None or fits(file)


def test_imagenet_like(data: Path) -> None:
    found = read(data / "imagenet_like")
    with (data / "imagenet_like/labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(s.name, s.kind) for s in found.splits["all"]] == [
        (row["path"], int(row["label"])) for row in rows
    ]
    assert len(rows) == 200 and not found.problems
