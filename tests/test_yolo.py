"""YOLO's text files; the yaml is judged by PyYAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.forms.yolo import fits, read, read_yaml
from spindle.data.labels import mirror
from spindle.data.masks import read_mask
from spindle.data.samples import Objects, Samples
from tests.tiny import picture, text


def all_objects(samples: Samples) -> list[Objects]:
    return [s.objects for s in samples if s.objects is not None]


@pytest.mark.parametrize("layout", ["images/{0}/{1}", "{0}/images/{1}", "{0}/{1}"])
def test_layouts(tmp_path: Path, layout: str) -> None:
    for split in ("train", "valid"):
        file = picture(tmp_path / layout.format(split, "one.jpg"))
        empty = picture(tmp_path / layout.format(split, "empty.jpg"))
        assert empty.exists()
        notes = file.relative_to(tmp_path).as_posix().replace("images", "labels")
        text((tmp_path / notes).with_suffix(".txt"), "1 0.5 0.5 0.5 1\n")
    text(tmp_path / "classes.txt", "cat\ndog\n")
    assert fits(tmp_path)
    data = read(tmp_path)
    assert list(data.splits) == ["train", "val"] and data.labels == ("cat", "dog")
    empty_first = all_objects(data.splits["val"])
    assert [o.boxes.tolist() for o in empty_first] == [[], [[5, 0, 15, 10]]]
    assert not data.problems


@pytest.mark.parametrize(
    "names", ["names: [cat, 'dog']", "names:\n- cat\n- dog", 'names:\n  0: cat\n  1: "dog" # x']
)
def test_a_yaml(tmp_path: Path, names: str) -> None:
    said = f"# made by hand\npath: .\ntrain: ../train/images\nval: val.txt\nnc: 2\n\n{names}\n"
    file = text(tmp_path / "data.yaml", said)
    picture(tmp_path / "train/images/a.jpg", turned=True)
    text(tmp_path / "train/labels/a.txt", "0 0.5 0.5 1 0.5")
    picture(tmp_path / "other/images/b.jpg")
    text(tmp_path / "other/labels/b.txt", "1 0.25 0.5 0.5 1.0")
    text(tmp_path / "val.txt", "./other/images/b.jpg\nother/images/c.jpg\n")
    for path in (tmp_path, file):
        data = read(path)
        assert data.labels == ("cat", "dog")
        (turned,), (other,) = (all_objects(data.splits[s]) for s in ("train", "val"))
        assert turned.boxes.tolist() == [[0, 5, 10, 15]]  # upright, the picture is 10 x 20
        assert other.boxes.tolist() == [[0, 0, 10, 10]]
        assert [p.what for p in data.problems] == [
            "names a picture that is not there: other/images/c.jpg"
        ]


yaml: Any = pytest.importorskip("yaml")
words = st.text("abc xyz_-", min_size=1, max_size=9).map(str.strip).filter(
    lambda w: w and isinstance(yaml.safe_load(w), str) and "-" not in w
)  # fmt: skip


@given(st.lists(words, min_size=1, max_size=6), words, st.booleans())
def test_yaml_is_read_as_pyyaml_reads_it(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], place: str, flow: bool
) -> None:
    table = {str(number): name for number, name in enumerate(names)}
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    content = {"train": place, "names": names} if flow else {"names": names, "table": table}
    file.write_text(yaml.safe_dump(content, default_flow_style=None if flow else False))
    assert read_yaml(file) == yaml.safe_load(file.read_text()) == content


def test_outlines_are_boxes_or_masks(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    text(tmp_path / "labels/a.txt", "2 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8\n0 0.5 0.5 0.5 0.5\n")
    data = read(tmp_path)
    assert data.labels == ("0", "1", "2")
    (found,) = all_objects(data.splits["all"])
    assert np.allclose(found.boxes, np.array([[2, 2, 10, 8], [5, 2.5, 15, 7.5]]))
    drawn = read(tmp_path, "segment")
    assert drawn.labels == ("background", "0", "1", "2")
    assert [p.what for p in drawn.problems] == ["line 2 has a box, but no outline"]
    mask = read_mask(next(iter(drawn.splits["all"])), (20, 10))
    want = np.zeros((10, 20), int)
    want[2:8, 2:10] = 3
    assert np.array_equal(mask, want)


def test_bodies(tmp_path: Path) -> None:
    text(tmp_path / "data.yaml", "names: [cat]\nkpt_shape: [2, 3]\ntrain: images\n")
    picture(tmp_path / "images/a.jpg")
    text(tmp_path / "labels/a.txt", "0 .5 .5 1 1  .1 .2 2  0 0 0\n0 .5 .5 1 1 0 0 0 0 0 0\n0 1 2\n")
    data = read(tmp_path)
    assert data.task == "pose" and len(data.labels) == 2
    (one,) = data.splits["train"]
    assert one.objects is not None and one.part == (0, 0, 20, 10) and one.group == "images/a.jpg"
    assert np.allclose(one.objects.points, np.array([[[2, 2, 2], [0, 0, 0]]]))
    assert [p.what[:6] for p in data.problems] == ["line 3"]
    assert read(tmp_path, "detect").labels == ("cat",)
    text(tmp_path / "data.yaml", "names: [cat]\nkpt_shape: [2, 9]\ntrain: images\n")
    with pytest.raises(ValueError, match="kpt_shape"):
        read(tmp_path)
    text(tmp_path / "data.yaml", "names: [cat]\ntrain: images\n")
    with pytest.raises(ValueError, match="no kpt_shape"):
        read(tmp_path, "pose")


@pytest.mark.parametrize(
    ("more", "names", "mirrored"),
    [
        ("flip_idx: [0, 2, 1]", ("point 0", "left 1", "right 1"), (0, 2, 1)),
        ("flip_idx: [0, 2]", ("point 0", "point 1", "point 2"), ()),
        ("kpt_names:\n  0:\n    - nose\n    - left_ear\n    - right_ear",
         ("nose", "left_ear", "right_ear"), (0, 2, 1)),
        ("", ("point 0", "point 1", "point 2"), ()),
    ],
)  # fmt: skip
def test_bodies_in_a_mirror(
    tmp_path: Path, more: str, names: tuple[str, ...], mirrored: tuple[int, ...]
) -> None:
    text(tmp_path / "data.yaml", f"names: [cat]\nkpt_shape: [3, 3]\n{more}\ntrain: images\n")
    picture(tmp_path / "images/a.jpg")
    text(tmp_path / "labels/a.txt", "0 .5 .5 1 1  .1 .2 2  0 0 0  .4 .5 1\n")
    data = read(tmp_path)
    assert data.labels == names and mirror(data.labels) == mirrored


def test_a_comma_in_quotes(tmp_path: Path) -> None:
    said = "names: ['cat', \"dog, big\", it's]\nmore: {0: 'a, b', 1: c}\n"
    assert read_yaml(text(tmp_path / "a.yaml", said)) == {
        "names": ["cat", "dog, big", "it's"], "more": {"0": "a, b", "1": "c"},
    }  # fmt: skip


def test_a_part_for_tests_may_be_absent(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    text(tmp_path / "data.yaml", "names: [cat]\ntrain: images\nval: no\ntest: ../test/images\n")
    said = [(problem.what, problem.fatal) for problem in read(tmp_path).problems]
    assert said == [
        ("names no, which is not there", True), ("names test/images, which is not there", False),
    ]  # fmt: skip


def test_a_yaml_without_names_is_told_of(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    text(tmp_path / "labels/a.txt", "2 0.5 0.5 0.5 0.5\n")
    text(tmp_path / "data.yaml", "names:\ntrain: images\n")
    data = read(tmp_path)
    assert data.labels == ("0", "1", "2")
    (problem,) = data.problems
    assert str(problem).startswith("data.yaml: has no names of classes") and not problem.fatal


def test_a_number_that_fills_no_memory(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    text(tmp_path / "data.yaml", "names:\n  99999999999: x\n")
    with pytest.raises(ValueError, match="number from 0"):
        read(tmp_path)


def test_broken_lines_are_told_of(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    text(tmp_path / "images/b.jpg", "no picture")
    picture(tmp_path / "images/c.jpg")
    text(tmp_path / "classes.txt", "cat\n")
    lines = [
        "0 .5 .5 .5 .5", "x y", "5 .5 .5 .1 .1", "0 .5 .5 0 .1", "0 .9 .5 .4 .1",
        "0 2 2 .1 .1", "0 .5 .5", "0 nan 1 1 1", "-1 .5 .5 .1 .1", "0.5 1 1 1 1",
        "0 " + "9" * 400 + " 1 1 1",
    ]  # fmt: skip
    text(tmp_path / "labels/a.txt", "\n".join(lines))
    (tmp_path / "labels/c.txt").write_bytes(b"\xff\xfe\x00")
    data = read(tmp_path)
    assert len(data.problems) == 12
    found = all_objects(data.splits["all"])
    assert [len(o) for o in found] == [2, 0]
    said = [str(p) for p in data.problems]
    for words_ in ("line 3 is of class 5", "line 4 (cat) is degenerate", "line 5 (cat) lies partly",
                   "line 6 (cat) lies outside", "line 7 has 3 numbers", "line 2 is not a class",
                   "b.jpg: cannot be opened", "c.txt: is not text in UTF-8"):  # fmt: skip
        assert sum(words_ in line for line in said) == 1, words_


@given(st.text(max_size=80))
def test_any_text_is_yaml_or_nothing(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    file = tmp_path_factory.getbasetemp() / "other.yaml"
    file.write_text(said, errors="ignore")
    assert isinstance(read_yaml(file), dict)
