"""What do others call the parts of this network?  One table a project, read by `adopt`.

A table gives, for each of our convolutions, where theirs and its batch norm are; `block_expand`
and the like stand for all blocks that have no row of their own, and count them as their project
does: {n} from 1, {n1} from 0, {n2} from -1, {stage} and {repeat} by the paper's table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from math import sqrt

from spindle.data.labels import VOC
from spindle.model.graph import PAPER, TORCH, Family
from spindle.model.heads import HEADS, Anchors, Head, Multibox, ssd

TORCH_PARTS = {
    "weight": "{conv}.weight",
    "bias": "{conv}.bias",
    "gamma": "{norm}.weight",
    "beta": "{norm}.bias",
    "mean": "{norm}.running_mean",
    "var": "{norm}.running_var",
}
KERAS_PARTS = {
    "weight": "{conv}/kernel",
    "bias": "{conv}/bias",
    "gamma": "{norm}/gamma",
    "beta": "{norm}/beta",
    "mean": "{norm}/moving_mean",
    "var": "{norm}/moving_variance",
}
SLIM_PARTS = KERAS_PARTS | {"weight": "{conv}/weights", "bias": "{conv}/biases"}


@dataclass(frozen=True)
class Naming:
    """The habits of one project: its names, its layout, and the family of its weights."""

    title: str
    family: Family
    places: dict[str, str]  # our convolution -> theirs, and their norm where its place differs
    parts: dict[str, str] = field(default_factory=lambda: TORCH_PARTS)
    head: Head = HEADS["classifier"]
    labels: tuple[str, ...] = ()
    tensorflow: bool = False  # kernels are height, width, in, out
    respell: tuple[tuple[str, str], ...] = ()  # their own spellings, brought to one
    background: bool = False  # its 1001 classes are the 1000 of ImageNet after "background"
    ignored: str = r"num_batches_tracked$"  # names that are no part of the network


def folded(family: Family) -> Family:
    return replace(family, norm=None)


TORCHVISION = Naming("torchvision", TORCH, {
    "stem": "features.0.0 features.0.1",
    "block01_filter": "features.1.conv.0.0 features.1.conv.0.1",
    "block01_project": "features.1.conv.1 features.1.conv.2",
    "block_expand": "features.{n}.conv.0.0 features.{n}.conv.0.1",
    "block_filter": "features.{n}.conv.1.0 features.{n}.conv.1.1",
    "block_project": "features.{n}.conv.2 features.{n}.conv.3",
    "head": "features.18.0 features.18.1",
    "logits": "classifier.1",
})  # fmt: skip

PLAIN = {
    "stem": "features.0.0 features.0.1",
    "block01_filter": "features.1.conv.0 features.1.conv.1",
    "block01_project": "features.1.conv.3 features.1.conv.4",
    "block_expand": "features.{n}.conv.0 features.{n}.conv.1",
    "block_filter": "features.{n}.conv.3 features.{n}.conv.4",
    "block_project": "features.{n}.conv.6 features.{n}.conv.7",
}
D_LI14 = Naming("d-li14", TORCH, PLAIN | {"head": "conv.0 conv.1", "logits": "classifier"})
TONYLINS = Naming(
    "tonylins", TORCH, PLAIN | {"head": "features.18.0 features.18.1", "logits": "classifier"},
    respell=((r"^classifier\.1\.", "classifier."),),
)  # fmt: skip

TIMM = Naming("timm", replace(TORCH, image=replace(TORCH.image, resample="bicubic")), {
    "stem": "conv_stem bn1",
    "block01_filter": "blocks.0.0.conv_dw blocks.0.0.bn1",
    "block01_project": "blocks.0.0.conv_pw blocks.0.0.bn2",
    "block_expand": "blocks.{stage}.{repeat}.conv_pw blocks.{stage}.{repeat}.bn1",
    "block_filter": "blocks.{stage}.{repeat}.conv_dw blocks.{stage}.{repeat}.bn2",
    "block_project": "blocks.{stage}.{repeat}.conv_pwl blocks.{stage}.{repeat}.bn3",
    "head": "conv_head bn2",
    "logits": "classifier",
})  # fmt: skip

KERAS = Naming(
    "Keras", PAPER, {
        "stem": "Conv1 bn_Conv1",
        "block01_filter": "expanded_conv_depthwise expanded_conv_depthwise_BN",
        "block01_project": "expanded_conv_project expanded_conv_project_BN",
        "block_expand": "block_{n1}_expand block_{n1}_expand_BN",
        "block_filter": "block_{n1}_depthwise block_{n1}_depthwise_BN",
        "block_project": "block_{n1}_project block_{n1}_project_BN",
        "head": "Conv_1 Conv_1_bn",
        "logits": "predictions",
    },
    KERAS_PARTS, tensorflow=True,
    respell=(
        (r"^mobl0_conv_0_", "expanded_conv_"), (r"^bn0_conv_0_bn_(\w+)", r"expanded_conv_\1_BN"),
        (r"^mobl(\d+)_conv_\1_", r"block_\1_"), (r"^bn(\d+)_conv_\1_bn_(\w+)", r"block_\1_\2_BN"),
        (r"^Logits/", "predictions/"), (r"/depthwise_kernel$", "/kernel"),
    ),
)  # fmt: skip

SLIM_TRUNK = {
    "stem": "Conv Conv/BatchNorm",
    "block01_filter": "expanded_conv/depthwise expanded_conv/depthwise/BatchNorm",
    "block01_project": "expanded_conv/project expanded_conv/project/BatchNorm",
    "block_expand": "expanded_conv_{n1}/expand expanded_conv_{n1}/expand/BatchNorm",
    "block_filter": "expanded_conv_{n1}/depthwise expanded_conv_{n1}/depthwise/BatchNorm",
    "block_project": "expanded_conv_{n1}/project expanded_conv_{n1}/project/BatchNorm",
    "head": "Conv_1 Conv_1/BatchNorm",
}
SLIM = Naming(
    "TF-slim", PAPER, SLIM_TRUNK | {"logits": "Logits/Conv2d_1c_1x1"}, SLIM_PARTS, tensorflow=True,
    background=True,
    respell=((r"^MobilenetV2/", ""), (r"/depthwise_weights$", "/weights")),
    ignored=r"/(RMSProp(_1)?|Momentum|Adam(_1)?)$|^(global_step|beta[12]_power)$",
)  # fmt: skip
SLIM_DEEPLAB = replace(
    SLIM, title="TF DeepLab", head=HEADS["deeplab"], labels=("background", *VOC),
    places=SLIM_TRUNK | {
        "aspp_pool": "image_pooling image_pooling/BatchNorm",
        "aspp0": "aspp0 aspp0/BatchNorm",
        "aspp_project": "concat_projection concat_projection/BatchNorm",
        "logits": "logits/semantic",
    },
    ignored=SLIM.ignored + r"|^Conv_1/|^Logits/",
)  # fmt: skip

TRANSFORMERS_TRUNK = {
    "stem": "conv_stem.first_conv",
    "block01_filter": "conv_stem.conv_3x3",
    "block01_project": "conv_stem.reduce_1x1",
    "block_expand": "layer.{n2}.expand_1x1",
    "block_filter": "layer.{n2}.conv_3x3",
    "block_project": "layer.{n2}.reduce_1x1",
    "head": "conv_1x1",
}
TRANSFORMERS = Naming(
    "transformers", PAPER, TRANSFORMERS_TRUNK | {"logits": "classifier"}, {
        part: place.replace("{norm}", "{conv}.norm") for part, place in TORCH_PARTS.items()
    },
    background=True,
    respell=((r"^mobilenet_v2\.", ""), (r"\.convolution\.", "."), (r"\.normalization\.", ".norm.")),
)  # fmt: skip
TRANSFORMERS_DEEPLAB = replace(
    TRANSFORMERS, title="transformers DeepLab", head=HEADS["deeplab"], labels=("background", *VOC),
    places=TRANSFORMERS_TRUNK | {
        "aspp_pool": "segmentation_head.conv_pool",
        "aspp0": "segmentation_head.conv_aspp",
        "aspp_project": "segmentation_head.conv_projection",
        "logits": "segmentation_head.classifier",
    },
    ignored=TRANSFORMERS.ignored + r"|^conv_1x1\.",
)  # fmt: skip

# three sets whose batch norm is folded away
NUMBERED = Naming(
    "folded torchvision", folded(TORCH), dict.fromkeys(TORCHVISION.places, "{place:02}"),
    head=replace(HEADS["classifier"], fit="stretch"),
)  # fmt: skip
FROZEN_DEEPLAB = Naming(
    "frozen TF DeepLab", folded(PAPER), {
        "stem": "MobilenetV2_Conv",
        "block01_filter": "MobilenetV2_expanded_conv_depthwise",
        "block01_project": "MobilenetV2_expanded_conv_project",
        "block_expand": "MobilenetV2_expanded_conv_{n1}_expand",
        "block_filter": "MobilenetV2_expanded_conv_{n1}_depthwise",
        "block_project": "MobilenetV2_expanded_conv_{n1}_project",
        "aspp_pool": "image_pooling", "aspp0": "aspp0", "aspp_project": "concat_projection",
        "logits": "logits_semantic",
    },
    head=HEADS["deeplab"], labels=("background", *VOC),
    respell=(
        (r"_(Conv2D|depthwise)_bn_offset$", ".bias"),
        (r"_(BatchNorm_FusedBatchNorm|biases)$", ".bias"),
        (r"_depthwise_depthwise$", "_depthwise.weight"),
        (r"_Conv2D$", ".weight"),
    ),
)  # fmt: skip


def caffe_anchors() -> Anchors:
    """Caffe's prior boxes, of sizes 60, 105, 150 ... 300 in 300: the second square is second."""
    scales = [0.2, *(0.35 + 0.15 * i for i in range(5)), 1.0]
    rest = [
        (
            (scale, 1.0),
            (sqrt(scale * above), 1.0),
            *((scale, ratio) for ratio in (2.0, 1 / 2, 3.0, 1 / 3)),
        )
        for scale, above in zip(scales[1:], scales[2:], strict=False)
    ]
    return ((0.2, 1.0), (0.2, 2.0), (0.2, 0.5)), *rest


