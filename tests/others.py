"""MobileNetV2 as others nest it, in plain torch: the judge of their names and of their numbers.

Channels are written out, not computed, so that nothing here is believed of our own rounding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spindle.compiler import reference
from spindle.model.weights import Model

# stem, the seven stages, head
CHANNELS = {
    0.35: (16, 8, 8, 16, 24, 32, 56, 112, 1280),
    0.5: (16, 8, 16, 16, 32, 48, 80, 160, 1280),
    1.0: (32, 16, 24, 32, 64, 96, 160, 320, 1280),
    1.4: (48, 24, 32, 48, 88, 136, 224, 448, 1792),
}
REPEATS, STRIDES = (1, 2, 3, 4, 3, 3, 1), (1, 2, 2, 2, 1, 2, 1)
SIZE = (64, 96)  # even, so that symmetric padding and TensorFlow's are two different things
PICTURE = np.random.default_rng(7).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Parts = list[tuple[nn.Module, nn.Module, bool]]  # convolution, its norm, whether ReLU6 follows


class Residual(nn.Sequential):
    """What stands inside, and around it a way past where the shape stays."""

    past = False

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + y if self.past else y


class Norm6(nn.BatchNorm2d):
    """timm's batch norm, which carries its activation."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu6(super().forward(x))


def unit(in_: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_, out, kernel, stride, kernel // 2, groups=groups, bias=False)


def inside(in_: int, out: int, stride: int, expand: int) -> Parts:
    """The convolutions of one inverted residual."""
    wide = in_ * expand
    parts: Parts = [
        (unit(wide, wide, 3, stride, wide), nn.BatchNorm2d(wide), True),
        (unit(wide, out), nn.BatchNorm2d(out), False),
    ]
    return parts if expand == 1 else [(unit(in_, wide), nn.BatchNorm2d(wide), True), *parts]


def flat(parts: Parts) -> nn.Sequential:
    """d-li14 and tonylins: convolution, norm, ReLU6, convolution ... in one row."""
    row = (module for conv, norm, act in parts for module in (conv, norm, *((nn.ReLU6(),) * act)))
    return nn.Sequential(*row)


def nested(parts: Parts) -> nn.Sequential:
    """torchvision: each with a ReLU6 as a row of three, the last convolution and norm bare."""
    *first, (conv, norm, _) = parts
    return nn.Sequential(*(flat([part]) for part in first), conv, norm)


def named(parts: Parts) -> OrderedDict[str, nn.Module]:
    """timm: conv_pw, bn1, conv_dw, bn2 ...; the last is conv_pwl unless there are only two."""
    names = ("conv_pw", "conv_dw", "conv_pwl") if len(parts) == 3 else ("conv_dw", "conv_pw")
    row = OrderedDict[str, nn.Module]()
    for number, (name, (conv, norm, act)) in enumerate(zip(names, parts, strict=True), 1):
        assert isinstance(norm, nn.BatchNorm2d)
        row[name], row[f"bn{number}"] = conv, Norm6(norm.num_features) if act else norm
    return row


def blocks(width: float) -> Iterator[tuple[int, int, int, int, int]]:
    """Stage, channels in, channels out, stride and expansion of each of the seventeen."""
    stem, *stages, _ = CHANNELS[width]
    in_ = stem
    for stage, (out, repeats, stride) in enumerate(zip(stages, REPEATS, STRIDES, strict=True)):
        for repeat in range(repeats):
            yield stage, in_, out, stride if repeat == 0 else 1, 6 if stage else 1
            in_ = out


def block(project: str, in_: int, out: int, stride: int, expand: int) -> Residual:
    parts = inside(in_, out, stride, expand)
    match project:
        case "timm":
            made = Residual(named(parts))
        case "torchvision":
            made = Residual(OrderedDict(conv=nested(parts)))
        case _:
            made = Residual(OrderedDict(conv=flat(parts)))
    made.past = stride == 1 and in_ == out
    return made


def network(project: str, width: float, classes: int, seed: int = 0) -> nn.Sequential:
    """The network of one project, its weights drawn at random and every statistic far from idle."""
    torch.manual_seed(seed)
    stem, *_, thin, head = CHANNELS[width]
    row = [(stage, block(project, *sizes)) for stage, *sizes in blocks(width)]
    first = flat([(unit(3, stem, 3, 2), nn.BatchNorm2d(stem), True)])
    last = flat([(unit(thin, head), nn.BatchNorm2d(head), True)])
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    linear = nn.Linear(head, classes)
    trunk = [each for _, each in row]
    parts: dict[str, nn.Module] = {}
    match project:
        case "torchvision":
            parts["features"], parts["pool"] = nn.Sequential(first, *trunk, last), pool
            parts["classifier"] = nn.Sequential(nn.Dropout(0.2), linear)
        case "tonylins":
            parts["features"], parts["pool"] = nn.Sequential(first, *trunk, last), pool
            parts["classifier"] = linear
        case "d-li14":
            parts["features"], parts["conv"] = nn.Sequential(first, *trunk), last
            parts["pool"], parts["classifier"] = pool, linear
        case "timm":
            stages = [[each for stage, each in row if stage == n] for n in range(7)]
            parts = {
                "conv_stem": first[0],
                "bn1": Norm6(stem),
                "blocks": nn.Sequential(*(nn.Sequential(*stage) for stage in stages)),
                "conv_head": last[0],
                "bn2": Norm6(head),
                "pool": pool,
                "classifier": linear,
            }
        case _:
            raise ValueError(project)
    net = nn.Sequential(OrderedDict(parts.items())).eval()
    scramble(net)
    return net


def scramble(net: nn.Module) -> None:
    """Draws every number anew; variances are small enough for epsilon to be seen."""
    for name, tensor in net.state_dict().items():
        match name.rsplit(".", 1)[1]:
            case "running_var":
                tensor.uniform_(0.05, 1.5)
            case "weight" if tensor.ndim == 1:
                tensor.uniform_(0.4, 1.2)
            case "weight":
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
            case "bias" | "running_mean":
                tensor.normal_(0, 0.3)


def logits(net: nn.Module, normalised: Tensor) -> Tensor:
    """What a network says, computed in double precision: batch x classes."""
    with torch.inference_mode():
        said: Tensor = net.double()(normalised.double())
    return said


def said(model: Model, tensor: str = "logits") -> NDArray[np.float64]:
    """The logits of our reading, as far from rounding as the judge's."""
    wide: Any = {name: array.astype(np.float64) for name, array in model.weights.items()}
    return np.asarray(reference.run(model.graph.until(tensor), wide, PICTURE)[tensor])


def agrees(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
    assert np.ptp(theirs) > 0.1  # a constant would agree with too much


def normalised(mean: Any = 0.5, std: Any = 0.5) -> Tensor:
    """The picture as a torch network wants it: 1 x channels x height x width."""
    pixels = (PICTURE / 255 - np.array(mean)) / np.array(std)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def transformers_net(kind: str, **settings: Any) -> Any:
    """The real package's network, drawn at random."""
    package = pytest.importorskip("transformers")
    config = package.MobileNetV2Config(depth_multiplier=0.35, image_size=96, **settings)
    made = getattr(package, f"MobileNetV2For{kind}")(config).eval()
    scramble(made)
    return made


def transformers_logits(net: Any) -> NDArray[np.float64]:
    with torch.inference_mode():
        return np.asarray(net.double()(normalised()).logits)
