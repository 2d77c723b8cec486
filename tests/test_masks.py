"""Masks and outlines, judged by pycocotools."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from pycocotools import mask as coco

from spindle.data.masks import Coloured, rasterise, read_mask, unpack
from spindle.data.samples import VOID, Objects, Sample

OLD = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools itself
sides = st.integers(1, 40)
inside_or_near = st.floats(-20, 60, allow_nan=False)
corners = st.lists(inside_or_near, min_size=6, max_size=24).filter(lambda c: len(c) % 2 == 0)


def official(polygons: list[list[float]], width: int, height: int) -> Any:
    # of a polygon of two corners pycocotools makes a box; ours have three
    return coco.decode(coco.merge(coco.frPyObjects(polygons, height, width))).astype(bool)


@OLD
@given(st.lists(corners, min_size=1, max_size=3), sides, sides)
def test_polygons_are_filled_as_coco_fills_them(
    polygons: list[list[float]], width: int, height: int
) -> None:
    # pycocotools takes what lies up to one picture away as it stands, and so must we
    near = [[min(max(n, -(width, height)[i % 2]), 2 * (width, height)[i % 2])
             for i, n in enumerate(p)] for p in polygons]  # fmt: skip
    assert np.array_equal(rasterise(polygons, width, height), official(near, width, height))


@OLD
@given(st.integers(0, 2**32 - 1), sides, sides, st.floats(0, 1))
def test_run_lengths_are_read_as_coco_writes_them(
    seed: int, width: int, height: int, share: float
) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": packed["size"], "counts": packed["counts"].decode()}
    assert np.array_equal(rasterise(packed, width, height), mask)
    assert np.array_equal(rasterise(text, width, height), mask)
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat]))).tolist()
    counts = np.diff([0, *edges, len(flat)]).tolist()
    counted = {"size": [height, width], "counts": counts}
    assert np.array_equal(rasterise(counted, width, height), mask)
    again = coco.decode(coco.frPyObjects(counted, height, width))
    assert np.array_equal(again.astype(bool), mask)


def test_long_runs_need_more_letters() -> None:
    mask = np.zeros((900, 1100), np.uint8)
    mask[450:, 3:1000] = 1
    packed = coco.encode(np.asfortranarray(mask))
    assert np.array_equal(rasterise(packed, 1100, 900), mask.astype(bool))


@given(st.binary(max_size=30) | st.text(max_size=30).map(str.encode))
def test_any_text_is_read_or_refused(text: bytes) -> None:
    try:
        unpack(text)
    except ValueError as error:
        assert "run lengths" in str(error)


@pytest.mark.parametrize(
    ("outline", "words"),
    [
        ({"counts": [3], "size": [2, 2]}, "add up"),
        ({"counts": [5, -1], "size": [2, 2]}, "whole numbers"),
        ({"counts": [10**30], "size": [2, 2]}, "whole numbers"),
        ({"counts": None, "size": [2, 2]}, "counts"),
        ({"counts": [4], "size": [4, 1]}, "height and width"),
        ({"counts": [4]}, "height and width"),
        ({"counts": "____________", "size": [2, 2]}, "COCO packs"),
        ([[0.0, 0.0, 1.0, 1.0]], "three corners"),
        ([[0.0, 0.0, 1.0, 1.0, float("nan"), 3.0]], "finite"),
    ],
)
def test_a_broken_outline_is_refused(outline: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rasterise(outline, 2, 2)


def test_a_far_corner_costs_no_memory() -> None:
    assert rasterise([[-1e300, -1e300, 1e300, -1e300, 1e300, 1e300, -1e300, 1e300]], 9, 7).all()


def test_a_mask_that_fills_no_memory() -> None:
    with pytest.raises(ValueError, match="too large to be drawn"):
        rasterise({"counts": [10**12], "size": [10**6, 10**6]}, 10**6, 10**6)


def test_the_smaller_is_in_front_and_the_ignored_behind() -> None:
    def square(a: float, b: float) -> list[list[float]]:
        return [[a, a, b, a, b, b, a, b]]

    objects = Objects(
        boxes=np.zeros((3, 4), np.float32),
        kinds=np.array([1, 2, 3]),
        ignored=np.array([False, False, True]),
        areas=np.array([4, 64, 100], np.float32),
        outlines=(square(2, 4), square(0, 8), square(0, 10)),
    )
    mask = read_mask(Sample(b"", "x", objects=objects), (12, 12))
    assert mask.dtype == np.uint8
    assert (mask[3, 3], mask[6, 6], mask[9, 9], mask[11, 11]) == (1, 2, VOID, 0)
    assert read_mask(Sample(b"", "x", objects=objects), (12, 12), classes=2)[6, 6] == VOID


def png(pixels: Any, mode: str, palette: list[int] | None = None) -> bytes:
    picture = Pillow.fromarray(np.array(pixels, np.uint8)).convert(mode)
    if palette:
        picture = Pillow.fromarray(np.array(pixels, np.uint8), "L").convert("L")
        picture.putpalette(palette)
    file = BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def test_masks_are_numbers_or_colours(tmp_path: Path) -> None:
    numbers = [[0, 1, 11], [2, 255, 3]]
    want = [[0, 1, VOID], [2, VOID, 3]]
    for mask in (png(numbers, "L"), png(numbers, "L", [9, 8, 7] * 256), np.array(numbers, "u1")):
        assert read_mask(Sample(b"", "x", mask=mask), (3, 2), classes=11).tolist() == want
    deep = Pillow.fromarray(np.array(numbers, np.uint16) * 100)
    deep.save(tmp_path / "deep.png")
    read = read_mask(Sample(b"", "x", mask=tmp_path / "deep.png"), (3, 2))
    assert read.tolist() == [[0, 100, VOID], [200, VOID, VOID]]
    colours = ((0, 0, 0), (0, 0, 255), (255, 0, 0))
    painted = np.array([[[255, 0, 0], [0, 0, 0]], [[0, 0, 255], [1, 1, 1]]], np.uint8)
    for source in (png(painted, "RGB"), painted):
        sample = Coloured(b"", "x", mask=source, colours=colours)
        assert read_mask(sample, (2, 2)).tolist() == [[2, 0], [1, VOID]]
    grey = Coloured(b"", "x", mask=png([[0, 255]], "L"), colours=((0,) * 3, (255,) * 3))
    assert read_mask(grey, (2, 1)).tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="nothing says which class"):
        read_mask(Sample(b"", "x", mask=png(painted, "RGB")), (2, 2))


def test_a_mask_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is 3 x 2, the picture 2 x 3"):
        read_mask(Sample(b"", "x", mask=png([[0, 0, 0]] * 2, "L")), (2, 3))
    (tmp_path / "m.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"m\.png cannot be read"):
        read_mask(Sample(b"", "x", mask=tmp_path / "m.png"), (2, 3))
