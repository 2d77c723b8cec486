"""The twelve numbers of COCO equal the official code's, on drawn cases and on real pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spindle
from spindle.data.judges.finding import DetectJudge, ranks
from spindle.data.judges.wording import SYNONYMS, worded
from spindle.data.labels import VOC
from spindle.data.results import Box, Boxes
from spindle.data.samples import Objects, Sample
from tests.official import BOXES, coco_scores

SIZE = (640, 480)


def test_places_within_groups() -> None:
    assert ranks(np.array([3, 1, 3, 3, 1])).tolist() == [0, 0, 1, 2, 1]


def draw(rng: np.random.Generator, count: int) -> Any:
    """Boxes on a coarse grid, so that overlaps and areas are often equal, or just at an edge."""
    corner = rng.integers(0, 12, (count, 2)) * 8.0
    return np.concatenate([corner, corner + rng.choice([8, 16, 32, 96, 104], (count, 2))], axis=1)


def bbox(box: Any) -> list[float]:
    left, top, right, bottom = map(float, box)
    return [left, top, right - left, bottom - top]


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3), st.sampled_from([3, 12, 130])
)
def test_the_official_numbers(seed: int, pictures: int, kinds: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    labels = [f"kind {kind}" for kind in range(kinds)]
    judge, truths, said = DetectJudge(worded(labels)), [], []
    for picture in range(pictures):
        there, things = int(rng.integers(0, 8)), int(rng.integers(0, most))
        boxes, kind, crowds = (
            draw(rng, there),
            rng.integers(0, kinds, there),
            rng.random(there) < 0.2,
        )
        areas = rng.choice([0.5, 1.0], there) * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
        objects = Objects(
            boxes=boxes.astype(np.float32),
            kinds=kind,
            crowds=crowds,
            ignored=crowds,
            areas=areas.astype(np.float32),
        )
        for box, k, crowd, area in zip(boxes, kind, crowds, areas, strict=True):
            truths.append(
                {
                    "image_id": picture,
                    "category_id": 1 + int(k),
                    "bbox": bbox(box),
                    "area": float(area),
                    "iscrowd": int(crowd),
                }
            )
        found, named = draw(rng, things), rng.integers(0, kinds, things)
        if there:
            copied = rng.random(things) < 0.6
            source = rng.integers(0, there, things)
            found[copied], named[copied] = boxes[source][copied], kind[source][copied]
            found[:, 2:] += rng.choice([0, 0, 2, 8], (things, 2))
        scores = rng.integers(0, 6, things) / 5
        answer = [
            Box(labels[k], float(score), *map(float, box))
            for box, k, score in zip(found, named, scores, strict=True)
        ]
        said += [
            {
                "image_id": picture,
                "category_id": 1 + int(k),
                "bbox": bbox(box),
                "score": float(score),
            }
            for box, k, score in zip(found, named, scores, strict=True)
        ]
        judge.see(Sample(b"", f"{picture:03}", objects=objects), Boxes(tuple(answer)), SIZE)
    if not said:
        return  # the official code cannot read no results
    official = coco_scores(pictures, truths, said, kinds, "bbox")
    if not official:
        with pytest.raises(ValueError, match="nothing can be judged"):
            judge.scores()
        return
    ours = {key: value for key, value in judge.scores().items() if key in BOXES}
    assert ours == pytest.approx(official, abs=1e-9)
    by_class = [known["ap"] for known in judge.per_class().values()]
    assert np.mean(by_class) == pytest.approx(official["ap"], abs=1e-9)


def seen(there: Objects, *boxes: Box, **said: Any) -> DetectJudge:
    judge = DetectJudge(worded(["aeroplane", "cat"], **said))
    judge.see(Sample(b"", "a", objects=there), Boxes(boxes), SIZE)
    return judge


def test_nothing_said_is_nothing_found() -> None:
    one = Objects(boxes=np.array([[0, 0, 50, 50]], np.float32), kinds=np.array([1]))
    scores = seen(one).scores()
    assert scores["ap"] == scores["ar100"] == scores["voc_ap"] == scores["ap_medium"] == 0
    assert "ap_small" not in scores and "ar_large" not in scores  # there are none


def test_what_is_ignored_is_neither_right_nor_wrong() -> None:
    two = Objects(
        boxes=np.array([[0, 0, 50, 50], [100, 0, 150, 50]], np.float32),
        kinds=np.array([1, 1]),
        ignored=np.array([False, True]),
    )
    first, second = Box("cat", 0.5, 0, 0, 50, 50), Box("cat", 0.9, 100, 0, 150, 50)
    scores = seen(two, first, second).scores()
    assert [scores[key] for key in ("ap", "voc_ap", "voc_ap11")] == pytest.approx([1, 1, 1])
    # one that is no crowd is passed over once: COCO then counts a second box, VOC does not
    scores = seen(two, first, second, second).scores()
    assert scores["ap"] == pytest.approx(0.5) and scores["voc_ap"] == 1
    inner = Box("cat", 0.9, 110, 0, 120, 50)
    assert seen(two, first, inner).scores()["ap"] == pytest.approx(0.5)  # plain overlap


def test_classes_that_only_one_side_knows() -> None:
    two = Objects(
        boxes=np.array([[0, 0, 50, 50], [100, 0, 150, 50]], np.float32), kinds=np.array([0, 1])
    )
    plane, cow = Box("airplane", 0.5, 0, 0, 50, 50), Box("cow", 0.9, 0, 0, 50, 50)
    assert seen(two, plane, cow).scores()["ap"] == pytest.approx(0.5)  # the cat is missed
    assert seen(two, plane, cow, only=["airplane", "cow"]).scores()["ap"] == pytest.approx(1)


def test_a_real_detector_on_real_pictures(data: Path) -> None:
    known = json.loads((data / "coco" / "instances.json").read_text())
    names = {category["id"]: category["name"] for category in known["categories"]}
    labels = list(names.values())
    number = {theirs: kind for kind, theirs in enumerate(names)}
    meant = {SYNONYMS.get(label, label): kind for kind, label in enumerate(labels)}
    predictor = spindle.load(data / "weights" / "ssdlite_voc_1.0_300.npz")
    judge, truths, said = DetectJudge(worded(labels)), [], []
    for picture, image in enumerate(known["images"][:20]):
        things = [a for a in known["annotations"] if a["image_id"] == image["id"]]
        truths += [
            {**thing, "image_id": picture, "category_id": 1 + number[thing["category_id"]]}
            for thing in things
        ]
        left, top, wide, high = np.array([thing["bbox"] for thing in things]).reshape(-1, 4).T
        crowds = np.array([thing["iscrowd"] for thing in things], bool)
        objects = Objects(
            boxes=np.stack([left, top, left + wide, top + high], axis=1).astype(np.float32),
            kinds=np.array([number[thing["category_id"]] for thing in things], np.int64),
            crowds=crowds,
            ignored=crowds,
            areas=np.array([thing["area"] for thing in things], np.float32),
        )
        result = predictor(data / "coco" / "images" / image["file_name"], threshold=0.01)
        assert isinstance(result, Boxes)
        judge.see(Sample(b"", image["file_name"], objects=objects), result, SIZE)
        said += [
            {
                "image_id": picture,
                "category_id": 1 + meant[box.label],
                "bbox": bbox((box.left, box.top, box.right, box.bottom)),
                "score": box.score,
            }
            for box in result.boxes
        ]
    assert set(meant) >= set(VOC)
    scores, official = judge.scores(), coco_scores(20, truths, said, len(labels), "bbox")
    assert {key: scores[key] for key in BOXES} == pytest.approx(official, abs=1e-6)
    assert scores["ap50"] > 0.05
