"""What can a trunk be asked?  Classes, boxes, masks, poses, identities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import PAPER, Builder
from spindle.model.mobilenet import Trunk
from spindle.model.ops import Act, BatchNorm, Deconv, Fit, Norm, Tensor

Anchors = tuple[tuple[tuple[float, float], ...], ...]  # for each map, each anchor: scale, ratio
Task = Literal["classify", "detect", "segment", "pose", "embed"]


def classifier(g: Builder, trunk: Trunk, classes: int) -> tuple[Tensor, ...]:
    pooled = g.mean(trunk.wide, "pool")
    logits = g.conv(pooled, "logits", classes, act=None, norm=None, drop=0.2)
    return (g.add(Softmax("probabilities", (logits,))),)


def slow(g: Builder, eps: float) -> Norm | None:
    """The norm of a head: in the paper's code ten times slower to average than the trunk's."""
    return Norm(eps, 0.0003) if g.family.norm == PAPER.norm else g.family.norm


def tf_anchors(lowest: float = 0.2, highest: float = 0.95, maps: int = 6) -> Anchors:
    """The TF Object Detection rule: three anchors on the first map, six on the others."""
    scales = [lowest + (highest - lowest) * i / (maps - 1) for i in range(maps)] + [1.0]
    first = ((0.1, 1.0), (lowest, 2.0), (lowest, 0.5))
    rest = [
        (*((scale, ratio) for ratio in (1.0, 2.0, 1 / 2, 3.0, 1 / 3)), (sqrt(scale * above), 1.0))
        for scale, above in zip(scales[1:], scales[2:], strict=False)
    ]
    return first, *rest


@dataclass(frozen=True)
class Multibox:
    """What may differ from one SSD to the next."""

    lite: bool = True  # separable convolutions in extras and predictors
    anchors: Anchors = tf_anchors()
    extras: tuple[int, ...] = (512, 256, 256, 128)
    overlap: float = 0.6


def ssd(
    g: Builder, trunk: Trunk, classes: int, box: Multibox = Multibox(lite=False)
) -> tuple[Tensor, ...]:
    """Six feature maps, each pixel of which says where a box is and what is in it."""
    habits: dict[str, Any] = {"norm": slow(g, 1e-3), "spread": 0.03}
    maps = [trunk.middle, trunk.wide]
    for number, depth in enumerate(box.extras, 1):
        channels = max(int(depth * trunk.width), 16)
        half = max(int(depth / 2 * trunk.width), 16)
        x = g.conv(maps[-1], f"extra{number}_squeeze", half, **habits)
        if box.lite:
            x = g.depthwise(x, f"extra{number}_filter", stride=2, **habits)
            x = g.conv(x, f"extra{number}_widen", channels, **habits)
        else:
            x = g.conv(x, f"extra{number}_widen", channels, kernel=3, stride=2, **habits)
        maps.append(x)

    def predict(name: str, width: int) -> Tensor:
        """What all maps say of all their anchors, as one column."""
        columns = []
        for i, (x, anchors) in enumerate(zip(maps, box.anchors, strict=True), 1):
            x = g.depthwise(x, f"{name}{i}_filter", **habits) if box.lite else x
            plain: dict[str, Any] = {"kernel": 1 if box.lite else 3, "act": None, "spread": 0.03}
            x = g.conv(x, f"{name}{i}_predict", width * len(anchors), norm=None, **plain)
            columns.append(g.rows(x, f"{name}{i}_rows", width))
        return g.concat(columns, name, "rows")

    inputs = predict("boxes", 4), predict("classes", classes + 1)
    found = Detect("detections", inputs, g.image, tuple(maps), box.anchors, overlap=box.overlap)
    return (g.add(found),)


def ssdlite(g: Builder, trunk: Trunk, classes: int) -> tuple[Tensor, ...]:
    return ssd(g, trunk, classes, Multibox())


def deeplab(
    g: Builder, trunk: Trunk, classes: int, rates: tuple[int, ...] = ()
) -> tuple[Tensor, ...]:
    """DeepLabv3: the picture's mean beside each pixel, and with ASPP three wider looks."""
    thin = trunk.thin

    def conv(x: Tensor, name: str, kernel: int = 1, rate: int = 1) -> Tensor:
        return g.conv(x, name, 256, kernel, dilation=rate, act="relu", norm=slow(g, 1e-5))

    pooled = conv(g.mean(thin, "aspp_mean"), "aspp_pool")
    branches = [g.resize(pooled, "aspp_spread", like=thin, corners=True), conv(thin, "aspp0")]
    branches += [conv(thin, f"aspp{i}", 3, rate) for i, rate in enumerate(rates, 1)]
    x = conv(g.concat(branches, "aspp_concat"), "aspp_project")
    logits = g.conv(x, "logits", classes, act=None, norm=None, drop=0.1)
    full = g.resize(logits, "logits_full", like=g.image, corners=True)
    return (g.add(ArgMax("mask", (full,))),)


