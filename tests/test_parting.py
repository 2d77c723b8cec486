"""Splits: official ones are kept, others are drawn fairly and always the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.forms.shards import find_shards
from spindle.data.parting import parted
from spindle.data.samples import Dataset, Listed, Objects, Sample
from spindle.model.heads import Task


def dataset(task: Task = "classify", **splits: Iterable[Sample]) -> Dataset:
    return Dataset(Path("x"), "made", task, (), {k: Listed(v) for k, v in splits.items()})


def some(count: int, kinds: int = 1, start: int = 0, group: int = 0) -> list[Sample]:
    return [
        Sample(b"", str(i), kind=i % kinds, group=str(i // group) if group else "")
        for i in range(start, start + count)
    ]


def names(data: Dataset, split: str) -> list[str]:
    return [sample.name for sample in data.splits[split]]


def test_official_splits_are_kept() -> None:
    data = parted(dataset(test=some(3), val=some(2), train=some(5)))
    assert {k: len(v) for k, v in data.splits.items()} == {"train": 5, "val": 2, "test": 3}
    data = parted(dataset(train=some(5), test=some(3)))
    assert {k: len(v) for k, v in data.splits.items()} == {"train": 5, "val": 3}


@given(
    st.lists(st.integers(0, 4), min_size=10, max_size=150), st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(0, 2**32),
)  # fmt: skip
def test_a_share_of_every_class(kinds: list[int], share: float, seed: int) -> None:
    samples = [Sample(b"", str(i), kind=kind) for i, kind in enumerate([*kinds, 0, 0])]
    data = parted(dataset(all=samples), share, seed)
    train, val = names(data, "train"), names(data, "val")
    assert sorted(train + val, key=int) == [s.name for s in samples] and not {*train} & {*val}
    taken = Counter(s.kind for s in data.splits["val"])
    for kind, count in Counter(s.kind for s in samples).items():
        if count > 1:
            assert 1 <= taken[kind] < count and abs(taken[kind] - share * count) <= 1
        else:
            assert not taken[kind]
    again = parted(dataset(all=samples), share, seed)
    assert names(again, "val") == val


def test_another_seed_is_another_share() -> None:
    data = dataset(all=some(100))
    assert names(parted(data, seed=1), "val") != names(parted(data, seed=2), "val")


@given(st.lists(st.integers(1, 9), min_size=2, max_size=40), st.integers(0, 99))
def test_a_patient_is_never_torn_apart(sizes: list[int], seed: int) -> None:
    who = [str(i) for i, size in enumerate(sizes) for _ in range(size)]
    samples = [Sample(b"", str(i), kind=int(g) % 2, group=g) for i, g in enumerate(who)]
    if len(sizes) < 3:
        return
    data = parted(dataset(train=samples), 0.2, seed)
    groups = [{s.group for s in data.splits[split]} for split in ("train", "val")]
    assert groups[0] and groups[1] and not groups[0] & groups[1]


def test_patients_come_near_the_share() -> None:
    data = parted(dataset(train=some(300, group=3)), 0.2)
    assert len(data.splits["val"]) == 60


def test_rare_things_are_in_both() -> None:
    def scene(i: int) -> Sample:
        kinds = np.array([0, 1] if i % 10 == 0 else [0])
        boxes = np.ones((len(kinds), 4), np.float32)
        return Sample(b"", str(i), objects=Objects(boxes=boxes, kinds=kinds))

    data = parted(dataset("detect", all=map(scene, range(200))), 0.2)
    rare = [sum(1 in s.objects.kinds for s in v if s.objects) for v in data.splits.values()]
    assert rare == [16, 4] and len(data.splits["val"]) == 40


def test_people_are_learned_or_judged(tmp_path: Path) -> None:
    pictures = [replace(s, camera=i // 10 % 2) for i, s in enumerate(some(100, kinds=10))]
    data = parted(dataset("embed", all=pictures), 0.3)
    train, val = ([*data.splits[split]] for split in ("train", "val"))
    judged = {s.kind for s in val}
    assert len(judged) == 3 and not judged & {s.kind for s in train}
    asked = Counter((s.kind, s.camera) for s in val if s.role == "query")
    assert len(asked) == 6 and set(asked.values()) == {1}  # one for each camera
    assert all(s.role == "gallery" for s in val if s.role != "query")
    assert not any(s.role for s in train)
    single = parted(dataset("embed", train=some(4), val=[Sample(b"", "x", kind=9)]))
    assert [s.role for s in single.splits["val"]] == ["gallery"]  # nobody else could be found
    told = [replace(s, role="query") for s in some(2)]
    kept = parted(dataset("embed", train=some(4), val=told))
    assert [s.role for s in kept.splits["val"]] == ["query", "query"]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        parted(dataset(all=some(9)), share)


def test_too_few() -> None:
    with pytest.raises(ValueError, match="too few"):
        parted(dataset(all=some(1)))


def test_shards(data: Path) -> None:
    found = find_shards(str(data / "cifar10" / "train-0000.tar.gz"))
    whole = len(found.splits["train"])
    once = parted(found, 0.1)
    assert len(once.splits["val"]) == round(0.1 * whole)
    assert len(once.splits["train"]) + len(once.splits["val"]) == whole
