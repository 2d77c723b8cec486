"""Who is found for whom?  The nearest pictures of a query, right or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spindle.data.judges.retrieval import ROLES, EmbedJudge, average_precision, hits

NEAREST = 4  # that are shown


@dataclass(frozen=True)
class Search:
    """One query: its precision, and the names of the nearest with their cosine and verdict."""

    query: str
    precision: float
    nearest: tuple[tuple[str, float, bool], ...]


def searches(judge: EmbedJudge) -> Iterator[Search]:
    """Every query as the judge has asked it."""
    names = [name for name, _ in judge.ordered()]
    records = [known for _, known in judge.ordered()]
    kinds, cameras, roles = np.stack([known["facts"] for known in records]).T
    vectors = np.stack([known["vector"] for known in records]).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    some = bool(roles.any())
    asking = roles == ROLES.index("query") if some else roles == 0
    gallery = np.flatnonzero(roles == ROLES.index("gallery") if some else roles == 0)
    for query in np.flatnonzero(asking & (kinds >= 0)).tolist():
        near = vectors[gallery] @ vectors[query]
        same = kinds[gallery] == kinds[query]
        filmed = (cameras[gallery] == cameras[query]) & (cameras[query] >= 0)
        excluded = (same & filmed) | (gallery == query)
        ranks = hits(near, same, excluded)
        if not len(ranks):
            continue
        order = np.argsort(-near, kind="stable")
        order = order[~excluded[order]][:NEAREST]
        nearest = tuple((names[gallery[i]], float(near[i]), bool(same[i])) for i in order)
        yield Search(names[query], average_precision(ranks)[0], nearest)
