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
