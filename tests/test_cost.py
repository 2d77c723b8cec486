"""Memory as the paper counts it: op by op, in place, block by block, and split (section 5.1)."""

from __future__ import annotations

import pytest

from spindle.model.blocks import Block, steps
from spindle.model.cost import memory, peak
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import Builder


def test_memory_of_the_paper_s_network() -> None:
    assert memory(mobilenet_v2()) == {
        "op_by_op": {"int8": 1_505_280, "float32": 6_021_120},
        "in_place": {"int8": 1_404_928, "float32": 5_619_712},
        "block": {"int8": 602_112, "float32": 2_408_448},
        "split": {"int8": 614_656, "float32": 2_458_624},
    }


@pytest.mark.parametrize(
    ("t", "float32"), [(2, 4_114_432), (3, 3_110_912), (5, 2_759_680), (None, 2_458_624)]
)
def test_splitting_in_more_parts_takes_less(t: int | None, float32: int) -> None:
    assert 4 * peak(mobilenet_v2(), "split", t)[0] == float32


def test_where_the_worst_moment_is() -> None:
    graph = mobilenet_v2()
    assert peak(graph, "op_by_op")[1] == "block02_filter"
    assert peak(graph, "in_place")[1] == "block02_expand"
    assert peak(graph, "block")[1] == "block01_project"


def test_a_tensor_lives_until_its_last_reader() -> None:
    g = Builder((8, 8))
    a = g.conv(g.image, "a", 4)
    b = g.conv(a, "b", 16)
    c = g.sum(a, g.conv(b, "c", 4), "d")
    graph = g.graph(c)
    assert peak(graph) == (64 * (4 + 16 + 4), "c")  # a waits for the sum


def test_nothing_is_written_over_that_is_still_read() -> None:
    g = Builder((32, 32))
    x = g.conv(g.image, "stem", 8, 3)
    graph = g.graph(x, g.depthwise(x, "filter"))
    assert peak(graph, "in_place") == peak(graph, "op_by_op") == (2 * 8 * 32 * 32, "filter")


def test_blocks_are_found_by_their_shape() -> None:
    found = [step for step in steps(mobilenet_v2()) if isinstance(step, Block)]
    assert len(found) == 17 and sum(block.shortcut is not None for block in found) == 10
    assert found[0].expand is None and all(block.expand for block in found[1:])
    assert sum(isinstance(step, Block) for step in steps(mobilenet_v1())) == 13


def test_a_wide_tensor_that_others_read_is_no_inner_one() -> None:
    blocks = [s for s in steps(mobilenet_v2(head="ssdlite")) if isinstance(s, Block)]
    tapped = next(block for block in blocks if block.filter.name == "block14_filter")
    assert tapped.expand is None
    inner = {tensor.name for block in blocks for tensor in block.inner}
    assert "block14_expand" not in inner and "block13_expand" in inner


def test_a_feature_asked_for_is_kept_whole() -> None:
    graph = mobilenet_v2().until("block05_filter", "probabilities")
    inner = {t.name for s in steps(graph) if isinstance(s, Block) for t in s.inner}
    assert "block05_filter" not in inner


@pytest.mark.parametrize("head", ["ssdlite", "deeplab", "pose", "embedding"])
def test_less_is_never_more(head: str) -> None:
    peaks = memory(mobilenet_v2(0.5, (160, 128), head))
    assert peaks["block"]["int8"] <= peaks["split"]["int8"] <= peaks["op_by_op"]["int8"]
    assert all(4 * each["int8"] == each["float32"] for each in peaks.values())
