"""MobileNetV2 (arXiv:1801.04381): Table 2 of the paper, the block it repeats, and V1 before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from spindle.model.graph import Builder
from spindle.model.ops import Tensor

# expansion t, channels c, repeats n, stride of the first repeat s
TABLE_2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# MobileNetV1 (arXiv:1704.04861), Table 1: channels and stride of each separable convolution
TABLE_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


Shortcut = Literal["bottleneck", "expansion", "none"]


@dataclass(frozen=True)
class Ablation:
    """What the paper tries in a bottleneck; what stands here is what it recommends."""

    linear: bool = True  # no ReLU6 after the projection
    shortcut: Shortcut = "bottleneck"  # which ends it joins
    expansion: int = 6

    def __post_init__(self) -> None:
        if self.expansion < 1:
            raise ValueError(f"expansion {self.expansion}: a bottleneck cannot be thinner inside")
        if self.shortcut not in get_args(Shortcut):
            raise ValueError(
                f"shortcut {self.shortcut!r} is none of {', '.join(get_args(Shortcut))}"
            )


@dataclass(frozen=True)
class Trunk:
    """What a network offers its heads."""

    middle: Tensor  # what enters the last filter of stride 2, as wide as it gets: for detection
    thin: Tensor  # the last bottleneck: segmentation
    wide: Tensor  # the last 1x1 convolution: everything else
    width: float
    output_stride: int


def mobilenet_v2(
    g: Builder, width: float, output_stride: int, ablation: Ablation = Ablation()
) -> Trunk:
    x = g.conv(g.image, "stem", round_to_8(32 * width), kernel=3, stride=2)
    deep: Tensor | None = None
    middle = x
    strides = atrous(
        (s if repeat == 0 else 1 for _, _, n, s in TABLE_2 for repeat in range(n)), output_stride
    )
    for number, (expand, channels, stride, dilation) in enumerate(blocks(ablation, strides), 1):
        name = f"block{number:02}"
        x, wide, deep = inverted_residual(
            g, x, name, expand, round_to_8(channels * width), stride, dilation, ablation, deep
        )
        if number == 14:  # where stride doubles for the last time, or dilation takes its place
            middle = wide
    wide = g.conv(x, "head", round_to_8(1280 * max(width, 1.0)))
    return Trunk(middle, x, wide, width, output_stride)


def blocks(
    ablation: Ablation, strides: Iterator[tuple[int, int]]
) -> Iterator[tuple[int, int, int, int]]:
    """Expansion, channels, stride and dilation of each of the seventeen."""
    for expand, channels, repeats, _ in TABLE_2:
        for _ in range(repeats):
            yield (1 if expand == 1 else ablation.expansion, channels, *next(strides))


def inverted_residual(
    g: Builder, x: Tensor, name: str, expand: int, channels: int, stride: int,
    dilation: int = 1, ablation: Ablation = Ablation(), before: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Widen, filter, narrow; the shortcut joins the narrow ends, and the last step has no ReLU6.

    Gives the thin end, and the wide tensor before and after its filter.
    """
    wide = g.conv(x, f"{name}_expand", expand * x.shape[2]) if expand > 1 else x
    if ablation.shortcut == "expansion" and before is not None and before.shape == wide.shape:
        wide = g.sum(wide, before, f"{name}_join")
    deep = g.depthwise(wide, f"{name}_filter", stride, dilation)
    thin = g.conv(deep, f"{name}_project", channels, act=None if ablation.linear else "relu6")
    if ablation.shortcut == "bottleneck" and thin.shape == x.shape and stride == 1:
        thin = g.sum(thin, x, f"{name}_add")
    return thin, wide, deep


def mobilenet_v1(g: Builder, width: float, output_stride: int) -> Trunk:
    x = g.conv(g.image, "stem", round_to_8(32 * width), kernel=3, stride=2)
    middle = x
    strides = atrous((stride for _, stride in TABLE_V1), output_stride)
    for number, ((channels, _), (stride, dilation)) in enumerate(
        zip(TABLE_V1, strides, strict=True), 1
    ):
        x = g.depthwise(x, f"block{number:02}_filter", stride, dilation)
        x = g.conv(x, f"block{number:02}_project", round_to_8(channels * width))
        if number == 11:
            middle = x
    return Trunk(middle, x, x, width, output_stride)


def atrous(strides: Iterator[int], output_stride: int) -> Iterator[tuple[int, int]]:
    """Strides up to the output stride (the stem has taken 2), then dilations in their place."""
    reached, rate = 2, 1
    for stride in strides:
        if reached < output_stride:
            reached *= stride
            yield stride, 1
        else:
            yield 1, rate
            rate *= stride


def round_to_8(channels: float) -> int:
    """The nearest multiple of 8 that does not lose more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