def deeplab_aspp(g: Builder, trunk: Trunk, classes: int) -> tuple[Tensor, ...]:
    rates = tuple(rate * 16 // trunk.output_stride for rate in (6, 12, 18))
    return deeplab(g, trunk, classes, rates)


def pose(g: Builder, trunk: Trunk, points: int, light: bool = False) -> tuple[Tensor, ...]:
    """Simple Baselines: three deconvolutions to a quarter of the picture, one heatmap a point.

    The light one is separable: each deconvolution is a depthwise one and a 1x1 convolution.  Of a
    thin trunk it is thin as well.
    """
    x = trunk.wide
    deep = max(int(256 * min(trunk.width, 1)), 16) if light else 256

    def deconv(x: Tensor, name: str, channels: int, groups: int, act: Act) -> Tensor:
        return g.add(
            Deconv(name, (x,), channels, 4, 2, 1, groups, 1, g.family.norm, act, spread=0.001)
        )

    for number in (1, 2, 3):
        if light:
            x = g.conv(x, "up0_squeeze", deep) if number == 1 else x
            x = deconv(x, f"up{number}_filter", deep, deep, "relu6")
            x = g.conv(x, f"up{number}_project", deep)
        else:
            x = deconv(x, f"up{number}", deep, 1, "relu")
    heat = g.conv(x, "heatmaps", points, act=None, norm=None, spread=0.001)
    return (g.add(Peaks("points", (heat,))),)


def pose_light(g: Builder, trunk: Trunk, points: int) -> tuple[Tensor, ...]:
    return pose(g, trunk, points, light=True)


def embedding(g: Builder, trunk: Trunk, identities: int) -> tuple[Tensor, ...]:
    """A bottleneck norm between what is compared and what is classified while learning."""
    neck = g.add(BatchNorm("neck", (g.mean(trunk.wide, "pool"),), g.family.norm or Norm()))
    vector = g.add(Normalize("embedding", (neck,)))
    if not identities:
        return (vector,)
    return vector, g.conv(neck, "identities", identities, act=None, norm=None, spread=0.001)


@dataclass(frozen=True)
class Head:
    """A head by name, and what it is asked by default."""

    draw: Callable[[Builder, Trunk, int], tuple[Tensor, ...]]
    task: Task
    size: tuple[int, int]
    classes: int
    output_stride: int = 32
    fit: Fit = "stretch"


_DEEPLAB = Head(deeplab, "segment", (513, 513), 21, output_stride=16, fit="pad")
_POSE = Head(pose, "pose", (256, 192), 17, fit="pad")  # a body stretched is another body
HEADS = {
    "classifier": Head(classifier, "classify", (224, 224), 1000, fit="crop"),
    "ssd": Head(ssd, "detect", (320, 320), 80),
    "ssdlite": Head(ssdlite, "detect", (320, 320), 80),
    "deeplab": _DEEPLAB,
    "deeplab-aspp": replace(_DEEPLAB, draw=deeplab_aspp),
    "pose": _POSE,
    "pose-light": replace(_POSE, draw=pose_light),
    "embedding": Head(embedding, "embed", (256, 128), 0),
}
