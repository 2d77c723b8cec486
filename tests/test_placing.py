"""What is moved to its place is there whole; what was there of others stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from spindle.app.exports.placing import every, place, room_beside


def test_a_room_is_gone_afterwards_however_it_went(tmp_path: Path) -> None:
    with room_beside(tmp_path / "model.onnx") as room:
        assert room.parent == tmp_path and room.is_dir()
        (room / "half").write_text("a")
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError), room_beside(tmp_path / "model.onnx") as room:
        (room / "half").write_text("a")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def made(room: Path, *names: str) -> Path:
    folder = room / "made"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"new {name}")
    return folder


def test_a_file_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_text("old")
    with room_beside(target) as room:
        place(made(room, "a") / "a", target)
    assert target.read_text() == "new a"


def test_a_folder_takes_the_place_of_its_like_alone(tmp_path: Path) -> None:
    target = tmp_path / "ncnn"
    for names in (("a", "in/b"), ("a", "in/b", "c")):
        with room_beside(target) as room:
            place(made(room, *names), target)
        assert {p.relative_to(target).as_posix() for p in every(target)} == set(names)
    with room_beside(target) as room, pytest.raises(ValueError, match="choose another name"):
        place(made(room, "a"), target)
    assert (target / "c").read_text() == "new c"
    (tmp_path / "file").write_text("mine")
    with room_beside(target) as room, pytest.raises(ValueError, match="choose another name"):
        place(made(room, "a"), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"ncnn", "file"}