MAPS = ("conv_13/expand", "Conv_1", "layer_19_2_2", "layer_19_2_3", "layer_19_2_4", "layer_19_2_5")
CAFFE_SSDLITE = Naming(
    "Caffe SSDLite", folded(PAPER), {
        "stem": "Conv",
        "block01_filter": "conv/depthwise",
        "block01_project": "conv/project",
        "block_expand": "conv_{n1}/expand",
        "block_filter": "conv_{n1}/depthwise",
        "block_project": "conv_{n1}/project",
        "head": "Conv_1",
    } | {
        f"extra{i}_{ours}": f"layer_19_{theirs.format(i + 1)}"
        for i in (1, 2, 3, 4)
        for ours, theirs in (("squeeze", "1_{}"), ("filter", "2_{}/depthwise"), ("widen", "2_{}"))
    } | {
        f"{ours}{i}_{part}": f"{place}_mbox_{theirs}{suffix}"
        for i, place in enumerate(MAPS, 1)
        for ours, theirs in (("boxes", "loc"), ("classes", "conf"))
        for part, suffix in (("filter", "/depthwise"), ("predict", ""))
    },
    {"weight": "{conv}/weight", "bias": "{conv}/bias"},
    head=replace(
        HEADS["ssdlite"], size=(300, 300), classes=20,
        draw=partial(ssd, box=Multibox(anchors=caffe_anchors(), overlap=0.45)),
    ),
    labels=VOC,
)  # fmt: skip

NAMINGS = (
    TORCHVISION, TIMM, D_LI14, TONYLINS, KERAS, SLIM, SLIM_DEEPLAB, TRANSFORMERS,
    TRANSFORMERS_DEEPLAB, NUMBERED, FROZEN_DEEPLAB, CAFFE_SSDLITE,
)  # fmt: skip
