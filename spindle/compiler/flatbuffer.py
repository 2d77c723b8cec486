"""How is a record written as a flat buffer?  Tables whose fields are found by offsets, top down."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNED = 16  # where an array begins, so that whoever maps the file may use it as it lies


@dataclass(frozen=True)
class Number:
    """A field that lies in its table; the form is struct's."""

    form: str
    value: float


class Table(dict[int, Any]):
    """Fields by their place in the schema: Number, Table, str, array, or a list of Tables."""


def write(root: Table, identifier: bytes) -> bytes:
    """The bytes of a whole buffer: every child lies after whatever names it."""
    out = bytearray(4) + identifier
    waiting: list[tuple[int, Any]] = [(0, root)]
    while waiting:
        place, child = waiting.pop(0)
        match child:
            case Table():
                at, more = table(out, child)
            case list():
                at, more = align(out, 4), []
                out += struct.pack("<I", len(child)) + bytes(4 * len(child))
                more = [(at + 4 + 4 * i, item) for i, item in enumerate(child)]
            case str():
                text = child.encode()
                at, more = align(out, 4), []
                out += struct.pack("<I", len(text)) + text + b"\0"
            case _:
                at, more = vector(out, child), []
        struct.pack_into("<I", out, place, at - place)
        waiting += more
    return bytes(out)


def table(out: bytearray, fields: Table) -> tuple[int, list[tuple[int, Any]]]:
    """Writes a table behind its own directory; gives its place, and where its children's go."""
    slots, body = [0] * (max(fields, default=-1) + 1), bytearray(4)
    children = []
    for slot, value in sorted(fields.items()):
        size = struct.calcsize(value.form) if isinstance(value, Number) else 4
        slots[slot] = align(body, size)
        if isinstance(value, Number):
            body += struct.pack(f"<{value.form}", value.value)
        else:
            children.append((slots[slot], value))
            body += bytes(4)
    directory = struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), len(body), *slots)
    align(out, 8, ahead=len(directory))
    out += directory
    at = len(out)
    struct.pack_into("<i", body, 0, len(directory))
    out += body
    return at, [(at + offset, child) for offset, child in children]


def vector(out: bytearray, array: NDArray[Any]) -> int:
    """Writes an array's numbers behind their count; gives its place."""
    raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    align(out, ALIGNED, ahead=4)
    at = len(out)
    out += struct.pack("<I", raw.size) + raw.tobytes()
    return at


def align(out: bytearray, size: int, ahead: int = 0) -> int:
    """Zeros until what comes `ahead` bytes from here stands at a multiple of this size."""
    out += bytes(-(len(out) + ahead) % size)
    return len(out)
