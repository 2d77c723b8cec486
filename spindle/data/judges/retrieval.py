"""Is the nearest picture one of the same identity?  Cumulative matches and average precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.data.judges.judge import Judge
from spindle.data.results import Embedding, Result
from spindle.data.samples import Sample

Array = NDArray[Any]
RANKS = (1, 5, 10)
ROLES = ("", "query", "gallery")
AT_ONCE = 256  # queries that are compared with the gallery in one go


def hits(near: Array, same: Array, excluded: Array) -> NDArray[np.int64]:
    """The ranks, from 1, of those of the same identity, among all that are not excluded.

    Of equally near ones the first comes first.
    """
    order = np.argsort(-near, kind="stable")
    order = order[~excluded[order]]
    return np.flatnonzero(same[order]) + 1


def average_precision(ranks: NDArray[np.int64]) -> tuple[float, float]:
    """The mean precision at each hit: as it is there, and by trapezoids, as Market-1501 had it."""
    found = np.arange(1, len(ranks) + 1)
    here = found / ranks
    before = np.where(ranks > 1, (found - 1) / np.maximum(ranks - 1, 1), 1.0)
    return float(here.mean()), float((here + before).mean() / 2)


class EmbedJudge(Judge):
    """Every query is asked for its identity among the gallery's pictures, by its cosine.

    Those that one camera took of one identity are not compared, nor a picture with itself.
    Where no picture has a role, each is asked among all others.  A picture of nobody (-1) is never
    right, and nobody asks for it; nor is asked whom the gallery does not have.
    """

    task = "embed"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def see(self, sample: Sample, result: Result, size: tuple[int, int]) -> None:
        self.expect(sample, result, Embedding)
        assert isinstance(result, Embedding)
        facts = np.array([sample.kind, sample.camera, ROLES.index(sample.role)], np.int64)
        known: dict[str, Array] = {
            "facts": facts,
            "vector": result.vector.ravel().astype(np.float32),
        }
        self.records.append((sample.name, known))

    def asked(self) -> Iterator[NDArray[np.int64]]:
        """The ranks of the right ones, for every query that has any."""
        records = [known for _, known in self.ordered()]
        if not records:
            return
        kinds, cameras, roles = np.stack([known["facts"] for known in records]).T
        vectors = np.stack([known["vector"] for known in records]).astype(np.float64)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        some = bool(roles.any())
        queries = np.flatnonzero(
            (roles == ROLES.index("query") if some else roles == 0) & (kinds >= 0)
        )
        gallery = np.flatnonzero(roles == ROLES.index("gallery") if some else roles == 0)
        for start in range(0, len(queries), AT_ONCE):
            rows = queries[start : start + AT_ONCE]
            for query, near in zip(rows, vectors[rows] @ vectors[gallery].T, strict=True):
                same = kinds[gallery] == kinds[query]
                filmed = (cameras[gallery] == cameras[query]) & (cameras[query] >= 0)
                ranks = hits(near, same, (same & filmed) | (gallery == query))
                if len(ranks):
                    yield ranks

    def scores(self) -> dict[str, float]:
        asked = list(self.asked())
        if not asked:
            raise self.nothing()
        first = np.array([ranks[0] for ranks in asked])
        precise = np.array([average_precision(ranks) for ranks in asked]).mean(axis=0)
        return {
            **{f"rank{rank}": float((first <= rank).mean()) for rank in RANKS},
            "map": float(precise[0]),
            "map_trapezoid": float(precise[1]),
        }
