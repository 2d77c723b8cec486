"""The heads: the detector and the segmenter count as the paper's, the others as their papers'."""

from __future__ import annotations

import pytest

from spindle.app.predictor import MULTI_SCALE
from spindle.model import cost
from spindle.model.answers import Detect
from spindle.model.family import mobilenet_v2
from spindle.model.graph import TORCH, Graph
from spindle.model.heads import HEADS, tf_anchors
from spindle.model.ops import Conv, Norm


def bare(graph: Graph) -> tuple[int, int]:
    return cost.params_without_norm(graph), graph.madds


@pytest.mark.parametrize(
    ("head", "params", "madds"), [("ssd", 14.773, 1.259), ("ssdlite", 2.097, 0.178)]
)
def test_table_5_extras_and_predictors(head: str, params: float, madds: float) -> None:
    whole, trunk = bare(mobilenet_v2(head=head)), bare(mobilenet_v2(head=head).until("head"))
    assert round((whole[0] - trunk[0]) / 1e6, 3) == params
    assert round((whole[1] - trunk[1]) / 1e9, 3) == madds


def test_table_6_the_whole_detector() -> None:
    graph = mobilenet_v2(head="ssdlite", size=320, classes=80)
    assert (cost.params_without_norm(graph), graph.params) == (4_286_261, 4_337_013)
    assert round(graph.madds / 1e9, 3) == 0.789


@pytest.mark.parametrize(
    ("size", "count", "sides"),
    [(300, 1917, [19, 10, 5, 3, 2, 1]), (320, 2034, [20, 10, 5, 3, 2, 1])],
)
def test_anchors_and_taps_are_the_configuration_s(size: int, count: int, sides: list[int]) -> None:
    graph = mobilenet_v2(head="ssdlite", size=size)
    detect = graph.ops[-1]
    assert isinstance(detect, Detect)
    assert [tensor.shape[0] for tensor in detect.maps] == sides
    assert [tensor.shape[2] for tensor in detect.maps] == [576, 1280, 512, 256, 256, 128]
    assert graph["boxes"].shape == (count, 1, 4) and graph["classes"].shape == (count, 1, 81)
    assert [len(each) for each in tf_anchors()] == [3, 6, 6, 6, 6, 6]


@pytest.mark.parametrize(("head", "params"), [("deeplab", 2_113_557), ("deeplab-aspp", 4_523_541)])
def test_table_7_parameters(head: str, params: int) -> None:
    assert mobilenet_v2(head=head).params == params


def test_table_7_multiply_adds() -> None:
    graph = mobilenet_v2(head="deeplab", size=513, output_stride=16)
    assert round(graph.madds / 1e9, 3) == 2.741
    assert graph.output.shape == (513, 513, 1)


def test_table_7_at_several_scales_and_both_hands() -> None:
    graph = mobilenet_v2(head="deeplab", output_stride=8)
    sides = [int(512 * scale) + 1 for scale in MULTI_SCALE]
    assert round(sum(2 * graph.resized(side, side).madds for side in sides) / 1e9, 2) == 152.33


def test_aspp_rates_follow_the_output_stride() -> None:
    for stride, rates in ((16, [6, 12, 18]), (8, [12, 24, 36])):
        ops = {op.name: op for op in mobilenet_v2(head="deeplab-aspp", output_stride=stride).ops}
        assert [getattr(ops[f"aspp{i}"], "dilation", 0) for i in (1, 2, 3)] == rates


def test_pose_is_simple_baselines() -> None:
    graph = mobilenet_v2(head="pose")
    assert graph["heatmaps"].shape == (64, 48, 17)
    assert graph.params == 9_569_809  # as other ports of the head on this trunk count
    light = mobilenet_v2(head="pose-light")
    assert light["heatmaps"].shape == (64, 48, 17)
    assert light.params < 0.3 * graph.params and light.madds < 0.4 * graph.madds


def test_embedding_has_a_neck_and_may_learn_identities() -> None:
    graph = mobilenet_v2(head="embedding")
    assert [t.shape for t in graph.outputs] == [(1, 1, 1280)]
    assert round(graph.params / 1e6, 1) == 2.2
    learning = mobilenet_v2(head="embedding", classes=751)
    assert [t.name for t in learning.outputs] == ["embedding", "identities"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [(224, 224), (97, 131), (33, 65)])
def test_every_head_takes_any_height_and_width(head: str, size: tuple[int, int]) -> None:
    graph = mobilenet_v2(0.35, size, head)
    assert graph.input.shape == (*size, 3)
    assert graph.resized(128, 96) == mobilenet_v2(0.35, (128, 96), head)


def test_heads_average_as_their_configurations_say() -> None:
    """0.9997 in TensorFlow's heads is 0.0003 in torch; a family of torch keeps its own."""
    for head, eps in (("ssdlite", 1e-3), ("ssd", 1e-3), ("deeplab", 1e-5)):
        trunk = {op.name for op in mobilenet_v2().ops}
        norms = {
            op.norm
            for op in mobilenet_v2(head=head).ops
            if isinstance(op, Conv) and op.norm and op.name not in trunk
        }
        assert norms == {Norm(eps, 0.0003)}
        torch = mobilenet_v2(head=head, family=TORCH)
        assert {op.norm for op in torch.ops if isinstance(op, Conv) and op.norm} == {TORCH.norm}


def test_a_detector_begins_as_its_configuration_says() -> None:
    spreads = {
        op.spread
        for op in mobilenet_v2(head="ssdlite").ops
        if isinstance(op, Conv) and op.name.startswith(("extra", "boxes", "classes"))
    }
    assert spreads == {0.03}
