"""Boxes: what is coded is decoded, overlap is overlap, and suppression keeps what it should."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask

from spindle.model import boxes
from spindle.model.answers import Detect
from spindle.model.family import mobilenet_v2
from spindle.model.ops import Tensor

VARIANCES = (0.1, 0.1, 0.2, 0.2)


def random_boxes(seed: int, count: int) -> boxes.Array:
    rng = np.random.default_rng(seed)
    low, size = rng.uniform(0, 0.8, (count, 2)), rng.uniform(0.02, 0.5, (count, 2))
    return np.concatenate([low, low + size], axis=1).astype(np.float32)


def detector(size: int | tuple[int, int]) -> Detect:
    op = mobilenet_v2(head="ssdlite", size=size).ops[-1]
    assert isinstance(op, Detect)
    return op


@given(st.integers(0, 10**6))
def test_what_is_coded_is_decoded(seed: int) -> None:
    anchors = boxes.anchors(detector(300))
    rng = np.random.default_rng(seed)
    chosen = anchors[rng.integers(len(anchors), size=40)]
    truth = random_boxes(seed, 40)
    growth = np.log((truth[:, 2:] - truth[:, :2]) / chosen[:, 2:])
    fair = (np.abs(growth) < boxes.LARGEST_GROWTH).all(axis=1)
    back = boxes.decode(boxes.encode(truth, chosen, VARIANCES), chosen, VARIANCES)
    assert np.allclose(back[fair], truth[fair], atol=1e-5)


@given(st.integers(0, 10**6))
def test_overlap_is_what_the_coco_code_says(seed: int) -> None:
    a, b = random_boxes(seed, 9), random_boxes(seed + 1, 7)
    corners = [
        np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], axis=1).astype(np.float64) for x in (a, b)
    ]
    judge = mask.iou(corners[0], corners[1], [0] * 7)
    assert np.allclose(boxes.iou(a, b), judge, atol=1e-5)


def plain_nms(
    rows: boxes.Array, scores: boxes.Array, overlap: float, most: int
) -> list[tuple[int, int]]:
    """The textbook's loop: class by class, then the best of all."""
    kept = []
    for kind in range(scores.shape[1]):
        left = sorted(
            np.flatnonzero(scores[:, kind] > 0).tolist(), key=lambda i: (-scores[i, kind], i)
        )
        stay: list[int] = []
        while left:
            best = left.pop(0)
            stay.append(best)
            left = [i for i in left if boxes.iou(rows[best][None], rows[i][None])[0, 0] <= overlap]
        kept += [(i, kind) for i in stay]
    return sorted(kept, key=lambda pick: (-scores[pick], pick[1]))[:most]


@given(st.integers(0, 10**6), st.floats(0.05, 0.9), st.integers(1, 30))
def test_suppression_is_the_textbook_s(seed: int, overlap: float, most: int) -> None:
    rows = random_boxes(seed, 40)
    scores = np.random.default_rng(seed).uniform(-0.3, 1, (40, 3)).astype(np.float32)
    assert boxes.nms(rows, scores, overlap, most) == plain_nms(rows, scores, overlap, most)


def test_anchors_of_the_first_map_are_the_configuration_s() -> None:
    anchors = boxes.anchors(detector(300))
    assert len(anchors) == 1917
    centre, size = anchors[0, :2], anchors[:3, 2:]
    assert np.allclose(centre, 0.5 / 19)
    root = 2**0.5
    assert np.allclose(size, [(0.1, 0.1), (0.2 * root, 0.2 / root), (0.2 / root, 0.2 * root)])
    assert np.allclose(anchors[-1], (0.5, 0.5, (0.95 * 1.0) ** 0.5, (0.95 * 1.0) ** 0.5))


def test_a_square_anchor_is_square_in_pixels() -> None:
    anchors = boxes.anchors(detector((160, 320)))
    wide, high = anchors[0, 2] * 320, anchors[0, 3] * 160
    assert np.isclose(wide, high) and np.isclose(high, 0.1 * 160)


def test_detection_gives_rows_of_nothing_after_the_last_box() -> None:
    m = Tensor("m", (1, 2, 1))
    deltas, scores = Tensor("d", (2, 1, 4)), Tensor("s", (2, 1, 3))
    op = Detect(
        "o",
        (deltas, scores),
        Tensor("i", (10, 20, 3)),
        (m,),
        (((0.5, 1.0),),),
        most=4,
        threshold=0.5,
    )
    found = boxes.detect(
        op, np.zeros((2, 4), np.float32), np.array([[9, 2, -9], [9, -9, 4]], np.float32)
    )
    assert found[:2, 5].tolist() == [1, 0] and (found[2:] == (0, 0, 0, 0, 0, -1)).all()
    assert np.allclose(found[0, :4], (0.625, 0.25, 0.875, 0.75))
    assert np.allclose(found[:2, 4], 1 / (1 + np.exp([-4.0, -2.0])))


def test_scores_may_be_a_softmax() -> None:
    chances = boxes.probabilities(np.array([[0.0, 1000.0, 0.0]], np.float32), "softmax")
    assert chances.tolist() == [[0, 1, 0]]


def test_a_box_outside_the_picture_is_nothing() -> None:
    op = detector(300)
    deltas = np.zeros((1917, 4), np.float32)
    deltas[:, 0] = 100.0  # ten anchors to the right
    deltas[5] = 0
    found = boxes.detect(op, deltas, np.full((1917, 81), 3, np.float32))
    sides = found[found[:, 5] >= 0]
    assert len(sides) and ((sides[:, 2] > sides[:, 0]) & (sides[:, 3] > sides[:, 1])).all()
