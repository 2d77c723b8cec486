"""What is written is what Google's own reader reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.compiler.protobuf import message, varint

descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")


@given(st.text(max_size=200), st.lists(st.text(max_size=9)), st.integers(-(2**31), 2**31 - 1))
def test_a_message_reads_back(name: str, needs: list[str], weak: int) -> None:
    inner = message((1, "field"), (3, weak))
    made = message((1, name), (3, needs), (6, [inner]), (11, weak))
    read = descriptor_pb2.FileDescriptorProto.FromString(made)
    assert (read.name, list(read.dependency), list(read.weak_dependency)) == (name, needs, [weak])
    assert read.extension == [] and len(read.service) == 1


@given(st.integers(0, 2**64 - 1))
def test_seven_bits_a_byte(value: int) -> None:
    made = varint(value)
    assert sum((byte & 127) << 7 * place for place, byte in enumerate(made)) == value
    assert all(byte > 127 for byte in made[:-1]) and made[-1] < 128


def test_floats_are_four_bytes() -> None:
    assert message((2, 1.5)) == b"\x15\x00\x00\xc0\x3f"
    assert message((7, [])) == b""
