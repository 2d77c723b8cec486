"""Which networks are there?  Any of them by its numbers, the paper's points by their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from spindle.model import mobilenet
from spindle.model.graph import PAPER, Builder, Family, Graph
from spindle.model.heads import HEADS, Head
from spindle.model.mobilenet import Ablation, Trunk

Size = int | tuple[int, int]


def mobilenet_v2(
    width: float = 1.0,
    size: Size | None = None,
    head: str | Head = "classifier",
    classes: int | None = None,
    output_stride: int | None = None,
    family: Family = PAPER,
    ablation: Ablation = Ablation(),
) -> Graph:
    """The paper's network with any of the heads; what is not said is the head's own default."""
    trunk = partial(mobilenet.mobilenet_v2, ablation=ablation)
    return network(trunk, width, size, head, classes, output_stride, family)


def mobilenet_v1(
    width: float = 1.0,
    size: Size | None = None,
    head: str | Head = "classifier",
    classes: int | None = None,
    output_stride: int | None = None,
    family: Family = PAPER,
) -> Graph:
    """The paper's baseline, with the same heads."""
    return network(mobilenet.mobilenet_v1, width, size, head, classes, output_stride, family)


def network(
    trunk: Callable[[Builder, float, int], Trunk],
    width: float,
    size: Size | None,
    head: str | Head,
    classes: int | None,
    output_stride: int | None,
    family: Family,
) -> Graph:
    if isinstance(head, str):
        if head not in HEADS:
            raise ValueError(f"there is no head {head!r}: choose one of {', '.join(HEADS)}")
        head = HEADS[head]
    size = head.size if size is None else size
    classes = head.classes if classes is None else classes
    stride = head.output_stride if output_stride is None else output_stride
    if stride not in (8, 16, 32):
        raise ValueError(f"output stride {stride} is none of 8, 16 and 32")
    if not 0.01 <= width <= 16:
        raise ValueError(f"width {width:g} is out of range: 1.0 is the paper's, 0.35 its smallest")
    if classes < 0 or (classes == 0 and head.task != "embed"):
        raise ValueError(f"{classes} classes: a network needs at least one")
    family = replace(family, image=replace(family.image, fit=head.fit))
    g = Builder(sides(size), family)
    return g.graph(*head.draw(g, trunk(g, width, stride), classes))


def sides(size: Size) -> tuple[int, int]:
    """Height and width; one number says both."""
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not all(isinstance(side, int) for side in both):
        raise ValueError(f"size {size!r} is neither a number nor a height and a width")
    return both[0], both[1]


@dataclass(frozen=True)
class Variant:
    """One of the paper's published points: ImageNet accuracy, and latency on a Pixel 1."""

    width: float
    size: int
    top1: float
    top5: float
    pixel1_ms: float


VARIANTS = {
    f"{variant.width}-{variant.size}": variant
    for variant in (
        Variant(1.4, 224, 75.0, 92.5, 138.0),
        Variant(1.3, 224, 74.4, 92.1, 123.0),
        Variant(1.0, 224, 71.8, 91.0, 73.8),
        Variant(1.0, 192, 70.7, 90.1, 55.1),
        Variant(1.0, 160, 68.8, 89.0, 40.2),
        Variant(1.0, 128, 65.3, 86.9, 27.6),
        Variant(1.0, 96, 60.3, 83.2, 17.6),
        Variant(0.75, 224, 69.8, 89.6, 55.8),
        Variant(0.75, 192, 68.7, 88.9, 41.6),
        Variant(0.75, 160, 66.4, 87.3, 30.4),
        Variant(0.75, 128, 63.2, 85.3, 21.9),
        Variant(0.75, 96, 58.8, 81.6, 14.2),
        Variant(0.5, 224, 65.4, 86.4, 28.7),
        Variant(0.5, 192, 63.9, 85.4, 21.1),
        Variant(0.5, 160, 61.0, 83.2, 14.9),
        Variant(0.5, 128, 57.7, 80.8, 9.9),
        Variant(0.5, 96, 51.2, 75.8, 6.4),
        Variant(0.35, 224, 60.3, 82.9, 19.7),
        Variant(0.35, 192, 58.2, 81.2, 14.6),
        Variant(0.35, 160, 55.7, 79.1, 10.5),
        Variant(0.35, 128, 50.8, 75.0, 6.9),
        Variant(0.35, 96, 45.5, 70.4, 4.5),
    )
}
NETWORKS = {"mobilenetv2": mobilenet_v2, "mobilenetv1": mobilenet_v1}
POINT = re.compile(r"mobilenetv2-(.+)")


def point(name: str) -> Variant | None:
    """The published point of this name, such as mobilenetv2-1.0-224; None for other names."""
    match = POINT.fullmatch(name)
    if match and match[1] not in VARIANTS:
        raise ValueError(f"{name} is none of the paper's points: {', '.join(VARIANTS)}")
    return VARIANTS[match[1]] if match else None
