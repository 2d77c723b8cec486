"""A network for each task, of a dozen ops: converters take their time over every one."""

from __future__ import annotations

from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import PAPER, TORCH, Builder
from spindle.model.heads import Task
from spindle.model.ops import BatchNorm, Deconv, Tensor
from spindle.model.weights import Model
from tests.settled import settled

LABELS = ("ant", "bee", "cat")


def small(task: Task) -> Model:
    """A trunk with a shortcut, holes and strides, and on it the answer that the task has."""
    g = Builder((32, 48), TORCH if task in ("detect", "embed") else PAPER)
    graph = g.graph(*HEADS[task](g, trunk(g)))
    labels = {"segment": ("ground", *LABELS), "embed": ()}.get(task, LABELS)
    return Model(graph, settled(graph), task, labels)


def together() -> Model:
    """All five answers on one trunk, for converters that are slow to begin."""
    g = Builder((32, 48))
    x = trunk(g)
    graph = g.graph(*(tensor for head in HEADS.values() for tensor in head(g, x)))
    return Model(graph, settled(graph), "classify", LABELS)


def trunk(g: Builder) -> Tensor:
    stem = g.conv(g.image, "stem", 8, 3, stride=2)
    wide = g.conv(stem, "block_expand", 16)
    thin = g.conv(g.depthwise(wide, "block_filter", dilation=2), "block_project", 8, act=None)
    return g.conv(g.sum(stem, thin, "block_add"), "head", 12, 3, stride=2)


def classify(g: Builder, x: Tensor) -> list[Tensor]:
    scores = g.conv(g.mean(x, "middle"), "logits", 3, act=None, norm=None)
    return [g.add(Softmax("probabilities", (scores,)))]


def segment(g: Builder, x: Tensor) -> list[Tensor]:
    scores = g.conv(x, "kinds", 4, act=None, norm=None)
    return [g.add(ArgMax("mask", (g.resize(scores, "scores", g.image, corners=True),)))]


def pose(g: Builder, x: Tensor) -> list[Tensor]:
    up = g.add(Deconv("up", (x,), 12, 4, 2, 1, 12, 1, g.family.norm, "relu"))
    return [g.add(Peaks("points", (g.conv(up, "heat", 3, act=None, norm=None),)))]


def embed(g: Builder, x: Tensor) -> list[Tensor]:
    vector = g.mean(x, "pool")
    neck = g.add(BatchNorm("neck", (vector,)))
    names = g.conv(neck, "identities", 5, act=None, norm=None)
    return [g.add(Normalize("embedding", (neck,))), names]


def detect(g: Builder, x: Tensor) -> list[Tensor]:
    maps = x, g.conv(x, "extra", 12, 3, stride=2)
    told = []
    for name, width in (("boxes", 4), ("classes", 4)):
        rows = [
            g.rows(
                g.conv(m, f"{name}{i}", 2 * width, act=None, norm=None), f"{name}{i}_rows", width
            )
            for i, m in enumerate(maps)
        ]
        told.append(g.concat(rows, name, "rows"))
    anchors = tuple(((scale, 1.0), (scale, 2.0)) for scale in (0.3, 0.6))
    return [g.add(Detect("detections", tuple(told), g.image, maps, anchors, most=12))]


HEADS = {"classify": classify, "segment": segment, "pose": pose, "embed": embed, "detect": detect}
