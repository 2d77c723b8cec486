"""How near is a runtime's answer to the definition's?  By its numbers, and by what they name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.app.stopwatch import Silent
from spindle.model.answers import Detect
from spindle.model.graph import Graph
from spindle.model.ops import Op

Array = NDArray[Any]
BESIDE = 0.05  # of the picture's sides: as far apart may be what is the same box


def pairs(
    graph: Graph, truth: dict[str, Array], said: dict[str, Array], batch: int
) -> list[tuple[Op, Array, Array]]:
    """Each answer of the first picture, as it should be and as it is."""
    found = []
    for op in (op for op in graph.ops if op.output in graph.outputs):
        want, got = truth[op.name], said[op.name][0] if batch > 1 else said[op.name]
        if got.shape != want.shape:
            raise Silent(f"its {op.name} is {got.shape}, not {want.shape}")
        found.append((op, want, got))
    return found


def distance(graph: Graph, truth: dict[str, Array], said: dict[str, Array], batch: int) -> float:
    """How far an answer is from the definition's, as a share of the largest number in it.

    Of numbers that name something, the share that names another; a box is compared with the nearest
    one given, since those of almost the same score may change places.
    """
    worst = 0.0
    for op, want, got in pairs(graph, truth, said, batch):
        if want.dtype == np.int32:
            apart = (want != got).mean()
        elif isinstance(op, Detect):
            apart = np.abs(want[:, None, 0] - got[None, :, 0]).max(2).min(1).max()
        else:
            apart = np.abs(want - got).max() / np.abs(want).max()
        worst = max(worst, float(apart))
    return worst


def agreement(graph: Graph, truth: dict[str, Array], said: dict[str, Array], batch: int) -> float:
    """The share of what is named that an answer names too: classes, pixels, boxes, points."""
    op, want, got = next(
        each for each in pairs(graph, truth, said, batch) if each[0].name == graph.output.name
    )
    if want.dtype == np.int32:
        return float((want == got).mean())
    if isinstance(op, Detect):
        ours, theirs = want[want[:, 0, 5] >= 0, 0], got[got[:, 0, 5] >= 0, 0]
        beside = np.abs(ours[:, None, :4] - theirs[None, :, :4]).max(2) <= BESIDE
        found = (beside & (ours[:, None, 5] == theirs[None, :, 5])).any(1)
        return float(found.mean()) if len(found) else float(not len(theirs))
    return float((want.argmax(-1) == got.argmax(-1)).mean())
