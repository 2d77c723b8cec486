"""How alike are two answers to the same pictures?  By the numbers, and by what they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.model import tasks
from spindle.model.answers import ArgMax, Detect, Peaks
from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.ops import Op

Array = NDArray[Any]
ALLOWED = 1e-3  # how far numbers may be apart, as a share of the largest
# of bytes a last bit may fall to either side and, layer after layer, grow to any difference: there
# the share of what is the same decides, and a box, a point or a vector is if it is as near as this
ROUNDED, MOST = 0.05, 0.75
LEAST = 0.99  # the share of boxes that must be the same: where two overlap, a last digit decides
NAMED: dict[Task, str] = {
    "classify": "labels", "detect": "boxes", "segment": "pixels", "pose": "points",
    "embed": "vectors",
}  # fmt: skip


@dataclass(frozen=True)
class Agreement:
    """What all pictures together have shown."""

    difference: float  # the largest, as a share of the largest number
    same: int
    of: int
    what: str  # is counted
    allowed: float = ALLOWED

    @property
    def close(self) -> bool:
        if self.allowed == ROUNDED:
            return self.same >= MOST * self.of
        least = LEAST * self.of if self.what == "boxes" else 0
        return self.difference <= self.allowed and self.same >= least

    def __add__(self, other: Agreement) -> Agreement:
        worst = max(self.difference, other.difference)
        same, of = self.same + other.same, self.of + other.of
        return Agreement(worst, same, of, self.what, self.allowed)

    def __str__(self) -> str:
        rounded = self.allowed == ROUNDED
        most = "any" if rounded else f"{self.allowed:.0e}"
        wanted = f" ({MOST:.0%} must be)" if rounded else ""
        return (
            f"largest difference {self.difference:.1e} ({most} is allowed), "
            f"{self.same:,} of {self.of:,} {self.what} the same{wanted}"
        )


def watched(graph: Graph) -> Graph:
    """The graph that gives out too what its choices are made from."""
    choices = [op for op in makers(graph) if isinstance(op, ArgMax | Peaks)]
    seen = [tensor for op in choices for tensor in op.inputs]
    more = {tensor.name: tensor for tensor in seen if tensor not in graph.outputs}
    return Graph(graph.ops, (*graph.outputs, *more.values()))


def makers(graph: Graph) -> list[Op]:
    """The ops that make the outputs."""
    ops = {op.name: op for op in graph.ops}
    return [ops[tensor.name] for tensor in graph.outputs]


def compare(
    graph: Graph,
    task: Task,
    want: dict[str, Array],
    got: dict[str, Array],
    allowed: float = ALLOWED,
) -> Agreement:
    """Of a batch.  `want` is what numpy says of the watched graph, `got` what is judged.

    A choice between equals may fall on either: then the difference is how unequal they are.
    """
    worst, counts = 0.0, (0, 0)
    for op in makers(graph):
        name = op.name
        if name not in got or got[name].shape != want[name].shape:
            raise ValueError(f"it gives no {name} of the shape {want[name].shape}")
        if not np.isfinite(got[name]).all():
            raise ValueError(f"its {name} holds numbers that are not finite")
        match op:
            case ArgMax():
                found = chosen(want[op.inputs[0].name], want[name], got[name])
            case Peaks():
                found = placed(want[op.inputs[0].name], want[name], got[name], allowed)
            case Detect():
                found = boxed(want[name][:, :, 0], got[name][:, :, 0], allowed)
            case _:
                found = counted(want[name], got[name], task, allowed)
        worst = max(worst, found[0])
        if op is tasks.deciding(graph):
            counts = found[1:]
    return Agreement(worst, *counts, NAMED[task], allowed)


def counted(want: Array, got: Array, task: Task, allowed: float) -> tuple[float, int, int]:
    """Numbers: labels are the same where the same one is largest, vectors where all of it is."""
    apart = np.abs(want - got) / max(float(np.abs(want).max()), 1e-12)
    same = want.argmax(-1) == got.argmax(-1) if task == "classify" else (apart <= allowed).all(-1)
    return float(apart.max()), int(same.sum()), same.size


def chosen(scores: Array, want: Array, got: Array) -> tuple[float, int, int]:
    """The class of each pixel."""
    inside = np.clip(got, 0, scores.shape[-1] - 1)
    lost = np.take_along_axis(scores, want, 3) - np.take_along_axis(scores, inside, 3)
    lost = np.where(got == inside, lost, np.inf)
    return float(lost.max() / np.abs(scores).max()), int((want == got).sum()), want.size


def placed(heat: Array, want: Array, got: Array, allowed: float) -> tuple[float, int, int]:
    """The place of each point: x, y, value, of maps batch x height x width x points."""
    batch, height, width, points = heat.shape
    n, c = np.ogrid[:batch, :points]
    want, got = want[:, :, 0], got[:, :, 0]
    x, y = (
        np.clip((got[..., i] * side).astype(int), 0, side - 1)
        for i, side in ((0, width), (1, height))
    )
    lost = np.abs(heat[n, y, x, c] - want[..., 2])  # how much lower it is where they say
    lost = np.maximum(lost, np.abs(got[..., 2] - want[..., 2]))
    for axis, at, side in ((0, x, width), (1, y, height)):
        low, high = np.maximum(at - 1, 0), np.minimum(at + 1, side - 1)
        if axis == 0:
            slope = heat[n, y, high, c] - heat[n, y, low, c]
        else:
            slope = heat[n, high, x, c] - heat[n, low, x, c]
        step = 0.25 * np.sign(slope) * ((at > 0) & (at < side - 1))
        off = np.abs(got[..., axis] * side - at - 0.5 - step) > 0.01  # towards the wrong neighbour
        lost = np.maximum(lost, np.where(off, np.abs(slope), 0))
    same = np.abs(want - got)[..., :2].max(-1) <= allowed
    return float(lost.max() / np.abs(heat).max()), int(same.sum()), same.size


def boxed(want: Array, got: Array, allowed: float) -> tuple[float, int, int]:
    """Rows of left, top, right, bottom, score, class; -1 is none.  Each has its like, or is lost.

    Those of almost the same score may change places, so that their order is not asked.
    """
    worst, same, of = 0.0, 0, 0
    for ours, theirs in zip(want, got, strict=True):
        ours, theirs = ours[ours[:, 5] >= 0], theirs[theirs[:, 5] >= 0]
        of += max(len(ours), len(theirs))
        if len(ours) and len(theirs):
            apart = np.abs(ours[:, None, :5] - theirs[None, :, :5]).max(-1)
            apart[ours[:, None, 5] != theirs[None, :, 5]] = np.inf
            nearest = apart.min(1)
            same += int((nearest <= allowed).sum())
            worst = max(worst, float(nearest[nearest <= allowed].max(initial=0)))
    return worst, same, of
