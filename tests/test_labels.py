"""The names of classes and points, and what they become in a mirror."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spindle.data.labels import KEYPOINTS, LIMBS, VOC, mirror


def test_the_body_of_coco_in_a_mirror() -> None:
    # the order that every COCO tool states: after the nose, left and right take turns
    assert mirror(KEYPOINTS) == (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)


def test_sides_are_spelled_in_many_ways() -> None:
    assert mirror(("l_eye", "nose", "r_eye")) == (2, 1, 0)
    assert mirror(("LeftEye", "RightEye", "leftEar", "rightEar")) == (1, 0, 3, 2)
    assert mirror(("eye.L", "eye.R")) == (1, 0)
    assert mirror(("lefteye", "righteye")) == (1, 0)
    assert mirror(("Hand-Left", "hand-right")) == (1, 0)
    assert mirror(("left eye", "tail", "leftover", "lip", "rip")) == (0, 1, 2, 3, 4)
    assert mirror(VOC) == tuple(range(20)) and mirror(()) == ()


def test_nobody_knows_what_a_number_is_in_a_mirror() -> None:
    assert mirror(("point 0", "point 1")) == mirror(("1", "2")) == mirror(("kp_3", "joint4")) == ()
    assert mirror(("1", "tail")) == (0, 1)


@given(st.lists(st.text("lr_ eftigh", max_size=9), max_size=9))
def test_a_mirror_in_a_mirror_changes_nothing(labels: list[str]) -> None:
    flips = mirror(labels)
    assert [flips[flip] for flip in flips] == list(range(len(labels)))


def test_limbs_join_points_that_are_there() -> None:
    assert all(0 <= a < b < len(KEYPOINTS) for a, b in LIMBS)
