"""What do the XML files of Pascal VOC say of their pictures?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from spindle.data.forms.album import (
    Album,
    files,
    folders,
    read_lines,
    split_of,
    splits_among,
    upright_size,
)
from spindle.data.forms.annotations import Mark, gather
from spindle.data.labels import VOC
from spindle.data.samples import Dataset, Listed, Problem, Sample
from spindle.model.heads import Task

LARGEST = 1 << 24  # bytes; an honest XML file has some thousands
CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Page:
    """What one XML file says."""

    file: str
    picture: str  # below the album's root
    size: tuple[int, int]
    things: tuple[tuple[str, tuple[float, ...], bool], ...]  # name, corners, difficult


@dataclass(frozen=True)
class Shelf:
    """The XML files of one split, by their names without the ending, and where they lie."""

    split: str
    notes: Path
    names: tuple[str, ...]
    listed: bool = False  # or all there are


def fits(path: Path) -> bool:
    return path.is_dir() and any(shelf.names for shelf in shelves(path))


def read(path: Path, task: Task | None = None) -> Dataset:
    root = path.parent if path.name == "Annotations" else path
    album, problems = Album(root), list[Problem]()
    pages: dict[str, list[Page]] = {}
    known = [*shelves(root)]
    for shelf in known:
        found = (page(album, shelf.notes, name, problems) for name in shelf.names)
        pages.setdefault(shelf.split, []).extend(p for p in found if p)
    if not any(shelf.listed for shelf in known):
        told = {page.picture for found in pages.values() for page in found}
        what, cure = (
            "is spoken of by no XML file",
            "write one, if only to say that nothing is there",
        )
        problems += [Problem(n, what, cure, fatal=False) for n in sorted(album.paths - told)]
    said = {thing[0] for split in pages.values() for page in split for thing in page.things}
    labels = tuple(name for name in VOC if name in said) if said <= {*VOC} else tuple(sorted(said))
    places = {label: place for place, label in enumerate(labels)}
    splits = {
        split: Listed(as_sample(root, page, places, problems) for page in found)
        for split, found in pages.items()
    }
    return Dataset(path, "VOC XML", "detect", labels, dict(splits), problems)


def shelves(path: Path, split: str = "all", deep: bool = True) -> Iterator[Shelf]:
    """By the lists of ImageSets/Main, by folders of splits, or all at once."""
    notes = path / "Annotations" if (path / "Annotations").is_dir() else path
    lists = {p.stem: p for p in files(path / "ImageSets" / "Main", ".txt")}
    named = splits_among(lists)
    stems = tuple(file.stem for file in files(notes, ".xml"))
    if stems and named:
        for name, of in named.items():
            lines = (line.split() for line in read_lines(lists[name]))
            yield Shelf(of, notes, tuple(line[0] for line in lines if line), True)
    elif stems:
        yield Shelf(split, notes, stems)
    elif deep:
        for inner in folders(notes) + (folders(path) if notes != path else []):
            yield from shelves(inner, split_of(inner.name) or "all", deep=False)


def page(album: Album, notes: Path, name: str, problems: list[Problem]) -> Page | None:
    file = notes / f"{name}.xml"
    below = file.relative_to(album.root).as_posix() if file.is_relative_to(album.root) else name
    try:
        if "/" in name or "\\" in name or not file.is_file():
            raise ValueError("is named in a list, but is not there")
        root = parse(file)
        beside = notes.parent if notes.name == "Annotations" else notes
        home = beside.relative_to(album.root).as_posix().removeprefix(".")
        around = tuple(f"{home}/{inner}".strip("/") for inner in ("", "JPEGImages", "images"))
        said = (root.findtext("filename") or "").strip()
        picture = next((found for ending in ("jpg", "jpeg", "png")
                        if (found := album.look(f"{name}.{ending}", *around))), None)  # fmt: skip
        picture = picture or (album.look(said, *around) if said else None)
        if picture is None:
            raise ValueError(f"speaks of a picture that is not there: {said or name}")
        size = declared(root) or upright_size(album.root / picture)
    except ValueError as error:
        what = str(error).removeprefix(f"{file} ")
        problems.append(Problem(below, what, "repair it, or take its name out of the list"))
        return None
    things = (thing(i, node, below, problems) for i, node in enumerate(root.findall("object")))
    return Page(below, picture, size, tuple(t for t in things if t))


def declared(root: Element) -> tuple[int, int] | None:
    try:
        size = int(root.findtext("size/width") or 0), int(root.findtext("size/height") or 0)
    except ValueError:
        return None
    return size if min(size) > 0 else None


def thing(
    i: int, node: Element, file: str, problems: list[Problem]
) -> tuple[str, tuple[float, ...], bool] | None:
    name = " ".join((node.findtext("name") or "").split())
    try:
        corners = tuple(float(node.findtext(f"bndbox/{corner}") or "") for corner in CORNERS)
    except ValueError:
        corners = (math.nan,)
    if not name or not all(map(math.isfinite, corners)):
        what = "has no name" if not name else f"({name}) has no box of four numbers"
        problems.append(Problem(file, f"object {i + 1} {what}", "correct or delete it"))
        return None
    return name, corners, (node.findtext("difficult") or "").strip() == "1"


def as_sample(root: Path, page: Page, places: dict[str, int], problems: list[Problem]) -> Sample:
    marks = []
    for i, (name, (left, top, right, bottom), difficult) in enumerate(page.things):
        # pixels count from 1 and the last is inside; ends that are the same are still no box
        box = left - 1, top - 1, right - (right == left), bottom - (bottom == top)
        marks.append(Mark(places[name], box, f"object {i + 1} ({name})", ignored=difficult))
    objects = gather(marks, page.size, page.file, problems)
    return Sample(root / page.picture, page.picture, objects=objects, size=page.size)


def parse(file: Path) -> Element:
    """An XML file without a document type: nothing in it can grow or reach elsewhere."""
    if file.stat().st_size > LARGEST:
        raise ValueError(f"{file} is larger than {LARGEST >> 20} MB, too large for one picture")

    def refuse(*_: Any) -> NoReturn:
        raise ValueError(f"{file} has a DOCTYPE, which no annotation needs; take it out")

    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(file.read_bytes(), True)
        return builder.close()
    except (expat.ExpatError, LookupError) as error:
        raise ValueError(f"{file} is not XML: {error}") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
