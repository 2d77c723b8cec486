"""How is a TensorFlow checkpoint read without TensorFlow?

`NAME.index` is a sorted string table: blocks of (key, value) whose keys share prefixes, an index
block that finds them, a footer that finds the index.  Each value is a small protocol buffer.
Nothing the file says of a place or a length is believed before it is compared with what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC, FOOTER, TRAILER = 0xDB4775248B80FB57, 48, 5  # a block's trailer: its kind, its checksum
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
MOST_KEYS, LONGEST_KEY, MOST_AXES = 100_000, 1024, 16
Fields = dict[int, list[int | bytes]]


def read_bundle(index: Path) -> dict[str, NDArray[Any]]:
    """Every array of the checkpoint that `index` describes."""
    data = index.read_bytes()
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise ValueError("it is no TensorFlow checkpoint index, or was cut short")
    entries: dict[bytes, Fields] = {}
    for key, value in table(data):
        entries[key] = fields(value)
        if len(entries) > MOST_KEYS:
            raise ValueError(f"its index holds more than {MOST_KEYS} names")
    header = entries.pop(b"", {})
    shards, big_endian = integer(header, 1), integer(header, 2)
    if not shards or big_endian:
        raise ValueError("its index is damaged, or of a machine that counts bytes from the far end")
    arrays, left = {}, dict[Path, int]()
    for key, entry in entries.items():
        dtype = DTYPES.get(integer(entry, 1))
        if dtype is None or key.startswith(b"\0"):  # text and the like; a slice of an array
            continue
        if 7 in entry:
            raise ValueError(f"{key.decode()} is kept in slices, which are not read here")
        path = index.with_suffix(f".data-{integer(entry, 3):05}-of-{shards:05}")
        left.setdefault(path, path.stat().st_size)
        arrays[key.decode()] = read_array(path, entry, np.dtype(dtype))
        left[path] -= integer(entry, 5)
        if left[path] < 0:
            raise ValueError(f"{path.name} is shorter than all the arrays said to be in it")
    return arrays


def read_array(path: Path, entry: Fields, dtype: np.dtype[Any]) -> NDArray[Any]:
    """One array from the file its entry names."""
    axes = fields(content(entry, 2)).get(2, [])
    if len(axes) > MOST_AXES:
        raise ValueError(f"its index speaks of an array with {len(axes)} axes")
    shape = [integer(fields(axis), 1) for axis in axes if isinstance(axis, bytes)]
    offset, size = integer(entry, 4), integer(entry, 5)
    if size != prod(shape) * dtype.itemsize:
        raise ValueError(f"its index speaks of {size} bytes for the shape {tuple(shape)}")
    if offset + size > path.stat().st_size:
        raise ValueError(f"{path.name} is shorter than its index says")
    with path.open("rb") as file:
        file.seek(offset)
        return np.frombuffer(file.read(size), dtype).reshape(shape)


def table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of all blocks, which follow each other and never overlap."""
    _, at = handle(data, len(data) - FOOTER)
    (start, size), _ = handle(data, at)
    reach = 0
    for _, place in block(data, start, size):
        (start, size), _ = handle(place, 0)
        if start < reach:
            raise ValueError("its index is damaged: its blocks overlap")
        reach = start + size
        yield from block(data, start, size)


def block(data: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of one block; each key is the end of the one before, renewed."""
    whole = cut(data, start, size + TRAILER)
    if checksum(whole[: size + 1]) != int.from_bytes(whole[size + 1 :], "little"):
        raise ValueError("its index is damaged: a checksum is wrong")
    if whole[size] != 0:
        raise ValueError("its index is compressed, which TensorFlow's own never is")
    restarts = int.from_bytes(cut(whole, size - 4, 4), "little")
    entries = cut(whole, 0, size - 4 * (restarts + 1))
    at, key = 0, b""
    while at < len(entries):
        shared, at = varint(entries, at)
        fresh, at = varint(entries, at)
        length, at = varint(entries, at)
        key = cut(key, 0, shared) + cut(entries, at, fresh)
        if len(key) > LONGEST_KEY:
            raise ValueError(f"its index holds a name of more than {LONGEST_KEY} letters")
        yield key, cut(entries, at + fresh, length)
        at += fresh + length


def handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and how long it is; then where the next handle begins."""
    start, at = varint(data, at)
    size, at = varint(data, at)
    return (start, size), at


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte, at = cut(data, at, 1)[0], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("its index is damaged: a number has no end")


def cut(data: bytes, at: int, length: int) -> bytes:
    if at < 0 or length < 0 or at + length > len(data):
        raise ValueError("its index is damaged: it points outside itself")
    return data[at : at + length]


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
                value, at = cut(message, at, length), at + length
            case 1 | 5 as wire:
                length = 8 if wire == 1 else 4
                value, at = int.from_bytes(cut(message, at, length), "little"), at + length
            case _:
                raise ValueError("its index is damaged: a field is of no known kind")
        found.setdefault(tag >> 3, []).append(value)
    return found


def integer(entry: Fields, number: int) -> int:
    value = entry.get(number, [0])[0]
    return value if isinstance(value, int) else 0


def content(entry: Fields, number: int) -> bytes:
    value = entry.get(number, [b""])[0]
    return value if isinstance(value, bytes) else b""


def checksum(data: bytes) -> int:
    """CRC-32C, turned and shifted as these tables keep it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


CRC = [crc_of_byte(value) for value in range(256)]
