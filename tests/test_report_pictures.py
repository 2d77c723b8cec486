"""Pictures on the page are small, and what is drawn on them lies where it was said."""

from __future__ import annotations

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.app.report import pictures
from spindle.app.report.pictures import HEAVIEST, SIDE
from spindle.data.judges.wording import worded
from spindle.data.paint import colour
from spindle.data.results import Box, Boxes, Mask, Pose
from spindle.data.samples import VOID, Objects, Sample

GREY = (128, 128, 128)


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (30, 4000), (2000, 1500)])
def test_a_picture_is_small_whatever_it_shows(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    made = pictures.image(Pillow.fromarray(noise), '"noise"')
    found = re.search(r'src="data:image/jpeg;base64,([^"]+)"', made)
    assert found and 'alt="&quot;noise&quot;"' in made
    content = base64.b64decode(found[1])
    assert len(content) <= HEAVIEST
    with Pillow.open(BytesIO(content)) as picture:
        assert max(picture.size) == min(max(size), SIDE)


def test_a_class_has_one_colour_on_both_sides() -> None:
    """Though the model counts its classes otherwise than the data does."""
    words = worded(("no", "cat", "dog"), ("no", "cat", "dog"))
    truth = np.zeros((20, 20), np.uint8)
    truth[:10], truth[:, 15:] = 2, VOID
    said = Mask(np.where(truth == 2, 1, 0).astype(np.int32), ("no", "dog", "cat"))
    picture = Pillow.new("RGB", (20, 20), GREY)
    sample = Sample(b"", "a", mask=truth)
    there = np.asarray(pictures.drawn(picture, pictures.truth_mask(sample, picture, words)))
    here = np.asarray(pictures.drawn(picture, pictures.said_mask(said, words)))
    assert there.shape == here.shape == (20, 20, 3)
    assert (there[:, :15] == here[:, :15]).all()
    assert (there[:10, :15] != GREY).any() and (there[10:] == GREY).all()
    assert (there[:, 15:] == GREY).all()  # what nobody judges


def test_classes_that_are_not_judged_are_not_drawn() -> None:
    words = worded(("no", "cat", "dog"), ("no", "cat"))
    truth = np.full((8, 8), 2, np.uint8)
    picture = Pillow.new("RGB", (8, 8), GREY)
    assert not pictures.truth_mask(Sample(b"", "a", mask=truth), picture, words).pixels.any()
    there = Objects(boxes=np.array([[0, 0, 4, 4]], np.float32), kinds=np.array([2]))
    assert pictures.truth_boxes(Sample(b"", "a", objects=there), words) == []
    assert pictures.said_boxes(Boxes((Box("dog", 0.9, 0, 0, 4, 4),)), words) == []


def test_boxes_lie_where_they_were_said_in_the_colour_of_their_class() -> None:
    words = worded(("cat", "dog"))
    result = Boxes((Box("dog", 0.9, 10, 50, 60, 90), Box("cat", 0.1, 0, 0, 100, 100)))
    marks = pictures.said_boxes(result, words)
    assert [mark[1:] for mark in marks] == [(1, "dog 0.90")]
    pixels = np.asarray(pictures.framed(Pillow.new("RGB", (100, 100), GREY), marks))
    times = len(pixels) / 100
    rows, columns = np.nonzero((pixels == colour(1)).all(axis=2))
    assert columns.min() / times == pytest.approx(10, abs=1)
    assert rows.max() / times == pytest.approx(90, abs=1)


def test_a_broken_box_harms_nothing() -> None:
    far = (float(-(10**6)), 5.0, 1e9, 4.0), 0, "x" * 500
    assert pictures.framed(Pillow.new("RGB", (50, 80)), [far]).size == (250, 400)


def test_points_lie_in_what_was_looked_at() -> None:
    words = worded(("head", "foot"))
    points = np.array([[[30, 40, 2], [0, 0, 0]]], np.float32)
    sample = Sample(b"", "a", objects=Objects(boxes=np.zeros((1, 4), np.float32), points=points))
    pose = pictures.truth_points(sample, words, (10.0, 20.0))
    assert pose.points[0] == ("head", 20.0, 20.0, 1.0)
    drawn = np.asarray(pictures.drawn(Pillow.new("RGB", (100, 100), GREY), pose)).astype(int)
    rows, columns = np.nonzero((drawn != GREY).any(axis=2))
    assert (rows.mean() / len(drawn), columns.mean() / len(drawn)) == pytest.approx(
        (0.2, 0.2), abs=0.01
    )
    assert isinstance(pose, Pose) and pose.points[1][3] == 0
