"""A journal goes on where it stopped, and never writes over what is not its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spindle.app.journal import Journal

LINES: list[dict[str, Any]] = [
    {"image": "käse.jpg", "classes": []},
    {"image": "clip.mp4", "frame": 0, "boxes": [{"label": "x\ny"}]},
    {"image": "clip.mp4", "frame": 1, "boxes": []},
]
KEYS = {("käse.jpg", None), ("clip.mp4", 0), ("clip.mp4", 1)}


def write(path: Path) -> set[Any]:
    """Writes what the journal lacks; gives what it had."""
    with Journal(path) as journal:
        before = {*journal.done}
        for line in LINES:
            if (line["image"], line.get("frame")) not in before:
                journal.write(line)
        assert journal.done == KEYS
    return before


def test_what_was_written_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    assert write(path) == set() and write(path) == KEYS
    assert [json.loads(line) for line in path.read_text().splitlines()] == LINES


def test_torn_anywhere_it_is_whole_again(tmp_path: Path) -> None:
    write(whole := tmp_path / "whole.jsonl")
    content = whole.read_bytes()
    for cut in range(len(content)):
        (path := tmp_path / "torn.jsonl").write_bytes(content[:cut])
        assert len(write(path)) == content[:cut].count(b"\n")
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [b"hello", b"hello\n", b"{}\n", b"[1]\n", b'{"image"\n', b'{"name": "a"}\n', b"\xff\xfe\n",
     b'{"image": "a"}\nand a remark\n', b'{"image": "a"}\nand a remark'],
)  # fmt: skip
def test_what_is_not_its_own_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "notes.txt").write_bytes(content)
    with pytest.raises(ValueError, match="notes.txt is there already and holds other things"):
        Journal(path)
    assert path.read_bytes() == content


def test_where_no_file_can_be_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder: name a file"):
        Journal(tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        Journal(tmp_path / "absent" / "r.jsonl")


def test_a_device_keeps_nothing_and_is_written_to() -> None:
    assert write(Path("/dev/null")) == set()
