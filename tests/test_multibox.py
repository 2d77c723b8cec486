"""SSD's lesson: every anchor is told what a slow and plain reading of the rules tells it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spindle.model import boxes
from spindle.model.answers import Detect
from spindle.model.family import mobilenet_v2
from spindle.training import multibox
from spindle.training.losses import collate
from tests.test_boxes import detector, random_boxes

OP = detector(96)
ANCHORS = boxes.anchors(OP)
PLACES = multibox.corners(ANCHORS)
Truth = dict[str, np.ndarray]


def truth(seed: int, most: int = 6) -> Truth:
    """Objects of any number, none too; some ignored, some of these crowds, some twice the same."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, most + 1))
    found = random_boxes(seed, count)
    if count > 2:
        found[1] = found[0]
    ignored = rng.random(count) < 0.3
    crowds = ignored & (rng.random(count) < 0.5)
    kinds = rng.integers(0, 5, count)
    return {"boxes": found, "kinds": kinds, "ignored": ignored, "crowds": crowds}


def plain(truth: Truth) -> tuple[list[int], list[bool]]:
    """The box each anchor answers for (-1 for none), and whether it is on nothing."""
    real = np.flatnonzero(~truth["ignored"])
    overlap = boxes.iou(truth["boxes"], PLACES)
    owner, empty = [], []
    for anchor, place in enumerate(PLACES):
        best = max(real, key=lambda i: (overlap[i, anchor], -i), default=-1)
        owner.append(int(best) if best >= 0 and overlap[best, anchor] >= 0.5 else -1)
        free = True
        for i in np.flatnonzero(truth["ignored"]):
            if truth["crowds"][i]:
                low = np.maximum(place[:2], truth["boxes"][i, :2])
                high = np.minimum(place[2:], truth["boxes"][i, 2:])
                inside = np.prod(np.maximum(high - low, 0)) / np.prod(place[2:] - place[:2])
                free &= bool(inside < 0.5)
            else:
                free &= bool(overlap[i, anchor] < 0.5)
        empty.append(free)
    for i in reversed(real):  # so that the first has the last word
        if overlap[i].max() > 0:
            owner[int(overlap[i].argmax())] = int(i)
    return owner, [free and own < 0 for free, own in zip(empty, owner, strict=True)]


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_anchors_answer_for_the_boxes_a_plain_loop_gives_them(seed: int) -> None:
    truths = [truth(seed), truth(seed + 1), truth(seed + 2)]
    matches = multibox.match(collate(truths), torch.from_numpy(PLACES))
    for picture, one in enumerate(truths):
        owner, empty = plain(one)
        ours = torch.where(matches.positive, matches.box, -1)[picture]
        assert ours.tolist() == owner
        assert matches.negative[picture].tolist() == empty


def test_every_box_has_an_anchor_however_small_it_is() -> None:
    tiny = np.array([[0.4, 0.4, 0.41, 0.41], [0.8, 0.1, 0.82, 0.12]], np.float32)
    one = {"boxes": tiny, "kinds": np.array([0, 1]), "ignored": np.zeros(2, bool)}
    matches = multibox.match(collate([one]), torch.from_numpy(PLACES))
    assert sorted(matches.box[matches.positive].tolist()) == [0, 1]


