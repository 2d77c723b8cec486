"""The paper's numbers, exactly: all 22 official points and the baseline."""

from __future__ import annotations

import pytest

from spindle.model import cost
from spindle.model.family import VARIANTS, mobilenet_v1, mobilenet_v2, point
from spindle.model.graph import FAMILIES

# width, size: multiply-adds; width: parameters without norm, and with it
MADDS = {
    "1.4-224": 582_195_824, "1.3-224": 509_374_560,
    "1.0-224": 300_774_272, "1.0-192": 221_316_608, "1.0-160": 154_083_200,
    "1.0-128": 99_074_048, "1.0-96": 56_289_152,
    "0.75-224": 209_069_792, "0.75-192": 153_941_888, "0.75-160": 107_295_200,
    "0.75-128": 69_129_728, "0.75-96": 39_445_472,
    "0.5-224": 97_131_840, "0.5-192": 71_701_760, "0.5-160": 50_184_000,
    "0.5-128": 32_578_560, "0.5-96": 18_885_440,
    "0.35-224": 59_285_808, "0.35-192": 43_896_512, "0.35-160": 30_874_800,
    "0.35-128": 20_220_672, "0.35-96": 11_934_128,
}  # fmt: skip
PARAMS = {
    1.4: (6_060_840, 6_108_776), 1.3: (5_342_536, 5_386_792), 1.0: (3_470_760, 3_504_872),
    0.75: (2_609_784, 2_636_424), 0.5: (1_950_136, 1_968_680), 0.35: (1_663_048, 1_677_128),
}  # fmt: skip


def test_the_family_is_the_paper_s() -> None:
    assert list(VARIANTS) == list(MADDS)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("family", ["paper", "torch"])
def test_every_point_counts_as_published(name: str, family: str) -> None:
    from_name = point(f"mobilenetv2-{name}")
    assert from_name is VARIANTS[name]
    graph = mobilenet_v2(from_name.width, from_name.size, family=FAMILIES[family])
    assert graph.madds == MADDS[name]
    assert (cost.params_without_norm(graph), graph.params) == PARAMS[from_name.width]


def test_the_widths_in_between_follow_the_rule_of_eight() -> None:
    """A quarter of the width is one that d-li14 trained, and counts as 1.519M."""
    assert round(mobilenet_v2(0.25).params / 1e6, 3) == 1.519
    assert mobilenet_v2(1.3)["head"].shape == (7, 7, 1664)
    assert mobilenet_v2(0.35)["head"].shape == (7, 7, 1280)


def test_version_one_is_the_paper_s_baseline() -> None:
    graph = mobilenet_v1()
    assert graph.madds == 568_740_352
    assert graph.params == 4_231_976
    assert round(cost.params_without_norm(graph) / 1e6, 1) == 4.2


def test_norm_and_activations_explain_what_other_tools_print() -> None:
    printed = {name: count for name, (count, _) in cost.conventions(mobilenet_v2()).items()}
    assert printed["paper"] == 300_774_272
    assert printed["norm once"] - printed["paper"] == 6_678_112
    assert round(printed["norm once"] / 1e6, 2) == 307.45
    assert round(printed["norm twice"] / 1e6, 2) == 314.13


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_output_stride_changes_the_sizes_and_never_the_weights(stride: int) -> None:
    graph = mobilenet_v2(output_stride=stride)
    assert graph["block17"].shape[:2] == (224 // stride, 224 // stride)
    assert graph.arrays == mobilenet_v2().arrays


def test_any_height_and_width() -> None:
    graph = mobilenet_v2(0.5, (97, 161))
    assert [graph[f"block{n:02}"].shape[:2] for n in (1, 2, 4, 7, 14)] == [
        (49, 81), (25, 41), (13, 21), (7, 11), (4, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"width": 0}, "width 0 is out of range"),
        ({"width": float("nan")}, "width nan is out of range"),
        ({"size": 0}, "height 0 is out of range"),
        ({"size": (224, -1)}, "width -1 is out of range"),
        ({"size": 10**7}, "height 10000000 is out of range"),
        ({"size": 100_000}, "larger than any machine"),
        ({"head": "hat"}, "there is no head 'hat'"),
        ({"classes": 0}, "at least one"),
        ({"output_stride": 4}, "none of 8, 16 and 32"),
    ],
)
def test_what_cannot_be_drawn_is_said(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        mobilenet_v2(**wrong)  # type: ignore[arg-type]


def test_a_point_nobody_published_is_said() -> None:
    assert point("mobilenetv2") is None
    with pytest.raises(ValueError, match="none of the paper's points"):
        point("mobilenetv2-1.0-225")
