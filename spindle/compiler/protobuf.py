"""How is a record written as protocol buffers?  In numbered fields that say their length."""

from __future__ import annotations

import struct
from collections.abc import Iterable

Value = int | float | str | bytes
VARINT, LENGTH, FIXED32 = 0, 2, 5


def message(*fields: tuple[int, Value | Iterable[Value]]) -> bytes:
    """Fields in the order given: the same ones make the same bytes.  A list is a repeated field."""
    return b"".join(
        written(number, value)
        for number, values in fields
        for value in ((values,) if isinstance(values, Value) else values)
    )


def written(number: int, value: Value) -> bytes:
    match value:
        case int():
            return varint(number << 3 | VARINT) + varint(value % (1 << 64))
        case float():
            return varint(number << 3 | FIXED32) + struct.pack("<f", value)
        case str():
            value = value.encode()
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
