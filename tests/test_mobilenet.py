"""The trunk: Table 2, the block, its ablations, and dilation where stride ends."""

from __future__ import annotations

import pytest

from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.mobilenet import Ablation, atrous, round_to_8
from spindle.model.ops import Add, Conv


def conv(graph_op: object) -> Conv:
    assert isinstance(graph_op, Conv)
    return graph_op


def test_seventeen_bottlenecks_ten_of_them_with_a_shortcut() -> None:
    graph = mobilenet_v2()
    assert sum(op.name.endswith("_filter") for op in graph.ops) == 17
    assert sum(isinstance(op, Add) for op in graph.ops) == 10
    assert "block01_expand" not in {op.name for op in graph.ops}


def test_relu6_everywhere_but_on_the_projection() -> None:
    for op in mobilenet_v2().ops:
        if isinstance(op, Conv) and op.name != "logits":
            assert op.act == (None if op.name.endswith("_project") else "relu6")


def test_relu6_bottleneck_is_an_ablation() -> None:
    graph = mobilenet_v2(ablation=Ablation(linear=False))
    assert conv(next(op for op in graph.ops if op.name == "block05_project")).act == "relu6"
    assert graph.params == mobilenet_v2().params


@pytest.mark.parametrize(("shortcut", "end"), [("bottleneck", "project"), ("expansion", "expand")])
def test_where_the_shortcut_joins_is_an_ablation(shortcut: str, end: str) -> None:
    graph = mobilenet_v2(ablation=Ablation(shortcut=shortcut))  # type: ignore[arg-type]
    adds = [op for op in graph.ops if isinstance(op, Add)]
    assert len(adds) == 10
    assert all(op.inputs[0].name == f"{op.name[:7]}_{end}" for op in adds)
    assert (graph.madds, graph.params) == (mobilenet_v2().madds, mobilenet_v2().params)


def test_a_network_without_shortcuts_is_an_ablation() -> None:
    assert not any(
        isinstance(op, Add) for op in mobilenet_v2(ablation=Ablation(shortcut="none")).ops
    )


def test_expansion_is_an_ablation() -> None:
    graph = mobilenet_v2(ablation=Ablation(expansion=3))
    assert graph["block02_expand"].shape[2] == 48 and graph["block17_expand"].shape[2] == 480
    assert mobilenet_v2(ablation=Ablation(expansion=6)) == mobilenet_v2()


def test_dilation_takes_the_place_of_stride() -> None:
    """As slim has it: the layer that loses its stride keeps the rate before it."""
    rates = {}
    for stride in (16, 8):
        ops = {op.name: op for op in mobilenet_v2(size=513, output_stride=stride).ops}
        rates[stride] = [conv(ops[f"block{n:02}_filter"]).dilation for n in range(6, 18)]
    assert rates[16] == [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2]
    assert rates[8] == [1, 1, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4]


def test_strides_multiply_to_the_output_stride() -> None:
    for stride in (8, 16, 32):
        taken = 2
        for step, _ in atrous(iter((1, 2, 1, 2, 1, 2, 1, 2)), stride):
            taken *= step
        assert taken == stride


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(32 * 0.35, 16), (16 * 0.35, 8), (24 * 0.75, 24), (96 * 1.4, 136), (320 * 0.35, 112), (1, 8)],
)
def test_round_to_8(channels: float, rounded: int) -> None:
    assert round_to_8(channels) == rounded


def test_features_have_names() -> None:
    graph = mobilenet_v2()
    assert graph["block03"].name == "block03_add" and graph["block04"].name == "block04_project"
    part = graph.until("block07", "stem")
    assert [tensor.shape for tensor in part.outputs] == [(14, 14, 64), (112, 112, 32)]
    assert part.ops[-1].name == "block07_project"
    with pytest.raises(ValueError, match="there is no 'block18'.*block17, head"):
        graph["block18"]


def test_version_one_takes_the_same_heads() -> None:
    for head in ("ssdlite", "deeplab", "pose", "embedding"):
        assert mobilenet_v1(0.5, head=head).params > 100_000
    assert round(mobilenet_v1(head="ssdlite").params / 1e6, 1) == 5.1
