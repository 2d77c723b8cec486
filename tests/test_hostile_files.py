"""Whatever stands in the place of a model file gets one sentence, and next to no memory."""

from __future__ import annotations

import json
import struct
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spindle.model import weights
from tests.test_record import junk
from tests.test_weights import TINY, Table

Change = Callable[[Table, Table], object]  # of the array table, and of Spindle's own header


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "tiny.safetensors"
    weights.save(TINY, path)
    return path.read_bytes()


def refused(path: Path, content: bytes) -> str:
    """The one sentence with which this content is refused."""
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        weights.load(path)
    said = str(caught.value)
    assert caught.type in (ValueError, weights.NotAModel)
    assert said.startswith(str(path)) and "\n" not in said and len(said) < len(str(path)) + 400
    return said


def taken_apart(content: bytes) -> tuple[Table, Table, bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    table = json.loads(content[8 : 8 + length])
    return table, json.loads(table["__metadata__"]["spindle"]), content[8 + length :]


def put_together(table: Table, header: object, arrays: bytes) -> bytes:
    table = table | {"__metadata__": {"spindle": json.dumps(header)}}
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + arrays


def resigned(header: Table) -> Table:
    """As a careful enemy would sign it."""
    return header | {"hash": weights.digest(header, TINY.weights)}


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, sound: bytes) -> None:
    ends = {*range(80), *range(80, len(sound), 7), *range(len(sound) - 80, len(sound))}
    for length in ends:
        refused(tmp_path / "m.safetensors", sound[:length])


def test_a_file_that_grew_is_refused(tmp_path: Path, sound: bytes) -> None:
    for more in (b"\0", b" " * 4, sound):
        assert "grew" in refused(tmp_path / "m.safetensors", sound + more)


def test_every_flipped_bit_of_every_array_is_noticed(tmp_path: Path, sound: bytes) -> None:
    begins = 8 + struct.unpack("<Q", sound[:8])[0]
    for place in range(begins, len(sound)):
        content = bytearray(sound)
        content[place] ^= 1 << place % 8
        assert "hash" in refused(tmp_path / "m.safetensors", bytes(content))


def without(*keys: str) -> Change:
    def change(_: Table, header: Table) -> None:
        spot = header
        for key in keys[:-1]:
            spot = spot[key]
        del spot[keys[-1]]

    return change


