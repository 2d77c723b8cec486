"""What counts as the same answer: rounding and ties do, anything else does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.app.exports.agreement import ROUNDED, Agreement, compare, watched
from spindle.compiler import reference
from spindle.data.synthetic import scene
from spindle.model.heads import Task
from tests.small import small

Answers = dict[str, NDArray[Any]]


def both(task: Task) -> tuple[Answers, Answers]:
    """What numpy says of three pictures, watched; and the same as somebody else's answer."""
    model = small(task)
    seen = np.stack([scene(seed, 32, 48).picture for seed in range(3)])
    want = reference.run(watched(model.graph), model.weights, seen)
    got = {tensor.name: want[tensor.name].copy() for tensor in model.graph.outputs}
    return want, got


def judged(task: Task, want: Answers, got: Answers) -> Agreement:
    return compare(small(task).graph, task, want, got)


@pytest.mark.parametrize(
    ("task", "of"),
    [("classify", 3), ("segment", 3 * 32 * 48), ("pose", 9), ("embed", 3), ("detect", 36)],
)
def test_the_same_answers_agree(task: Task, of: int) -> None:
    want, got = both(task)
    found = judged(task, want, got)
    assert found.close and found.difference == 0
    assert found.same == found.of <= of and found.of > 0


def test_numbers_may_be_rounded_but_not_wrong() -> None:
    want, got = both("classify")
    got["probabilities"] = got["probabilities"] * (1 + 1e-5)
    found = judged("classify", want, got)
    assert found.close and 0 < found.difference < 2e-5 and found.same == 3
    got["probabilities"][1] = np.roll(got["probabilities"][1], 1)
    found = judged("classify", want, got)
    assert not found.close and found.same < 3


def test_every_output_counts() -> None:
    want, got = both("embed")
    got["identities"][0] += 1
    assert not judged("embed", want, got).close


def test_a_pixel_may_be_of_another_class_only_where_two_are_as_likely() -> None:
    want, got = both("segment")
    scores = want["scores"]
    order = np.argsort(scores[0, 5, 7])
    got["mask"][0, 5, 7] = order[-2]
    assert not judged("segment", want, got).close
    scores[0, 5, 7, order[-2]] = scores[0, 5, 7, order[-1]] - 1e-6
    found = judged("segment", want, got)
    assert found.close and found.same == found.of - 1
    got["mask"][0, 5, 7] = 99
    assert not judged("segment", want, got).close


def test_a_point_may_lie_elsewhere_only_where_two_places_are_as_high() -> None:
    want, got = both("pose")
    heat = want["heat"]
    heat[0, :, :, 0] = 0
    heat[0, 4, 4, 0], heat[0, 9, 2, 0] = 1, 1 - 1e-6
    want["points"] = reference.peaks(heat)
    got["points"] = want["points"].copy()
    assert judged("pose", want, got).same == 9
    high, wide = heat.shape[1:3]
    got["points"][0, 0, 0, :2] = 2.5 / wide, 9.5 / high
    found = judged("pose", want, got)
    assert found.close and found.same == 8
    got["points"][0, 0, 0, :2] = 6.5 / wide, 1.5 / high
    assert not judged("pose", want, got).close, "there is nothing"


def test_a_point_leans_towards_its_larger_neighbour() -> None:
    want, got = both("pose")
    heat = want["heat"]
    heat[0, :, :, 0] = 0
    heat[0, 4, 4, 0], heat[0, 4, 5, 0] = 1, 0.5
    want["points"] = reference.peaks(heat)
    got["points"] = want["points"].copy()
    got["points"][0, 0, 0, 0] -= 0.5 / heat.shape[2]
    assert not judged("pose", want, got).close


def test_boxes_may_change_places_but_not_get_lost() -> None:
    want, got = both("detect")
    got["detections"] = got["detections"][:, ::-1]
    assert judged("detect", want, got).close
    got["detections"][0, -1, 0, :4] += 0.01
    found = judged("detect", want, got)
    assert not found.close and found.same == found.of - 1
    got["detections"][0] = (0, 0, 0, 0, 0, -1)
    assert judged("detect", want, got).same < found.same


def test_a_box_of_another_class_is_another_box() -> None:
    want, got = both("detect")
    got["detections"][..., 5] = (got["detections"][..., 5] + 1) % 3
    assert judged("detect", want, got).same == 0


def test_what_is_no_answer_is_refused() -> None:
    want, got = both("classify")
    with pytest.raises(ValueError, match=r"no probabilities of the shape \(3, 1, 1, 3\)"):
        judged("classify", want, {"probabilities": got["probabilities"][:, 0]})
    with pytest.raises(ValueError, match="no probabilities"):
        judged("classify", want, {})
    got["probabilities"][0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        judged("classify", want, got)


def test_of_bytes_the_share_decides() -> None:
    for same, close in ((3, True), (2, False)):
        one = Agreement(0.4, same, 4, "labels", ROUNDED)
        assert one.close == close and "(75% must be)" in str(one)
    assert not Agreement(0.4, 4, 4, "labels").close
