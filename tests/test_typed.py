"""What people type is read as they mean it, or told why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from spindle.app.typed import lines, numbers, sides


def test_sizes_numbers_and_labels(tmp_path: Path) -> None:
    assert (sides("224"), sides("192x256"), sides(None)) == (224, (192, 256), None)
    assert numbers("0.5,1,1.5", "scales") == (0.5, 1.0, 1.5) and numbers(None, "scales") == ()
    (tmp_path / "labels.txt").write_text("\ufeffcat\ndog\n\n", encoding="utf-8")
    assert lines(str(tmp_path / "labels.txt")) == ("cat", "dog") and lines(None) == ()


@pytest.mark.parametrize("size", ["", "0", "2x3x4", "wide", "-1", "1.5"])
def test_a_size_that_is_none(size: str) -> None:
    with pytest.raises(ValueError, match="neither a number nor height x width"):
        sides(size)


def test_a_list_that_is_none() -> None:
    with pytest.raises(ValueError, match="no list of scales such as 0.5,1,1.5"):
        numbers("0.5;1", "scales")


def test_labels_in_another_script(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes("größe".encode("latin-1"))
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        lines(str(tmp_path / "labels.txt"))
