"""What is written is what the makers' own reader finds, where it wants it."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.compiler.flatbuffer import Number, Table, write

flatbuffers = pytest.importorskip("flatbuffers")


@given(st.text(max_size=20), st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9), st.booleans())
def test_a_table_reads_back(name: str, numbers: list[int], flag: bool) -> None:
    """By the library that the format's makers give to Python."""
    inner = Table({1: name, 2: np.array(numbers, np.int32)})
    root = Table({0: Number("?", flag), 2: [inner, Table()], 3: Number("q", -5)})
    content = bytearray(write(root, b"TEST"))
    assert content[4:8] == b"TEST"
    (at,) = struct.unpack_from("<I", content)
    read = flatbuffers.table.Table(content, at)
    kinds = flatbuffers.number_types
    assert read.Get(kinds.BoolFlags, at + read.Offset(4)) == flag
    assert read.Offset(6) == 0  # a field that was not said
    assert read.Get(kinds.Int64Flags, at + read.Offset(10)) == -5
    assert (at + read.Offset(10)) % 8 == 0
    assert read.VectorLen(read.Offset(8)) == 2
    child = flatbuffers.table.Table(content, read.Indirect(read.Vector(read.Offset(8))))
    assert child.String(child.Pos + child.Offset(6)).decode() == name
    assert child.Vector(child.Offset(8)) % 16 == 0
    found = child.GetVectorAsNumpy(kinds.Int32Flags, child.Offset(8)) if numbers else []
    assert list(found) == numbers
