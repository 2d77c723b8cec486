"""What is shown of a search is what the judge has counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spindle.app.report.likeness import NEAREST, searches
from spindle.data.judges.retrieval import EmbedJudge
from spindle.data.judges.wording import worded
from spindle.data.results import Embedding
from spindle.data.samples import Sample


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(4, 40), st.booleans())
def test_the_mean_of_all_searches_is_the_score(seed: int, count: int, roles: bool) -> None:
    rng, judge = np.random.default_rng(seed), EmbedJudge(worded(()))
    kinds, cameras = rng.integers(-1, 4, count), rng.integers(-1, 3, count)
    kinds[:2], cameras[:2] = 1, (0, 1)
    truth = {}
    for number in range(count):
        role = ("query", "gallery")[number % 2] if roles else ""
        vector = rng.normal(0, 1, 6)
        sample = Sample(b"", f"p{number:03}", kind=int(kinds[number]), camera=int(cameras[number]),
                        role=role)  # type: ignore[arg-type]  # fmt: skip
        judge.see(sample, Embedding(vector), (8, 8))
        truth[sample.name] = int(kinds[number]), int(cameras[number]), vector
    found = list(searches(judge))
    assert np.mean([search.precision for search in found]) == pytest.approx(judge.scores()["map"])
    for search in found:
        kind, camera, _ = truth[search.query]
        cosines = [cosine for _, cosine, _ in search.nearest]
        assert cosines == sorted(cosines, reverse=True) and len(cosines) <= NEAREST
        for name, _, same in search.nearest:
            assert name != search.query and same == (truth[name][0] == kind)
            assert not (same and camera >= 0 and truth[name][1] == camera)
