"""Identities are looked for as Market-1501 says it: a slow loop and sums by hand judge."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.data.judges.retrieval import EmbedJudge, average_precision, hits
from spindle.data.judges.wording import worded
from spindle.data.results import Embedding
from spindle.data.samples import Sample

Role = Literal["", "query", "gallery"]


def test_precision_by_hand() -> None:
    # hits at ranks 1, 3, 6: precisions 1, 2/3, 1/2; one rank before: 1 (as agreed), 1/2, 2/5
    plain, trapezoid = average_precision(np.array([1, 3, 6]))
    assert plain == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    assert trapezoid == pytest.approx((1 + (2 / 3 + 1 / 2) / 2 + (1 / 2 + 2 / 5) / 2) / 3)


def test_ranks_by_hand() -> None:
    near = np.array([0.9, 0.5, 0.9, 0.7])
    same = np.array([False, True, True, True])
    assert hits(near, same, np.zeros(4, bool)).tolist() == [2, 3, 4]
    assert hits(near, same, np.array([True, False, False, True])).tolist() == [1, 2]


def slow(samples: list[Sample], vectors: Any) -> tuple[list[float], list[float], list[float]]:
    """First ranks, precisions and trapezoids, walking down each query's list as the first code."""
    first, plain, trapezoid = [], [], []
    roles = {sample.role for sample in samples} != {""}
    for q, query in enumerate(samples):
        if query.kind < 0 or (roles and query.role != "query"):
            continue
        others = [
            (float(np.sum((vectors[q] - vectors[g]) ** 2)), g)
            for g, sample in enumerate(samples)
            if (sample.role == "gallery" if roles else g != q)
            and not (sample.kind == query.kind and sample.camera == query.camera >= 0)
        ]
        good = [samples[g].kind == query.kind for _, g in sorted(others)]
        if not any(good):
            continue
        first.append(1.0 + good.index(True))
        old_recall, old_precision, step, area, found = 0.0, 1.0, 0.0, 0.0, 0
        for rank, right in enumerate(good):
            found += right
            recall, precision = found / sum(good), found / (rank + 1)
            area += (recall - old_recall) * (old_precision + precision) / 2
            step += (recall - old_recall) * precision
            old_recall, old_precision = recall, precision
        plain.append(step)
        trapezoid.append(area)
    return first, plain, trapezoid


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.booleans(), st.booleans())
def test_a_slow_walk_agrees(seed: int, pictures: int, roles: bool, cameras: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(pictures, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kinds: list[Role] = ["query", "gallery"]
    samples = [
        Sample(
            b"",
            f"{number:04}",
            kind=int(rng.integers(-1, 4)),
            camera=int(rng.integers(-1, 3)) if cameras else -1,
            role=kinds[rng.integers(2)] if roles else "",
        )
        for number in range(pictures)
    ]
    judge = EmbedJudge(worded([]))
    for place in rng.permutation(pictures):
        judge.see(samples[place], Embedding(vectors[place]), (1, 1))
    first, plain, trapezoid = slow(samples, vectors.astype(np.float64))
    if not first:
        with pytest.raises(ValueError, match="nothing can be judged"):
            judge.scores()
        return
    ranks = {f"rank{rank}": np.mean([f <= rank for f in first]) for rank in (1, 5, 10)}
    expected = {**ranks, "map": np.mean(plain), "map_trapezoid": np.mean(trapezoid)}
    assert judge.scores() == pytest.approx(expected, abs=1e-9)
