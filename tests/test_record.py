"""A graph written down comes back equal; anything else is refused in words."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spindle.model import record
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import FAMILIES
from spindle.model.heads import HEADS
from spindle.model.ops import Op

SOUND = record.to_json(mobilenet_v2(0.35, 64, classes=3))
DETECT = record.to_json(mobilenet_v2(0.35, 64, "ssdlite", 3))
Json = Any


def junk() -> st.SearchStrategy[Json]:
    """Values of every type JSON has, those that hurt among them."""
    plain = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
        st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e308, "same", "image", "stem", "Conv"]),
    )  # fmt: skip
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_comes_back_equal(head: str, family: str) -> None:
    for make in (mobilenet_v1, mobilenet_v2):
        graph = make(0.35, (64, 96), head, 3, family=FAMILIES[family])
        again = record.from_json(json.loads(json.dumps(record.to_json(graph))))
        assert again == graph
        assert again.arrays == graph.arrays


def test_every_kind_of_op_can_be_written_down() -> None:
    def below(kind: type[Op]) -> set[type[Op]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    ours = {kind for kind in below(Op) if kind.__module__.startswith("spindle.model.")}
    assert ours - {Op} == set(record.KINDS)


def refused(data: Json) -> str:
    with pytest.raises(ValueError) as caught:
        record.from_json(data)
    assert caught.type is ValueError
    return str(caught.value)


def changed(op: int, **settings: Json) -> Json:
    data = deepcopy(SOUND)
    data["ops"][op] |= settings
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "a list of ops"),
        ([], "a list of ops"),
        ({"ops": {}, "outputs": []}, "a list of ops"),
        ({"ops": [], "outputs": []}, "0 ops"),
        ({"ops": [{}] * 10_001, "outputs": []}, "10001 ops"),
        (SOUND | {"outputs": []}, "has an output"),
        (SOUND | {"outputs": ["nobody"]}, "made by no earlier op"),
        (SOUND | {"outputs": [3]}, "cannot be"),
        (SOUND | {"outputs": [{"name": "stem", "shape": [1, 1, 1]}]}, "cannot be"),
        (SOUND | {"ops": ["Conv"]}, "no known kind"),
        (SOUND | {"ops": [SOUND["ops"][0] | {"kind": "Add"}]}, "should not have"),
        (
            SOUND | {"ops": [{"kind": "Concat", "name": "a", "inputs": []}]},
            "begins with its picture",
        ),
        (SOUND | {"ops": [{"kind": "Mean", "name": "a", "inputs": []}]}, "begins with its picture"),
        (SOUND | {"ops": [*SOUND["ops"], SOUND["ops"][0] | {"name": "two"}]}, "has one"),
        (SOUND | {"ops": [*SOUND["ops"], SOUND["ops"][-1]]}, "two ops are called"),
        (changed(1, kind="Op"), "no known kind"),
        (changed(1, kind="__class__"), "no known kind"),
        (changed(1, kind=["Conv"]), "no known kind"),
        (changed(1, name="__class__"), "no op name"),
        (changed(1, name="a\nb"), "no op name"),
        (changed(1, name="a" * 65), "no op name"),
        (changed(1, name=7), "cannot be"),
        (changed(1, inputs=["stem"]), "made by no earlier op"),  # a circle
        (changed(1, inputs=["head"]), "made by no earlier op"),
        (changed(1, inputs=[{"name": "image", "shape": [64, 64, 3]}]), "cannot be"),
        (changed(1, inputs="image"), "cannot be"),
        (changed(1, inputs=["image", "image"]), "one input"),
        (changed(1, output=3), "should not have"),
        (changed(1, channels=True), "cannot be"),
        (changed(1, channels=16.0), "cannot be"),
        (changed(1, channels=0), "out of range"),
        (changed(1, channels=2**40), "out of range"),
        (changed(1, groups=0), "out of range"),
        (changed(1, groups=2), "divide"),
        (changed(1, stride=-2), "out of range"),
        (changed(1, padding=-1), "out of range"),
        (changed(1, padding="valid"), "cannot be"),
        (changed(1, act="tanh"), "cannot be"),
        (changed(1, drop=float("nan")), "cannot be"),
        (changed(1, drop=1.0), "drop"),
        (changed(1, spread=float("inf")), "cannot be"),
        (changed(1, spread=10**400), "cannot be"),
        (changed(1, norm={"eps": 1e-3, "momentum": "0"}), "cannot be"),
        (changed(1, norm={"eps": 1e-3, "other": 0}), "cannot be"),
        (changed(0, height=2**20, width=2**20), "larger than any machine"),
        (changed(0, std=[0, 1, 1]), "positive"),
        (changed(0, mean=[]), "one mean"),
        (changed(0, fraction=0), "positive"),
        (DETECT | {"ops": DETECT["ops"][:-1] + [DETECT["ops"][-1] | {"anchors": []}]}, "anchors"),
        (DETECT | {"ops": DETECT["ops"][:-1] + [DETECT["ops"][-1] | {"maps": []}]}, "anchors"),
        (DETECT | {"ops": DETECT["ops"][:-1] + [DETECT["ops"][-1] | {"most": 0}]}, "range"),
    ],
)
def test_what_is_no_graph_is_refused_with_a_reason(data: Json, reason: str) -> None:
    assert reason in refused(data)


def test_a_missing_setting_is_named() -> None:
    data = deepcopy(SOUND)
    del data["ops"][1]["channels"]
    assert "lacks channels" in refused(data)


def test_no_tensor_exists_that_no_op_has_made() -> None:
    """A file cannot smuggle a shape in beside the ops."""
    forged = {"name": "stem", "shape": [1, 1, 1]}
    data = deepcopy(DETECT)
    data["ops"][-1]["image"] = forged
    assert "cannot be" in refused(data)


@settings(max_examples=80)
@given(st.data())
def test_a_graph_with_anything_anywhere_is_read_or_refused(draw: st.DataObject) -> None:
    data = deepcopy(draw.draw(st.sampled_from([SOUND, DETECT])))
    for _ in range(draw.draw(st.integers(1, 3))):
        spot = draw.draw(st.sampled_from(["ops", "outputs", "op", "setting", "gone"]))
        op = data["ops"][draw.draw(st.integers(0, 70)) % len(data["ops"])] if data["ops"] else {}
        if spot in ("ops", "outputs"):
            data[spot] = draw.draw(st.lists(junk(), max_size=3))
        elif spot == "op" and data["ops"]:
            data["ops"][-1] = draw.draw(junk())
        elif isinstance(op, dict) and op:
            name = draw.draw(st.sampled_from(sorted(op)))
            if spot == "gone":
                del op[name]
            else:
                op[name] = draw.draw(junk())
    try:
        graph = record.from_json(data)
    except ValueError as error:
        assert str(error)
    else:
        assert record.from_json(record.to_json(graph)) == graph
