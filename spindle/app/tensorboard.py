"""How does a run look to TensorBoard?  Its event file: records of protocol buffers, checksummed."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from spindle.training.bundle import checksum

NOT_CURVES = {"epoch", "step", "time"}


def events(rows: Iterable[dict[str, Any]]) -> bytes:
    """The whole file for the rows of metrics.jsonl: one event a row, one curve a number in it."""
    rows = list(rows)
    first = message(double(1, rows[0]["time"] if rows else 0.0), text(3, b"brain.Event:2"))
    return record(first) + b"".join(record(event(row)) for row in rows)


def event(row: dict[str, Any]) -> bytes:
    values = [
        text(1, message(text(1, name.encode()), struct.pack("<Bf", 2 << 3 | 5, value)))
        for name, value in row.items()
        if isinstance(value, int | float) and name not in NOT_CURVES
    ]
    return message(double(1, row["time"]), b"\x10" + number(row["step"]), text(5, message(*values)))


def record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    sums = (struct.pack("<I", checksum(part)) for part in (length, content))
    return length + next(sums) + content + next(sums)


def message(*fields: bytes) -> bytes:
    return b"".join(fields)


def double(key: int, value: float) -> bytes:
    return struct.pack("<Bd", key << 3 | 1, value)


def text(key: int, content: bytes) -> bytes:
    return bytes([key << 3 | 2]) + number(len(content)) + content


def number(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + number(high) if high else bytes([low])