HOSTILE: list[tuple[str, Change, str]] = [
    ("older format", lambda t, h: h.update(format=0), "make it again"),
    ("newer format", lambda t, h: h.update(format=2), "upgrade"),
    ("true format", lambda t, h: h.update(format=True), "its format is"),
    ("long format", lambda t, h: h.update(format="x\n" * 9999), "its format is"),
    ("no format", without("format"), "its format is None"),
    ("no task", without("task"), "no 'task'"),
    ("no labels", without("labels"), "no 'labels'"),
    ("no graph", without("graph"), "no 'graph'"),
    ("no ops", without("graph", "ops"), "no 'ops'"),
    ("no outputs", without("graph", "outputs"), "list of outputs"),
    ("no preprocessing", without("preprocessing"), "no 'preprocessing'"),
    ("no versions", without("versions"), "no 'versions'"),
    ("no recipe", without("recipe"), "no 'recipe'"),
    ("no hash", without("hash"), "hash"),
    ("strange task", lambda t, h: h.update(task="__class__"), "its task is"),
    ("number labels", lambda t, h: h.update(labels=[1, 2, 3]), "not all plain text"),
    ("one text for labels", lambda t, h: h.update(labels="abc"), "no 'labels'"),
    ("list source", lambda t, h: h.update(source=[["x"]]), "not all plain text"),
    ("number version", lambda t, h: h.update(versions={"spindle": 1}), "not all plain text"),
    ("NaN metric", lambda t, h: h.update(metrics={"x": float("nan")}), "not all numbers"),
    ("text metric", lambda t, h: h.update(metrics={"x": "1"}), "not all numbers"),
    ("huge channels", lambda t, h: h["graph"]["ops"][0].update(channels=2**40), "out of range"),
    ("large channels", lambda t, h: h["graph"]["ops"][2].update(channels=2**20), "should be"),
    ("circle", lambda t, h: h["graph"]["ops"][0].update(inputs=["stem"]), "earlier"),
    ("later", lambda t, h: h["graph"]["ops"][0].update(inputs=["logits"]), "earlier"),
    ("class name", lambda t, h: h["graph"]["ops"][0].update(name="__class__"), "op name"),
    ("unknown kind", lambda t, h: h["graph"]["ops"][0].update(kind="Exec"), "kind"),
    ("twice", lambda t, h: h["graph"]["ops"].append(h["graph"]["ops"][0]), "two ops"),
    ("NaN mean", lambda t, h: h["preprocessing"].update(mean=[float("nan")] * 3), "cannot be"),
    ("second picture", lambda t, h: h["graph"]["ops"].append(h["preprocessing"]), "two ops"),
    ("huge array", lambda t, h: t["logits.bias"].update(shape=[2**40]), "should be"),
    ("negative array", lambda t, h: t["logits.bias"].update(shape=[-3]), "should be"),
    ("text shape", lambda t, h: t["logits.bias"].update(shape="3"), "no array"),
    ("half shape", lambda t, h: t["logits.bias"].update(shape=[3.0]), "no array"),
    ("half precision", lambda t, h: t["logits.bias"].update(dtype="F16"), "no array"),
    ("no offsets", lambda t, h: t["logits.bias"].pop("data_offsets"), "no array"),
    ("one offset", lambda t, h: t["logits.bias"].update(data_offsets=[0]), "no array"),
    ("text offsets", lambda t, h: t["logits.bias"].update(data_offsets=["0", "4"]), "no array"),
    ("null array", lambda t, h: t.update({"logits.bias": None}), "no array"),
    ("list array", lambda t, h: t.update({"logits.bias": []}), "no array"),
    ("far", lambda t, h: t["stem.var"].update(data_offsets=[0, 10**400]), "grew"),
    ("overlap", lambda t, h: t["logits.bias"].update(data_offsets=[4, 16]), "offset"),
    ("backwards", lambda t, h: t["logits.bias"].update(data_offsets=[12, 0]), "offset"),
    ("negative", lambda t, h: t["logits.bias"].update(data_offsets=[-12, 0]), "no model file"),
    ("more arrays", lambda t, h: t.update({"x\ny": t["logits.bias"]}), "belongs to no op"),
    ("no arrays", lambda t, h: t.clear(), "grew"),
]


@pytest.mark.parametrize(("change", "reason"), [pytest.param(c, r, id=n) for n, c, r in HOSTILE])
def test_a_hostile_header_is_refused_for_what_it_is(
    tmp_path: Path, sound: bytes, change: Change, reason: str
) -> None:
    table, header, arrays = taken_apart(sound)
    signed = "hash" in reason
    change(table, header)
    content = put_together(table, header if signed else resigned(header), arrays)
    assert reason in refused(tmp_path / "m.safetensors", content)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, sound: bytes, number: float
) -> None:
    table, header, arrays = taken_apart(sound)
    content = bytearray(arrays)
    start, end = table["logits.weight"]["data_offsets"]
    content[end - 4 : end] = struct.pack("<f", number)
    broken = np.frombuffer(content[start:end], np.float32).reshape(3, 1, 1, 4)
    header["hash"] = weights.digest(header, TINY.weights | {"logits.weight": broken})
    said = refused(tmp_path / "m.safetensors", put_together(table, header, bytes(content)))
    assert "logits.weight holds numbers that are not finite" in said


def length_of(length: int, rest: bytes = b"{}") -> bytes:
    return struct.pack("<Q", length) + rest


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 8, b"\0" * 4096, b"PK\x03\x04" * 999, b"\x89PNG\r\n\x1a\n" * 999,
        length_of(2**63), length_of(2**64 - 1), length_of(1 << 20, b"{}" * 999),
        length_of(2), length_of(2, b"[]"), length_of(2, b"\xff\xfe"), length_of(4, b"null"),
        length_of(200_000, b"[" * 200_000), length_of(300_000, b'{"a":' * 60_000),
        length_of(20, b'{"__metadata__":[1]}'), length_of(19, b'{"__metadata__":{}}'),
        put_together({}, None, b""), put_together({}, [], b""), put_together({}, "", b""),
        put_together({}, {"format": 1}, b""), put_together({"a": 1}, {"format": 1}, b""),
    ],
    ids=range(21),
)  # fmt: skip
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path / "m.safetensors", content)


