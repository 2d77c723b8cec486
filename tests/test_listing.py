"""A list says of every sample what was known of it, and a wrong line is found by its number."""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spindle.data.forms.listing import read_list, write_list
from spindle.data.masks import Coloured
from spindle.data.samples import Dataset, Listed, Objects, Sample

LABELS = ("a", "b", "ünï")
HEAD = {"spindle": "list", "version": 1, "task": "detect", "labels": LABELS, "splits": ["train"]}
GOOD = {"split": "train", "picture": "a.jpg"}
finite = st.floats(-1e6, 1e6, width=32)


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, in type and shape too."""
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b))
    if isinstance(a, (Sample, Objects)):
        alike = (same(getattr(a, part.name), getattr(b, part.name)) for part in fields(a))
        return type(a) is type(b) and all(alike)
    return bool(a == b)


@st.composite
def objects(draw: st.DrawFn) -> Objects:
    joints = draw(st.sampled_from([0, len(LABELS)]))
    count = draw(st.integers(0, 4))

    def some(dtype: type, *shape: int, of: Any = None) -> Any:
        return draw(arrays.arrays(dtype, (count, *shape), elements=of))

    full = draw(st.booleans())
    outline = st.one_of(
        st.none(),
        st.lists(st.lists(st.floats(0, 99), min_size=6, max_size=6), min_size=1, max_size=2),
        st.just({"size": [4, 5], "counts": "abc"}),
        st.just({"size": [4, 5], "counts": [3, 17]}),
    )
    optional: dict[str, Any] = {
        "ignored": some(np.bool_),
        "crowds": some(np.bool_),
        "areas": some(np.float32, of=finite),
        "points": some(np.float32, joints, 3, of=finite),
        "outlines": tuple(draw(outline) for _ in range(count)),
    }
    return Objects(
        some(np.float32, 4, of=finite),
        some(np.int64, of=st.integers(0, len(LABELS) - 1)),
        **(optional if full else {}),
    )


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    name = draw(st.sampled_from(["a.jpg", "b/c ü.png", 'd"\n.bmp', "/elsewhere/e.jpg"]))
    known: dict[str, Any] = {
        "picture": Path("/data") / name,
        "name": draw(st.sampled_from([name, "another"])),
        "kind": draw(st.integers(0, len(LABELS) - 1)),
        "objects": draw(st.none() | objects()),
        "mask": draw(st.sampled_from([None, Path("/data/masks/m.png")])),
        "part": draw(st.sampled_from([None, (1.5, 2.25, 3.1, 4.0)])),
        "camera": draw(st.integers(-1, 9)),
        "role": draw(st.sampled_from(["", "query", "gallery"])),
        "group": draw(st.text(max_size=5).filter(lambda text: "\0" not in text)),
    }
    if draw(st.booleans()):
        return Coloured(**known, colours=((1, 2, 3), (0, 0, 255)))
    return Sample(**known)


def pointless(sample: Sample) -> bool:
    return sample.objects is None or not sample.objects.points.shape[1]


@settings(max_examples=40)
@given(
    st.lists(samples(), max_size=4),
    st.lists(samples(), max_size=2),
    st.sampled_from(["classify", "detect", "segment", "pose", "embed"]),
)
def test_what_is_written_is_read_again(train: list[Sample], val: list[Sample], task: Any) -> None:
    splits: dict[str, Any] = {"train": Listed(train), "val": Listed(val)}
    if task != "pose":  # points have names in poses alone
        splits = {split: Listed(filter(pointless, own)) for split, own in splits.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.jsonl"
        write_list(Dataset(Path("/data"), "by hand", task, LABELS, splits), path)
        again = read_list(path)
    assert (again.form, again.task, again.labels) == ("by hand", task, LABELS)
    assert list(again.splits) == ["train", "val"]
    for split, own in splits.items():
        found = list(again.splits[split])
        assert len(found) == len(own)
        assert all(same(a, b) for a, b in zip(found, own, strict=True))


def dataset(*own: Sample) -> Dataset:
    return Dataset(Path("/data"), "by hand", "classify", LABELS, {"train": Listed(own)})


def test_a_list_moves_together_with_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    picture, elsewhere = tmp_path / "old" / "a" / "1.jpg", tmp_path / "2.jpg"
    own = [Sample(file, str(file), 0) for file in (picture, elsewhere)]
    write_list(dataset(*own), tmp_path / "old" / "list.jsonl")
    (tmp_path / "old").rename(tmp_path / "new")
    inside, outside = read_list(tmp_path / "new" / "list.jsonl").splits["train"]
    assert inside.picture == tmp_path / "new" / "a" / "1.jpg"
    assert (inside.name, outside.picture) == (str(picture), elsewhere)


def test_bytes_cannot_be_listed(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    with pytest.raises(ValueError, match=r"x.tar/1 is no file of its own.*unpack the shards"):
        write_list(dataset(Sample(b"bytes", "x.tar/1", 0)), path)
    with pytest.raises(ValueError, match="mask.png is no file of its own"):
        write_list(dataset(Sample(Path("/a"), "mask.png", mask=np.zeros((2, 2), np.uint8))), path)
    with pytest.raises(ValueError, match="boxes that are no numbers"):
        wrong = Objects(np.full((1, 4), np.nan, np.float32), np.zeros(1, np.int64))
        write_list(dataset(Sample(Path("/a"), "a", objects=wrong)), path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"picture": ""}, "names no picture"),
        ({"picture": 3}, "the picture is text, not 3"),
        ({"picture": "a\0b"}, "the picture is text"),
        ({"split": "test"}, "no split 'test'"),
        ({"split": ["train"]}, "the split is text"),
        ({"colour": 1}, "nobody knows what 'colour' is"),
        ({"kind": True}, "kind is a number from 0, not True"),
        ({"kind": -2}, "kind is a number"),
        ({"camera": 1.5}, "camera is a number"),
        ({"role": "judge"}, "query or gallery, not 'judge'"),
        ({"part": [0, 0, 1]}, "the part is left, top, right, bottom"),
        ({"part": [3, 0, 1, 4]}, "the part is"),
        ({"part": [0, 0, float("inf"), 4]}, "the part is"),
        ({"colours": [[1, 2]]}, "the colours are"),
        ({"objects": []}, "the objects are boxes"),
        ({"objects": {"boxes": [[1, 2, 3]], "kinds": [0]}}, "boxes are n x 4 numbers"),
        ({"objects": {"boxes": [[1, 2, 3, float("nan")]], "kinds": [0]}}, "boxes are n x 4"),
        ({"objects": {"boxes": [[1, 2, 3, 4]], "kinds": []}}, "1 boxes, but 0 kinds"),
        (
            {"objects": {"boxes": [[1, 2, 3, 4]], "kinds": [3]}},
            r"3 labels, but the kinds are \[3\]",
        ),
        ({"objects": {"boxes": [[1, 2, 3, 4]], "kinds": [0.5]}}, "3 labels, but the kinds"),
        ({"objects": {"boxes": [[1, 2, 3, 4]], "kinds": [0], "areas": [1, 2]}}, "but 2 areas"),
        ({"objects": {"boxes": {}, "kinds": [[]] * 2}}, "kinds are n numbers"),
        ({"objects": {"points": 3}}, "points are n x 0 x 3 numbers, not 3"),
        ({"objects": {"points": [[], [1]]}}, "points are n x 0 x 3 numbers"),
        ({"objects": {"points": [[]]}}, "0 boxes, but 1 points"),
        ({"objects": {"outlines": ["x"]}}, "an outline is polygons or RLE"),
        ({"objects": {"outlines": [[[1, "2"]]]}}, "an outline is polygons or RLE"),
    ],
)
def test_a_wrong_line_is_found_by_its_number(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in (HEAD, GOOD, GOOD | wrong)))
    with pytest.raises(ValueError, match=f"line 3 of .*list.jsonl is wrong: .*{said}"):
        read_list(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no list of samples"),
        ("{}", "is no list of samples"),
        ("[1]", "line 1 of .* is not JSON: it is not in braces"),
        (json.dumps(HEAD | {"task": "paint"}), "must name a task"),
        (json.dumps(HEAD | {"task": []}), "must name a task"),
        (json.dumps(HEAD | {"labels": [1]}), "must name a task"),
        (json.dumps(HEAD) + '\n{"split": "train", "picture": "a', "line 2 of .* is not JSON"),
        (json.dumps(HEAD) + "\n" + "[" * 100_000, "is nested too deep"),
        (json.dumps(HEAD) + '\n{"kind": ' + "9" * 5000 + "}", "is not JSON"),
    ],
)
def test_what_is_no_list_is_said_so(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_list(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_list(tmp_path / "absent.jsonl")
    (tmp_path / "raw.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="line 1 of .*raw.jsonl is not JSON"):
        read_list(tmp_path / "raw.jsonl")


def test_kinds_of_classes_are_among_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    lines = HEAD | {"task": "classify"}, GOOD | {"kind": 3}
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(ValueError, match="there are 3 labels, but its kind is 3"):
        read_list(path)
