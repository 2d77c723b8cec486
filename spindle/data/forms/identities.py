"""Who is in a picture, and which camera took it, by names like those of Market-1501?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spindle.data.forms.album import files
from spindle.data.samples import Dataset, Listed, Problem, Sample
from spindle.model.heads import Task

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
NAME = re.compile(r"(?P<who>-1|\d+)_c(?P<camera>\d+).*")
JUNK, NOBODY = -1, 0  # pictures nobody is to be compared with, and people who are never asked for


@dataclass(frozen=True)
class Seen:
    file: Path
    who: int
    camera: int
    role: Literal["", "query", "gallery"]


def fits(path: Path) -> bool:
    return (path / TRAIN).is_dir() or ((path / QUERY).is_dir() and (path / GALLERY).is_dir())


def read(path: Path, task: Task | None = None) -> Dataset:
    problems: list[Problem] = []
    train = [*look(path / TRAIN, "", problems)]
    val = [*look(path / QUERY, "query", problems), *look(path / GALLERY, "gallery", problems)]
    learned = sorted({seen.who for seen in train})
    others = sorted({seen.who for seen in val} - {*learned, NOBODY})
    places = {who: place for place, who in enumerate((*learned, *others))}
    splits = {
        split: Listed(
            Sample(seen.file, seen.file.relative_to(path).as_posix(), kind=places.get(seen.who, -1),
                   camera=seen.camera, role=seen.role)
            for seen in found
        )
        for split, found in (("train", train), ("val", val)) if found
    }  # fmt: skip
    labels = tuple(f"{who:04d}" for who in places)
    return Dataset(path, "Market-1501 folders", "embed", labels, dict(splits), problems)


def look(
    folder: Path, role: Literal["", "query", "gallery"], problems: list[Problem]
) -> Iterator[Seen]:
    for file in files(folder):
        named = NAME.fullmatch(file.stem)
        if named is None:
            what = "is not named by person and camera, like 0001_c1s1_000151_01.jpg"
            problems.append(Problem(f"{folder.name}/{file.name}", what, "rename it"))
        elif int(named["who"]) != JUNK:
            yield Seen(file, int(named["who"]), int(named["camera"]), role)
