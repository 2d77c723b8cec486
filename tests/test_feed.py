"""Lessons come in the seed's order, whatever prepares them, and every machine has its own."""

from __future__ import annotations

import os
import signal
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.samples import Listed, Sample
from spindle.model.ops import Image
from spindle.training.feed import EACH, Item, Order, Show, Teach, alive, feed, listed, stacked
from spindle.training.machines import Machine
from spindle.training.recipe import named, variety
from tests.test_recipe import lessons

CPU = torch.device("cpu")
SAMPLES = Listed(Sample(b"", str(i), i % 5) for i in range(53))


def names(order: Order, epoch: int) -> list[list[str]]:
    return [[item.sample.name for item in batch] for batch in order.epoch(epoch)]


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 3))
def test_machines_share_what_one_would_have(batch: int, world: int, epoch: int) -> None:
    whole = names(Order(SAMPLES, batch * world, Machine(CPU)), epoch)
    parts = [
        names(Order(SAMPLES, batch, Machine(CPU, rank, world)), epoch) for rank in range(world)
    ]
    together = [sorted(chain(*batches)) for batches in zip(*parts, strict=True)]
    assert together == [sorted(batch) for batch in whole]
    assert max(Counter(chain(*whole)).values()) == 1


def test_every_epoch_has_an_order_of_its_own_and_always_the_same() -> None:
    order = Order(SAMPLES, 10, Machine(CPU))
    assert names(order, 0) == names(order, 0) != names(order, 1)
    assert names(order, 0) != names(Order(SAMPLES, 10, Machine(CPU), seed=1), 0)
    assert order.steps == len(names(order, 0)) == 5


def test_what_is_still_to_come_goes_on_where_it_was() -> None:
    order = Order(SAMPLES, 10, Machine(CPU))
    every = list(order.from_(0, 0, 3))
    assert len(every) == 15 and list(order.from_(1, 2, 3)) == every[7:]
    assert list(order.from_(3, 0, 3)) == []


def test_repeats_show_fewer_pictures_each_varied_anew() -> None:
    batches = list(Order(SAMPLES, 10, Machine(CPU), repeats=4).epoch(0))
    counts = Counter(item.sample.name for batch in batches for item in batch)
    keys = [item.key for batch in batches for item in batch]
    assert set(counts.values()) <= {4, 2} and len(counts) == 13 and len(set(keys)) == 50


def test_batches_are_a_multiple_of_what_a_step_takes() -> None:
    order = Order(SAMPLES, 10, Machine(CPU), multiple=2)
    assert order.steps == len(list(order.epoch(0))) == 4
    few = Order(SAMPLES, 20, Machine(CPU), multiple=8)  # of which a step would take 160
    assert few.steps == 8 and [len(batch) for batch in few.epoch(0)] == [7] * 5 + [6] * 3
    assert len(set(chain(*names(few, 0)))) == 53
    with pytest.raises(ValueError, match="53 pictures cannot be divided among 54 batches"):
        next(Order(SAMPLES, 20, Machine(CPU), multiple=54).epoch(0))
    assert Order(SAMPLES, 100, Machine(CPU)).steps == 1  # fewer pictures than a batch are one


@pytest.mark.parametrize("world", [1, 2])
def test_identities_come_in_groups_and_each_before_any_comes_again(world: int) -> None:
    shares = [
        [i for b in Order(SAMPLES, 8, Machine(CPU, r, world), by_identity=True).epoch(0) for i in b]
        for r in range(world)
    ]
    for items in shares:
        kinds = [item.sample.kind for item in items]
        groups = [kinds[i : i + EACH] for i in range(0, len(kinds), EACH)]
        assert all(len(set(group)) == 1 for group in groups)
    firsts = [share[i].sample.kind for i in range(0, EACH * 2, EACH) for share in shares]
    assert len(set(firsts)) == min(2 * world, 5)
    keys = [item.key for items in shares for item in items]
    assert len(set(keys)) == len(keys)


def batches_of(workers: int) -> list[Any]:
    data = lessons("detect")
    looks = variety(named("finetune"), "detect")
    teach = Teach("detect", Image("image", (), 64, 64), looks)
    order = Order(data.splits["train"], 4, Machine(CPU))
    return list(feed(teach, order.from_(0, 0, 2), stacked, workers))


def test_lessons_are_the_same_with_any_number_of_workers() -> None:
    alone, two = batches_of(0), batches_of(2)
    assert len(alone) == len(two) == 4
    for (pixels, truth), (others, said) in zip(alone, two, strict=True):
        assert torch.equal(pixels, others) and pixels.shape == (4, 3, 64, 64)
        assert truth.keys() == said.keys()
        assert all(torch.equal(truth[key], said[key]) for key in truth)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_is_gone_is_named(tmp_path: Path, workers: int) -> None:
    gone = Sample(tmp_path / "gone.jpg", "gone.jpg", 0)
    teach = Teach("classify", Image("image", (), 32, 32), None)
    with pytest.raises(ValueError, match=r"gone\.jpg"):
        list(feed(teach, [[Item((0, 0), gone)]], stacked, workers))


def test_what_is_judged_is_what_prediction_sees() -> None:
    (sample, *_) = lessons("pose").splits["train"]
    ((seen,),) = feed(Show(Image("image", (), 48, 32, fit="pad")), [[sample]], listed, 0)
    assert seen.pixels.shape == (48, 32, 3) and seen.sample is sample
    assert seen.size != np.asarray(sample.picture).shape[1::-1]  # the part alone was shown


def killed(item: Sample) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="was killed, most likely for want of memory"), alive():
        list(feed(killed, [[SAMPLES[0]]], listed, 1))
    with pytest.raises(RuntimeError, match="soup"), alive():
        raise RuntimeError("soup")


def told(item: Sample) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return item.kind


def test_ctrl_c_is_for_the_first_one() -> None:
    assert list(feed(told, [[SAMPLES[0], SAMPLES[1]]], listed, 1)) == [[0, 1]]
