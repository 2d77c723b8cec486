"""What does a built file say of itself, before anything in it is run?

Behind the machine code stands what is known of the model as JSON, and behind that a trailer:
magic, format, a checksum of all before it, and the length of the JSON.  Linkers of every system
leave such an end alone; wasm has it in a section of its own, called "spindle".
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = 1
MAGIC = b"spindle\n"
TRAILER = struct.Struct("<8sIIQ")  # magic, format, checksum, bytes of JSON
LARGEST = 16 << 20  # of the JSON
CHUNK = 1 << 18
# how files of machine code begin, and the system and the machine that they then are for
BEGINS = {
    (b"\x7fELF\x02\x01", 18, b"\x3e\x00"): ("linux", "x86_64"),
    (b"\x7fELF\x02\x01", 18, b"\xb7\x00"): ("linux", "aarch64"),
    (b"\xcf\xfa\xed\xfe", 4, b"\x07\x00\x00\x01"): ("darwin", "x86_64"),
    (b"\xcf\xfa\xed\xfe", 4, b"\x0c\x00\x00\x01"): ("darwin", "aarch64"),
    (b"MZ", 0, b"MZ"): ("windows", "x86_64"),
    (b"\0asm", 4, b"\x01\x00\x00\x00"): ("wasm", "wasm32"),
}


def stamped(code: bytes, info: dict[str, Any]) -> bytes:
    """A built file with what is known of it at its end."""
    said = json.dumps(info, separators=(",", ":")).encode()
    if code.startswith(b"\0asm"):
        name = b"\x07spindle"
        code += b"\0" + leb128(len(name) + len(said) + TRAILER.size) + name
    whole = code + said
    return whole + TRAILER.pack(MAGIC, FORMAT, zlib.crc32(whole), len(said))


def leb128(number: int) -> bytes:
    """A number as wasm writes it: seven bits a byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + leb128(rest) if rest else bytes([low])


def read(path: Path) -> dict[str, Any]:
    """What a built file says of itself; whole, of this format, and for the machine it claims."""
    try:
        with path.open("rb") as file:
            return read_open(file)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from None


def ours(path: Path) -> bool:
    """Whether this was written by us, whatever has become of it."""
    with path.open("rb") as file:
        file.seek(max(file.seek(0, 2) - TRAILER.size, 0))
        return file.read().startswith(MAGIC)


def read_open(file: BinaryIO) -> dict[str, Any]:
    size = file.seek(0, 2)
    file.seek(max(size - TRAILER.size, 0))
    end = file.read()
    if len(end) < TRAILER.size or not end.startswith(MAGIC):
        raise ValueError("it was cut short, or is no model that Spindle has compiled")
    _, made, sum_, length = TRAILER.unpack(end)
    if made != FORMAT:
        cure = "upgrade Spindle" if made > FORMAT else "compile the model again"
        raise ValueError(f"its format is {made}, this Spindle reads {FORMAT}; {cure}")
    if length > min(LARGEST, size - TRAILER.size) or checksum(file, size - TRAILER.size) != sum_:
        raise ValueError("its contents do not match its checksum; fetch or compile it again")
    file.seek(size - TRAILER.size - length)
    info = json.loads(file.read(length))
    file.seek(0)
    if not isinstance(info, dict) or place(file.read(64)) != (info["system"], info["machine"]):
        raise ValueError("it is not for the machine that it speaks of; compile the model again")
    return info


def checksum(file: BinaryIO, size: int) -> int:
    """Of the first bytes of a file, a piece at a time: a model should not lie in memory twice."""
    file.seek(0)
    total, piece = 0, memoryview(bytearray(CHUNK))
    while size > 0:
        got = file.readinto(piece[: min(CHUNK, size)])  # type: ignore[attr-defined]
        if not got:
            break
        total, size = zlib.crc32(piece[:got], total), size - got
    return total


def place(begin: bytes) -> tuple[str, str] | None:
    """The system and the machine of a file that begins so."""
    for (magic, at, more), found in BEGINS.items():
        if begin.startswith(magic) and begin[at:].startswith(more):
            return found
    return None