@given(st.integers(0, 10**6))
def test_the_coder_is_the_house_s_own(seed: int) -> None:
    found = random_boxes(seed, len(ANCHORS))
    ours = multibox.encode(torch.from_numpy(found), torch.from_numpy(ANCHORS), OP.variances)
    judge = boxes.encode(found, ANCHORS, OP.variances)
    assert np.allclose(ours.numpy(), judge, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("score", ["sigmoid", "softmax"])
@pytest.mark.parametrize("focal", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_costs_are_those_of_a_plain_loop(score: str, focal: float, seed: int) -> None:
    op = replace(OP, score=score)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    truths = [truth(seed + 10 * i) for i in range(3)]
    deltas = rng.normal(size=(3, 4, len(ANCHORS), 1)).astype(np.float32)
    scores = rng.normal(size=(3, 6, len(ANCHORS), 1)).astype(np.float32)
    price = multibox.multibox(op, ratio=3, least=3, focal=focal, alpha=0.25)
    box, kind, count = price(torch.from_numpy(deltas), torch.from_numpy(scores), collate(truths))

    wanted_box, wanted_kind, wanted_count = 0.0, 0.0, 0
    for one, delta, each in zip(truths, deltas[..., 0], scores[..., 0], strict=True):
        owner, empty = plain(one)
        on = [i for i, own in enumerate(owner) if own >= 0]
        for i in on:
            code = boxes.encode(one["boxes"][owner[i]][None], ANCHORS[i : i + 1], op.variances)[0]
            for off in np.abs(delta[:, i] - code):
                wanted_box += 0.5 * off**2 if off < 1 else off - 0.5
        wanted_count += len(on)

        def price_of(i: int, column: int, each: np.ndarray = each) -> float:
            x = each[:, i].astype(np.float64)
            if score == "softmax":
                chance = np.exp(x[column]) / np.exp(x).sum()
                share = 0.25 if column else 0.75
                weight = share * (1 - chance) ** focal if focal else 1
                return float(-np.log(chance) * weight)
            cost = 0.0
            for other, value in enumerate(x):
                chance = 1 / (1 + np.exp(-value if other == column else value))
                share = 0.25 if other == column else 0.75
                weight = share * (1 - chance) ** focal if focal else 1
                cost -= np.log(chance) * weight
            return float(cost)

        wanted_kind += sum(price_of(i, int(one["kinds"][owner[i]]) + 1) for i in on)
        others = sorted((price_of(i, 0) for i, free in enumerate(empty) if free), reverse=True)
        wanted_kind += sum(others if focal else others[: max(3 * len(on), 3)])
    assert int(count) == wanted_count
    assert float(box) == pytest.approx(wanted_box, rel=1e-4)
    assert float(kind) == pytest.approx(wanted_kind, rel=1e-4)


def test_an_answer_encoded_from_the_truth_costs_nothing_for_boxes() -> None:
    """And the reading of that answer finds the objects: the lesson and Detect mean the same."""
    op = mobilenet_v2(head="ssdlite", size=96, classes=5).ops[-1]
    assert isinstance(op, Detect)
    found = random_boxes(3, 3) * 0.9
    one = {"boxes": found, "kinds": np.array([0, 4, 2]), "ignored": np.zeros(3, bool)}
    matches = multibox.match(collate([one]), torch.from_numpy(PLACES))
    own = matches.box[0].numpy()
    deltas = boxes.encode(found[own], ANCHORS, op.variances)
    kinds = np.where(matches.positive[0].numpy(), one["kinds"][own] + 1, 0)
    scores = np.where(np.arange(6) == kinds[:, None], 12, -12).astype(np.float32)
    columns = [torch.from_numpy(x.T[None, ..., None].copy()) for x in (deltas, scores)]
    box, kind, count = multibox.multibox(op)(columns[0], columns[1], collate([one]))
    assert float(box) < 1e-6 * float(count) and float(kind) < 1e-3 * float(count)

    rows = boxes.detect(op, deltas.astype(np.float32), scores)
    rows = rows[rows[:, 4] > 0.5]
    assert sorted(rows[:, 5].tolist()) == [0, 2, 4]
    for row in rows:
        wanted = found[one["kinds"].tolist().index(int(row[5]))]
        assert np.allclose(row[:4], np.clip(wanted, 0, 1), atol=1e-4)


def test_pictures_with_nothing_in_them_teach_the_background() -> None:
    none = {"boxes": np.zeros((0, 4), np.float32), "kinds": np.zeros(0, np.int64)}
    none["ignored"] = np.zeros(0, bool)
    deltas = torch.zeros(1, 4, len(ANCHORS), 1, requires_grad=True)
    scores = torch.zeros(1, 6, len(ANCHORS), 1, requires_grad=True)
    box, kind, count = multibox.multibox(OP)(deltas, scores, collate([none]))
    (box + kind).backward()  # type: ignore[no-untyped-call]
    assert int(count) == 0 and box.item() == 0
    assert scores.grad is not None and int((scores.grad != 0).any(dim=1).sum()) == 3
