"""A result is printed short, drawn on what it was seen in, written as COCO has it, and stays so."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image as Pillow

from spindle.data.results import Box, Boxes, Classification, Embedding, Mask, Pose, Result

ANTS = Classification((("ant", 0.75), ("bee", 0.25)))
BOXES = Boxes((Box("cat", 0.5, 10, 20, 40, 60), Box("dog", 0.25, 0, 0, 1, 2)))
MASK = Mask(np.array([[0, 0, 1], [0, 2, 2]]), ("sky", "cat", "dog"))
POSE = Pose((("nose", 3.0, 4.0, 0.9), ("tail", 5.0, 6.0, 0.5)))
VECTOR = Embedding(np.array([0.6, 0.8], np.float32))
ALL: list[Result] = [ANTS, BOXES, MASK, POSE, VECTOR]


@pytest.mark.parametrize("result", ALL, ids=lambda result: type(result).__name__)
def test_a_result_is_printed_short_and_cannot_be_changed(result: Result) -> None:
    assert repr(result) == f"{type(result).__name__}({result})" and len(repr(result)) < 100
    for name in vars(result):
        with pytest.raises(FrozenInstanceError):
            setattr(result, name, ())
        value = getattr(result, name)
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0


def test_results_are_equal_where_all_of_them_is() -> None:
    again = Mask(MASK.pixels.copy(), MASK.labels), Embedding(VECTOR.vector.copy())
    assert again == (MASK, VECTOR) and len({*again, MASK, VECTOR}) == 2
    assert Mask(MASK.pixels.T, MASK.labels) != MASK != Mask(MASK.pixels, ("a", "b", "c"))
    assert Embedding(-VECTOR.vector) != VECTOR != MASK
    assert len(set(ALL)) == len(ALL)


def test_an_array_that_was_given_stays_its_owner_s() -> None:
    mine = np.zeros((2, 2), int)
    Mask(mine, ("sky",))
    mine[0, 0] = 1
    assert mine.sum() == 1


@pytest.mark.parametrize("result", ALL, ids=lambda result: type(result).__name__)
def test_a_result_is_drawn_on_whatever_a_picture_is(result: Result, tmp_path: Path) -> None:
    picture = Pillow.new("RGB", (3, 2), (9, 8, 7))
    picture.save(path := tmp_path / "a.png")
    sources: list[Any] = [picture, path, str(path), path.read_bytes(), np.asarray(picture)]
    drawn = {result.draw(source).tobytes() for source in sources}
    assert len(drawn) == 1 and picture.tobytes() == bytes((9, 8, 7)) * 6


def test_a_mask_of_another_picture_is_not_drawn() -> None:
    with pytest.raises(ValueError, match="of a picture of 3 x 2, not of 5 x 5"):
        MASK.draw(Pillow.new("RGB", (5, 5)))


def test_json_is_as_coco_has_it() -> None:
    for result in ALL:
        assert json.loads(json.dumps(result.to_json())) == result.to_json()
    assert ANTS.to_json()["classes"][0] == {"label": "ant", "score": 0.75}
    assert BOXES.to_json()["boxes"][0] == {"label": "cat", "score": 0.5, "bbox": [10, 20, 30, 40]}
    said = POSE.to_json()
    assert said["keypoints"] == [3.0, 4.0, 0.9, 5.0, 6.0, 0.5] and said["names"] == ["nose", "tail"]
    assert said["score"] == pytest.approx(0.7) and Pose(()).to_json()["score"] == 0
    assert VECTOR.to_json()["vector"] == pytest.approx([0.6, 0.8])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3))
)
def test_the_official_code_reads_our_run_lengths(pixels: Any) -> None:
    official = pytest.importorskip("pycocotools.mask")
    labels = ("a", "b", "c", "d")
    segments = Mask(pixels, labels).to_json()["segments"]
    assert [segment["label"] for segment in segments] == [labels[k] for k in np.unique(pixels)]
    for segment in segments:
        code = official.frPyObjects(segment["segmentation"], *pixels.shape)
        there = pixels == labels.index(segment["label"])
        assert np.array_equal(official.decode(code), there)
        assert official.area(code) == segment["area"] == there.sum()


def test_shares_of_classes_of_one_name_are_added() -> None:
    assert MASK.shares() == pytest.approx({"sky": 1 / 2, "dog": 1 / 3, "cat": 1 / 6})
