"""Names of files that say who and by which camera; the folders are in test_folders.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from spindle.data.forms.identities import fits, look
from spindle.data.samples import Problem
from tests.tiny import picture


@pytest.mark.parametrize(
    ("name", "who", "camera"),
    [("0001_c1s1_000151_01.jpg", 1, 1), ("1501_c6s4_010001_00.jpg", 1501, 6),
     ("0005_c12_f0046182.jpg", 5, 12), ("0000_c3s1_9_9.jpg", 0, 3)],
)  # fmt: skip
def test_names(tmp_path: Path, name: str, who: int, camera: int) -> None:
    picture(tmp_path / "query" / name)
    problems: list[Problem] = []
    (seen,) = look(tmp_path / "query", "query", problems)
    assert (seen.who, seen.camera, problems) == (who, camera, [])


@pytest.mark.parametrize("name", ["x.jpg", "1.jpg", "_c1.jpg", "0001_s1c1.jpg", "-2_c1s1.jpg"])
def test_other_names_are_told_of(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "query" / name)
    problems: list[Problem] = []
    assert not list(look(tmp_path / "query", "query", problems))
    assert problems[0].file == f"query/{name}" and not fits(tmp_path)
