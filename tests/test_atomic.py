"""A file is written whole or not at all, and what stood there before is not lost."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from spindle.model import atomic


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    atomic.write(tmp_path / "a.bin", b"first")
    atomic.write(tmp_path / "a.bin", b"second")
    assert (tmp_path / "a.bin").read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.bin"]


def test_a_place_without_a_folder_is_none(tmp_path: Path) -> None:
    assert atomic.placed(tmp_path / "a.bin") == tmp_path / "a.bin"
    with pytest.raises(ValueError, match="there is no folder .*gone for a.bin: make it first"):
        atomic.placed(tmp_path / "gone" / "a.bin")


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_midway_leaves_the_old_file_and_no_stray_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    atomic.write(tmp_path / "a.bin", b"old")
    monkeypatch.setattr(step, fail)
    with pytest.raises(type(error)):
        atomic.write(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.bin"]


@pytest.mark.parametrize("place", ["absent/a.bin", "file/a.bin", "folder"])
def test_the_error_names_the_file_that_was_asked_for(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as caught:
        atomic.write(tmp_path / place, b"new")
    assert caught.value.filename == str(tmp_path / place)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", tmp_path / "folder"]


def test_a_name_as_long_as_names_may_be_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    atomic.write(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "a.bin")
    atomic.write(tmp_path / "link", b"whole")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "a.bin").read_bytes() == b"whole"


def test_a_device_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    atomic.write(pipe, b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_private_file_stays_private_and_a_new_one_follows_the_umask(tmp_path: Path) -> None:
    private, fresh = tmp_path / "private", tmp_path / "fresh"
    private.touch(mode=0o600)
    before = os.umask(0o027)
    try:
        atomic.write(private, b"new")
        atomic.write(fresh, b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o640
