"""COCO's numbers by points equal the official code's, and those near are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.cocoeval import Params

from spindle.data.judges.posing import PoseJudge, picture_of
from spindle.data.judges.wording import worded
from spindle.data.labels import KEYPOINTS
from spindle.data.results import Pose
from spindle.data.samples import Objects, Sample
from tests.official import POINTS, coco_scores


def person(points: Any, box: Any, area: float, crowd: bool = False) -> Objects:
    flag = np.array([crowd])
    return Objects(
        boxes=np.array([box], np.float32),
        kinds=np.zeros(1, np.int64),
        ignored=flag,
        crowds=flag,
        areas=np.array([area], np.float32),
        points=np.array([points], np.float32),
    )


def test_spreads_are_the_official_ones() -> None:
    names = [name.replace(" ", "_") for name in KEYPOINTS]
    spreads = PoseJudge(worded([*names, "tail"])).spreads
    assert spreads == pytest.approx(np.array([*Params("keypoints").kpt_oks_sigmas, 0.05]))


def test_people_of_one_picture() -> None:
    assert picture_of("a/b.jpg#12") == picture_of("a/b.jpg") == "a/b.jpg"
    assert picture_of("a#b.jpg") == "a#b.jpg"


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([3, 30]))
def test_the_official_numbers(seed: int, pictures: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    judge, truths, said, near = PoseJudge(worded(KEYPOINTS)), [], [], []
    for picture in range(pictures):
        for number in range(rng.integers(0, most)):
            side = rng.choice([20.0, 40.0, 96.0, 150.0], 2)
            corner = rng.integers(0, 100, 2).astype(float)
            points = np.zeros((17, 3))
            points[:, 2] = rng.integers(0, 3, 17) * (rng.random() < 0.9)
            points[:, :2] = np.round(corner + rng.random((17, 2)) * side)
            area, crowd = float(side.prod() / rng.choice([1, 2])), bool(rng.random() < 0.15)
            guess = points.copy()
            guess[:, :2] += np.round(rng.normal(0, rng.choice([0.0, 3.0, 20.0]), (17, 2)))
            guess[:, 2] = rng.integers(0, 4) / 4
            truths.append(
                {
                    "image_id": picture,
                    "category_id": 1,
                    "keypoints": points.ravel().tolist(),
                    "num_keypoints": int((points[:, 2] > 0).sum()),
                    "bbox": [*corner.tolist(), *side.tolist()],
                    "area": area,
                    "iscrowd": int(crowd),
                }
            )
            said.append(
                {
                    "image_id": picture,
                    "category_id": 1,
                    "keypoints": guess.ravel().tolist(),
                    "score": float(guess[0, 2]),
                }
            )
            if not crowd:
                away = np.sqrt(((guess - points)[:, :2] ** 2).sum(axis=1))
                near += (away <= side.max() / 5)[points[:, 2] > 0].tolist()
            truth = person(points, [*corner, *(corner + side)], area, crowd)
            answer = Pose(
                tuple((n, *map(float, p)) for n, p in zip(KEYPOINTS, guess, strict=True))  # type: ignore[misc]
            )
            name = f"{picture}.jpg#{number:03}" if number else f"{picture}.jpg"
            judge.see(Sample(b"", name, objects=truth), answer, (300, 300))
    official = coco_scores(pictures, truths, said, 1, "keypoints") if said else {}
    if not near:
        with pytest.raises(ValueError, match="nothing can be judged"):
            judge.scores()
        return
    scores = judge.scores()
    assert scores.pop("pck20") == pytest.approx(np.mean(near))
    assert scores == pytest.approx(official, abs=1e-9) and set(scores) <= set(POINTS)


def test_points_that_only_one_side_knows() -> None:
    truth = person([[10, 10, 2], [50, 50, 1], [0, 0, 0]], [0, 0, 100, 50], 5000)
    answer = Pose((("NOSE", 10.0, 30.0, 0.9), ("horn", 0.0, 0.0, 0.1)))
    for only, share in ((None, 0.5), (["nose"], 1.0)):
        judge = PoseJudge(worded(["nose", "tail", "left paw"], only))
        judge.see(Sample(b"", "a", objects=truth), answer, (200, 100))
        assert judge.scores()["pck20"] == share  # 20 of 100 away
    judge = PoseJudge(worded(["nose", "tail", "left paw"]))
    judge.see(Sample(b"", "a", objects=truth), Pose((("horn", 0.0, 0.0, 0.1),)), (200, 100))
    assert judge.scores()["oks_ap"] == 0 and judge.per_class()["tail"] == {"pck20": 0, "points": 1}
    with pytest.raises(ValueError, match="b.jpg: .*one person of 3 points"):
        judge.see(Sample(b"", "b.jpg"), answer, (200, 100))
