"""How is a TensorFlow checkpoint read without TensorFlow?

`NAME.index` is a sorted string table: blocks of (key, value) whose keys share prefixes, an index
block that finds them, a footer that finds the index.  Each value is a small protocol buffer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC, FOOTER = 0xDB4775248B80FB57, 48
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
Fields = dict[int, list[Any]]


def read_bundle(index: Path) -> dict[str, NDArray[Any]]:
    """Every array of the checkpoint that `index` describes."""
    data = index.read_bytes()
    if len(data) < FOOTER or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise ValueError("it is no TensorFlow checkpoint index")
    _, at = handle(data, len(data) - FOOTER)
    (start, size), _ = handle(data, at)
    entries = {
        key: fields(value)
        for _, place in block(data, start, size)
        for key, value in block(data, *handle(place, 0)[0])
    }
    shards = entries.pop(b"")[1][0]
    return {
        key.decode(): array
        for key, entry in entries.items()
        if (array := read_array(index, entry, shards)) is not None
    }


def read_array(index: Path, entry: Fields, shards: int) -> NDArray[Any] | None:
    """One array from the file its entry names; None for strings and other things not numbers."""
    dtype = DTYPES.get(first(entry, 1))
    if dtype is None or 7 in entry:
        return None
    shape = [first(fields(dim), 1) for dim in fields(first(entry, 2, b"")).get(2, [])]
    offset, size = first(entry, 4), first(entry, 5)
    if size != prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError(f"its index speaks of {size} bytes for the shape {shape}")
    path = index.with_suffix(f".data-{first(entry, 3):05}-of-{shards:05}")
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) != size:
        raise ValueError(f"{path.name} was cut short")
    return np.frombuffer(content, dtype).reshape(shape)


def block(data: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of one block; each key is the end of the one before, renewed."""
    if data[start + size] != 0:
        raise ValueError("its index is compressed, which TensorFlow's own never is")
    (restarts,) = struct.unpack_from("<I", data, start + size - 4)
    at, end, key = start, start + size - 4 * (restarts + 1), b""
    while at < end:
        shared, at = varint(data, at)
        fresh, at = varint(data, at)
        length, at = varint(data, at)
        key = key[:shared] + data[at : at + fresh]
        at += fresh + length
        yield key, data[at - length : at]


def handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and how long it is; then where the next handle begins."""
    start, at = varint(data, at)
    size, at = varint(data, at)
    return (start, size), at


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(message: bytes) -> Fields:
    """A protocol buffer as its numbered fields: integers and bytes."""
    found: Fields = {}
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = varint(message, at)
            case 2:
                length, at = varint(message, at)
                value, at = message[at : at + length], at + length
            case wire:
                length = {1: 8, 5: 4}[wire]
                value, at = int.from_bytes(message[at : at + length], "little"), at + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def first(entry: Fields, number: int, default: Any = 0) -> Any:
    return entry.get(number, [default])[0]
