"""What is known of a built file stands at its end, and nothing else is taken for it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.compiler import stamp

ELF = b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00" + bytes(40)
INFO: dict[str, Any] = {"system": "linux", "machine": "x86_64", "labels": ["Ä", "b"]}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.so"
    path.write_bytes(content)
    return path


def test_what_is_stamped_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, stamp.stamped(ELF, INFO))
    assert stamp.read(path) == INFO and stamp.ours(path)
    assert path.read_bytes().startswith(ELF)


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    content = stamp.stamped(ELF + bytes(range(256)) * 3000, INFO)
    assert stamp.read(written(tmp_path, content)) == INFO
    with pytest.raises(ValueError, match="checksum"):
        stamp.read(written(tmp_path, content[:400_000] + b"!" + content[400_001:]))


@given(st.data())
def test_no_byte_can_be_changed_or_lost(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = stamp.stamped(ELF, INFO)
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        broken = content[:place]
    else:
        other = content[place] ^ data.draw(st.integers(1, 255))
        broken = content[:place] + bytes([other]) + content[place + 1 :]
    path = written(tmp_path_factory.getbasetemp(), broken)
    with pytest.raises(ValueError, match="model.so cannot be used: "):
        stamp.read(path)


@pytest.mark.parametrize(("made", "cure"), [(2, "upgrade Spindle"), (0, "compile the model again")])
def test_another_format_is_refused(tmp_path: Path, made: int, cure: str) -> None:
    content = bytearray(stamp.stamped(ELF, INFO))
    struct.pack_into("<I", content, len(content) - stamp.TRAILER.size + 8, made)
    with pytest.raises(ValueError, match=f"its format is {made}, this Spindle reads 1; {cure}"):
        stamp.read(written(tmp_path, bytes(content)))


def test_a_file_for_another_machine_than_it_says_is_refused(tmp_path: Path) -> None:
    for begin in (ELF[:18] + b"\xb7\x00" + bytes(40), b"MZ", b"", b"\xcf\xfa\xed\xfe"):
        with pytest.raises(ValueError, match="not for the machine"):
            stamp.read(written(tmp_path, stamp.stamped(begin, INFO)))


def test_what_is_not_ours_or_not_there(tmp_path: Path) -> None:
    for content in (b"", ELF, b"spindle\n"):
        path = written(tmp_path, content)
        with pytest.raises(ValueError, match="cut short, or is no model that Spindle"):
            stamp.read(path)
    assert not stamp.ours(written(tmp_path, ELF))
    with pytest.raises(ValueError, match="there is no file .*gone.so"):
        stamp.read(tmp_path / "gone.so")


@given(st.integers(0, 1 << 40))
def test_numbers_as_wasm_writes_them(number: int) -> None:
    code = stamp.leb128(number)
    assert sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(code)) == number
    assert all(byte & 0x80 for byte in code[:-1]) and not code[-1] & 0x80