def test_a_header_nested_too_deep_is_refused(tmp_path: Path, sound: bytes) -> None:
    table, _, arrays = taken_apart(sound)
    table["__metadata__"] = {"spindle": "[" * 100_000}
    text = json.dumps(table).encode()
    content = struct.pack("<Q", len(text)) + text + arrays
    assert "deep" in refused(tmp_path / "m.safetensors", content) or sys.version_info >= (3, 12)


def test_two_values_under_one_name_are_refused(tmp_path: Path, sound: bytes) -> None:
    (length,) = struct.unpack("<Q", sound[:8])
    for text in (
        sound[8 : 8 + length].replace(b'"logits.bias":{', b'"logits.bias":{"dtype":"F32",'),
        sound[8 : 8 + length].replace(b'\\"task\\":', b'\\"task\\": \\"embed\\", \\"task\\":'),
    ):
        content = struct.pack("<Q", len(text)) + text + sound[8 + length :]
        assert "two values under one name" in refused(tmp_path / "m.safetensors", content)


def test_somebody_elses_weights_are_told_apart(tmp_path: Path, sound: bytes) -> None:
    table, _, arrays = taken_apart(sound)
    del table["__metadata__"]
    text = json.dumps(table).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + arrays)
    with pytest.raises(weights.NotAModel, match="without a Spindle header"):
        weights.load(tmp_path / "m.safetensors")


def test_a_small_file_that_claims_much_takes_little_memory(tmp_path: Path, sound: bytes) -> None:
    table, header, arrays = taken_apart(sound)
    claims = [length_of(2**40, sound[8:])]
    for shape in ([2**40], [2**20, 2**20], [1, 2**40, 1]):
        entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 2**42]}
        claims.append(put_together(table | {"logits.weight": entry}, header, arrays))
    header["graph"]["ops"][0]["channels"] = 2**20
    header["preprocessing"] |= {"height": 2**15, "width": 2**15}
    claims.append(put_together(table, resigned(header), arrays))
    tracemalloc.start()
    try:
        for content in claims:
            refused(tmp_path / "m.safetensors", content)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def opened_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        model = weights.load(path)
    except ValueError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert model.graph.arrays.keys() == model.weights.keys()


@settings(max_examples=150)
@given(draw=st.data())
def test_random_bytes_anywhere_only_ever_give_a_sentence(
    draw: st.DataObject, sound: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(sound)
    for _ in range(draw.draw(st.integers(1, 8))):
        place = draw.draw(st.integers(0, len(content)))
        match draw.draw(st.sampled_from(["set", "cut", "add"])):
            case "set":
                content[place : place + 1] = draw.draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del content[place : place + draw.draw(st.integers(1, 40))]
            case "add":
                content[place:place] = draw.draw(st.binary(max_size=8))
    opened_or_refused(tmp_path_factory.getbasetemp() / "fuzzed.safetensors", bytes(content))


@settings(max_examples=150)
@given(draw=st.data())
def test_anything_anywhere_in_the_header_only_ever_gives_a_sentence(
    draw: st.DataObject, sound: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table, header, arrays = taken_apart(sound)
    for _ in range(draw.draw(st.integers(1, 3))):
        spot: Any = draw.draw(st.sampled_from([table, header]))
        while True:
            keys = sorted(spot) if isinstance(spot, dict) else range(len(spot))
            key = draw.draw(st.sampled_from(keys))
            if not isinstance(spot[key], dict | list) or not spot[key] or draw.draw(st.booleans()):
                break
            spot = spot[key]
        if draw.draw(st.booleans()):
            spot[key] = draw.draw(junk())
        else:
            del spot[key]
        if not header or not table:
            break
    content = put_together(table, resigned(header), arrays)
    opened_or_refused(tmp_path_factory.getbasetemp() / "fuzzed.safetensors", content)
