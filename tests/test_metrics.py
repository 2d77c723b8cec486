"""Every task is judged through one door, and any machines' sums add up to the very bits."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spindle.data.metrics import HEADLINE, JUDGES, evaluate, from_json, judge, moved
from spindle.data.preprocess import Picture
from spindle.data.results import Box, Boxes, Classification, Embedding, Mask, Pose, Result
from spindle.data.samples import Objects, Sample
from spindle.model.heads import Task

LABELS = ("one", "two", "three")
TASKS: tuple[Task, ...] = get_args(Task)
PIXELS = np.zeros((30, 40, 3), np.uint8)


def boxes(rng: np.random.Generator, count: int) -> Any:
    corner = rng.uniform(0, 20, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 60, (count, 2))], axis=1)


def case(task: Task, rng: np.random.Generator, number: int) -> tuple[Sample, Result]:
    """A sample and an answer; some names come twice."""
    name = f"{rng.integers(0, 40):02}#{number}"
    kind = int(rng.integers(0, 3))
    match task:
        case "classify":
            chances = rng.dirichlet(np.ones(3))
            return Sample(PIXELS, name, kind=kind), Classification(
                tuple(zip(LABELS, chances.tolist(), strict=True))
            )
        case "detect":
            there = Objects(boxes=boxes(rng, 3).astype(np.float32), kinds=rng.integers(0, 3, 3))
            return Sample(PIXELS, name, objects=there), Boxes(
                tuple(
                    Box(LABELS[rng.integers(3)], rng.integers(0, 5) / 4, *box.tolist())
                    for box in [*there.boxes + 1, *boxes(rng, 2)]
                )
            )
        case "segment":
            truth = rng.integers(0, 3, (30, 40)).astype(np.uint8)
            return Sample(PIXELS, name, mask=truth), Mask(rng.integers(0, 3, (30, 40)), LABELS)
        case "pose":
            points = rng.uniform(0, 40, (1, 3, 3)).astype(np.float32)
            one = Objects(boxes(rng, 1).astype(np.float32), np.zeros(1, np.int64), points=points)
            said = np.round(points[0] + rng.normal(0, 2, (3, 3)), 1).tolist()
            return Sample(PIXELS, name, objects=one), Pose(
                tuple((label, *place) for label, place in zip(LABELS, said, strict=True))
            )
        case "embed":
            camera = int(rng.integers(0, 9))
            return Sample(PIXELS, name, kind=kind, camera=camera), Embedding(rng.normal(size=4))


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), machines=st.integers(1, 4), pictures=st.integers(8, 20))
def test_machines_add_up_to_the_bit(task: Task, seed: int, machines: int, pictures: int) -> None:
    rng = np.random.default_rng(seed)
    cases = [case(task, rng, number) for number in range(pictures)]
    whole = judge(task, LABELS)
    for sample, result in cases:
        whole.see(sample, result, (40, 30))
    shares = [judge(task, LABELS) for _ in range(machines)]
    for place in rng.permutation(pictures):
        shares[rng.integers(machines)].see(*cases[int(place)], (40, 30))
    total = judge(task, LABELS)
    for place in rng.permutation(machines):
        total += from_json(json.loads(json.dumps(shares[place].to_json())))
    assert total.to_json() == whole.to_json()
    assert total.scores() == whole.scores() and total.per_class() == whole.per_class()
    assert total.confusions() == whole.confusions()
    assert HEADLINE[task] in whole.scores()
    assert all(0 <= score <= 1 for key, score in whole.scores().items() if key != "loss")


def test_adding_changes_neither() -> None:
    first, second = judge("classify", LABELS), judge("classify", LABELS)
    for each in (first, second):
        each.see(*case("classify", np.random.default_rng(0), 0), (1, 1))
    before = first.to_json()
    assert (first + second).to_json() != before
    assert first.to_json() == before == second.to_json()
    with pytest.raises(ValueError, match="same task and the same labels"):
        first + judge("classify", LABELS[:2])
    with pytest.raises(ValueError, match="same task and the same labels"):
        first + judge("detect", LABELS)


def test_every_task_has_a_judge_and_a_headline() -> None:
    assert set(JUDGES) == set(HEADLINE) == set(TASKS)
    for task in TASKS:
        with pytest.raises(ValueError, match="nothing can be judged"):
            judge(task, LABELS).scores()
    with pytest.raises(ValueError, match="this data has none"):
        judge("detect", ())


@pytest.mark.parametrize("task", TASKS)
def test_any_predictor_is_evaluated(task: Task) -> None:
    rng = np.random.default_rng(1)
    told: list[int] = []
    cases = [case(task, rng, number) for number in range(12)]
    answers, judged = iter([result for _, result in cases]), judge(task, LABELS)
    for sample, result in cases:
        judged.see(sample, result, (40, 30))

    def predict(picture: Picture) -> Result:
        assert picture.size == (40, 30)
        return next(answers)

    samples = [sample for sample, _ in cases]
    done = evaluate(predict, samples, task, LABELS, show=told.append)
    assert done.to_json() == judged.to_json() and told == list(range(1, 13))


def test_what_is_said_of_a_part_is_judged_in_the_whole() -> None:
    points = np.array([[[25, 20, 2], [30, 10, 1], [35, 25, 2]]], np.float32)
    one = Objects(np.array([[20, 5, 39, 29]], np.float32), np.zeros(1, np.int64), points=points)
    sample = Sample(PIXELS, "a", objects=one, part=(20, 5, 39, 29))
    seen: list[tuple[int, int]] = []

    def predict(picture: Picture) -> Result:
        seen.append(picture.size)
        right, down = 40 - picture.size[0], 30 - picture.size[1]  # it is cut at the edge
        said = [(label, x - right, y - down, 1.0) for label, (x, y, _) in zip(LABELS, points[0])]
        return Pose(tuple(said))

    scores = evaluate(predict, [sample], "pose", LABELS).scores()
    assert seen[0] != (40, 30) and scores["oks_ap"] == pytest.approx(1)


def test_results_move() -> None:
    box = moved(Boxes((Box("a", 0.5, 1, 2, 3, 4),)), 10, 20)
    assert box == Boxes((Box("a", 0.5, 11, 22, 13, 24),))
    assert moved(Pose((("a", 1, 2, 0.5),)), 10, 20) == Pose((("a", 11, 22, 0.5),))
    same = Classification((("a", 1.0),))
    assert moved(same, 10, 20) is same


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"task": "dance"},
        {"labels": ["one"]},
        {"sums": {}},
        {"sums": {"confusion": [[1]]}},
        {"records": 7},
        {"records": [["a", {"x": {"type": "|O", "shape": [1], "bytes": "AAAAAAAAAAA="}}]]},
        {"records": [["a", {"x": {"type": "<f8", "shape": [3], "bytes": "AAAAAAAAAAA="}}]]},
    ],
    ids=str,
)
def test_broken_sums_are_refused(broken: dict[str, Any]) -> None:
    said = judge("classify", LABELS).to_json()
    assert from_json(said).to_json() == said
    with pytest.raises(ValueError, match="these are no sums of a judge"):
        from_json(said | broken if broken else {})
