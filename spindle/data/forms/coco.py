"""What does a JSON file of COCO say of its pictures?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spindle.data.forms.album import Album, files, folders, split_of, splits_among, upright_size
from spindle.data.forms.annotations import Mark, Size, gather, numbers
from spindle.data.masks import rasterise
from spindle.data.reading import names
from spindle.data.samples import Dataset, Listed, Outline, Problem, Sample
from spindle.model.heads import Task

LARGEST = 2 << 30  # bytes; instances_train2017 has 448 MB
HEAD = 1 << 16
Row = dict[str, Any]
NOTHING_OF_OURS = ("captions", "panoptic", "image_info", "stuff")


@dataclass(frozen=True)
class Words:
    """The classes of a dataset by the numbers in one file, and the points of a body."""

    kinds: dict[int, int]
    labels: tuple[str, ...]
    points: tuple[str, ...]


def fits(path: Path) -> bool:
    return bool(candidates(path))


def candidates(path: Path) -> list[Path]:
    """What speaks COCO: the file itself, or those here; else those in the folders here."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and speaks_coco(path) else []
    here = [*files(path / "annotations", ".json"), *files(path, ".json")]
    inner = (file for folder in folders(path) for file in files(folder, ".json"))
    return [*filter(speaks_coco, here)] or [*filter(speaks_coco, inner)]


def speaks_coco(file: Path) -> bool:
    if file.name.startswith(NOTHING_OF_OURS):
        return False
    with file.open("rb") as opened:
        head = opened.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    keys = (b'"images"', b'"annotations"', b'"categories"')
    some = any(key in head for key in keys[: 1 if len(head) < HEAD // 2 else None])  # seen whole
    return head.startswith(b"{") and some


def chosen(path: Path, task: Task | None) -> dict[str, Path]:
    """The file of each split; of several kinds of files those of this task."""
    found = candidates(path)
    posed = [file for file in found if "keypoints" in file.name]
    other = [file for file in found if file not in posed]
    found = (posed or found) if task == "pose" else (other or found)
    words = {file: split_word(file) for file in found}
    meant = splits_among(set(words.values()))
    named: dict[str, Path] = {}
    for file, word in words.items():
        split = split_of(word) or "all"
        if word != "all" and word not in meant:
            continue  # trainval, where there is train
        if split in named:
            raise ValueError(
                f"{path} holds several files for {split}: {named[split].name} and {file.name}; "
                "name one of them"
            )
        named[split] = file
    return named


def split_word(file: Path) -> str:
    tokens = [*re.split(r"[_\-. ]", file.stem), file.parent.name]
    return next((token for token in tokens if split_of(token)), "all")


def read(path: Path, task: Task | None = None) -> Dataset:
    problems: list[Problem] = []
    contents = {split: (file, load(file, path)) for split, file in chosen(path, task).items()}
    posed = any(has_points(content) for _, content in contents.values())
    if task == "pose" and not posed:
        raise ValueError(f"{path} names no keypoints: there is nothing a pose could be learned of")
    task = task or ("pose" if posed else "detect")
    labels, splits = list[str](), {}
    points = body([content for _, content in contents.values()])
    headings = headings_of([content for _, content in contents.values()])
    for split, (file, content) in contents.items():
        album = Album(root_of(file, path))
        name = file.relative_to(album.root).as_posix()
        kinds = read_kinds(content, headings, labels, name, problems)
        words = Words(kinds, tuple(labels), points)
        samples = pictures(album, file, content, words, task, problems)
        splits[split] = Listed(samples)
    named = tuple(labels)
    if task == "segment":
        named = ("background", *labels)
    elif task == "pose":
        named = points
    return Dataset(path, "COCO JSON", task, named, dict(splits), problems)


def load(file: Path, path: Path) -> dict[str, list[Row]]:
    if file.stat().st_size > LARGEST:
        raise ValueError(
            f"{file} is larger than {LARGEST >> 30} GB; divide it by split, or make shards"
        )
    try:
        content = json.loads(file.read_bytes())
    except RecursionError:
        raise ValueError(f"{file} is nested too deep for COCO JSON") from None
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    lists = {}
    for key in ("images", "annotations", "categories"):
        rows = content.get(key, []) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise ValueError(f"{file} is not COCO JSON: its {key} are no list")
        lists[key] = [row if isinstance(row, dict) else {} for row in rows]
    if not lists["images"] or not lists["categories"]:
        raise ValueError(f"{file} is not COCO JSON: it needs lists of images and of categories")
    return lists


def has_points(content: dict[str, list[Row]]) -> bool:
    said = any(category.get("keypoints") for category in content["categories"])
    return said and any(row.get("keypoints") for row in content["annotations"])


def body(contents: Sequence[dict[str, list[Row]]]) -> tuple[str, ...]:
    """The points of the first category that has any, in words."""
    rows = (row.get("keypoints") for content in contents for row in content["categories"])
    first: list[Any] = next((row for row in rows if isinstance(row, list) and row), [])
    points = tuple(" ".join(str(name).replace("_", " ").split()) for name in first)
    return points if all(points) else names("pose", len(points))


def root_of(file: Path, path: Path) -> Path:
    if path.is_dir():
        return path
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def headings_of(contents: Sequence[dict[str, list[Row]]]) -> set[str]:
    """Categories that others are under and nothing is of; Roboflow lists one among the classes."""
    above, used = set[str](), set[str]()
    for content in contents:
        names = {as_number(row.get("id")): str(row.get("name")) for row in content["categories"]}
        for row in content["categories"]:
            if row.get("supercategory") != row.get("name"):
                above.add(str(row.get("supercategory")))
        kinds = (as_number(row.get("category_id")) for row in content["annotations"])
        used |= {names[kind] for kind in kinds if kind in names}
    return above - used


def as_number(said: Any) -> Any:
    """What some write as a text: "7" is 7; what is no number of a thing is None."""
    if isinstance(said, str):
        return int(said) if said.isdecimal() and said.isascii() and len(said) < 19 else said
    return said if type(said) is int else None


def read_kinds(
    content: dict[str, list[Row]],
    headings: set[str],
    labels: list[str],
    file: str,
    problems: list[Problem],
) -> dict[int, int]:
    """The classes in the order of their numbers; `labels` grows by those it has not yet."""
    kinds: dict[int, int] = {}
    numbered = [(as_number(row.get("id")), row) for row in content["categories"]]
    good = [(number, row) for number, row in numbered if type(number) is int]
    if len(good) < len(numbered):
        problems.append(Problem(file, "has categories without a number for id", "number them"))
    for number, row in sorted(good, key=lambda pair: pair[0]):
        name = str(row.get("name", number))
        if name in headings:
            continue
        if number in kinds:
            problems.append(Problem(file, f"has two categories of id {number}", "renumber one"))
            continue
        if name not in labels:
            labels.append(name)
        kinds[number] = labels.index(name)
    return kinds


def pictures(
    album: Album,
    file: Path,
    content: dict[str, list[Row]],
    words: Words,
    task: Task,
    problems: list[Problem],
) -> Iterator[Sample]:
    said_in = file.relative_to(album.root).as_posix()
    rows = by_picture(content, said_in, problems)
    beside, word = said_in.rpartition("/")[0], split_word(file)
    likely = beside, f"{beside}/images", f"{beside}/data", word, f"images/{word}", f"{word}/images"
    places = [place.strip("/") for place in (*likely, "images", "data")]
    for i, (image, marked) in enumerate(rows):
        said = image.get("file_name")
        name = album.look(said, *places) if isinstance(said, str) else None
        if name is None:
            what = f"picture {said!r} is not there" if said else f"picture {i + 1} has no file_name"
            problems.append(Problem(said_in, what, "bring it back, or take its entry out"))
            continue
        size = numbers([image.get("width"), image.get("height")])
        try:
            wide, high = size if size and min(size) > 0 else upright_size(album.root / name)
        except ValueError:
            problems.append(Problem(name, "cannot be opened as a picture", "replace it"))
            continue
        marks = (mark(row, words, (wide, high), task, said_in, problems) for row in marked)
        good = [m for m in marks if m]
        if task == "pose":
            found = people(album.root / name, name, good, (wide, high), problems)
            yield from (replace(person, size=(wide, high)) for person in found)
        else:
            objects = gather(good, (wide, high), name, problems, task == "segment")
            yield Sample(album.root / name, name, objects=objects, size=(wide, high))


def by_picture(
    content: dict[str, list[Row]], file: str, problems: list[Problem]
) -> list[tuple[Row, list[Row]]]:
    """Each picture's entry with its annotations."""
    found: dict[Any, tuple[Row, list[Row]]] = {}
    for i, image in enumerate(content["images"]):
        number = as_number(image.get("id"))
        if number is None or number in found:
            what = "no number for id" if number is None else f"id {number!r} again"
            what = f"picture {i + 1} ({image.get('file_name')!r}) has {what}"
            problems.append(Problem(file, what, "give every picture a number of its own"))
            continue
        found[number] = image, []
    for row in content["annotations"]:
        number = as_number(row.get("image_id"))
        if number is not None and number in found:
            found[number][1].append(row)
        else:
            number = row.get("image_id")
            what = f"annotation {row.get('id')} is of picture {number!r}, which is not listed"
            problems.append(Problem(file, what, "list the picture, or delete it"))
    return list(found.values())


def mark(
    row: Row, words: Words, size: Size, task: Task, file: str, problems: list[Problem]
) -> Mark | None:
    """One annotation; none, and a problem, where it cannot be used."""
    number, name = as_number(row.get("category_id")), f"annotation {row.get('id')}"
    box, points = numbers(row.get("bbox"), 4), row.get("keypoints") or []
    what = ""
    outline: Outline = None
    if type(number) is not int or number not in words.kinds:
        what = f"is of category {row.get('category_id')!r}, which is not listed"
    elif box is None:
        what = f"has no box of four numbers: {str(row.get('bbox'))[:40]}"
    elif task == "pose" and points:
        count = 3 * len(words.points)
        what = "" if numbers(points, count) else f"has not {count} numbers as keypoints"
    elif task == "segment":
        outline = row.get("segmentation")
        what = wrong_outline(outline, size)
    if what or box is None or type(number) is not int:
        problems.append(Problem(file, f"{name} {what}", "correct or delete it"))
        return None
    left, top, wide, high = box
    said = numbers([row.get("area")])
    return Mark(
        words.kinds[number] + (task == "segment"),
        (left, top, left + wide, top + high),
        f"{name} ({words.labels[words.kinds[number]]})",
        ignored=bool(row.get("ignore")),
        crowd=bool(row.get("iscrowd")),
        area=said[0] if said else None,
        points=points if task == "pose" else (),
        outline=outline,
    )


def wrong_outline(outline: Any, size: Size) -> str:
    """What is wrong with it, in words; nothing for one that can be drawn."""
    match outline:
        case None | []:
            return "has no outline"
        case dict():
            try:
                rasterise(outline, int(size[0]), int(size[1]))
            except ValueError as error:
                return f"has a broken outline: {error}"
            return ""
        case list():
            lists = [numbers(polygon) for polygon in outline]
            if all(polygon and len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in lists):
                return ""
    return "has a broken outline: a polygon has at least three corners of two numbers"


def people(
    picture: Path, name: str, marks: list[Mark], size: Size, problems: list[Problem]
) -> Iterator[Sample]:
    """One sample for everybody of whom at least one point is known."""
    for person in marks:
        if person.crowd or not any(seen > 0 for seen in person.points[2::3]):
            continue
        objects = gather([person], size, name, problems)
        if len(objects):
            left, top, right, bottom = objects.boxes[0].tolist()
            own = f"{name}#{person.name.split()[1]}"
            part = (left, top, right, bottom)
            yield Sample(picture, own, objects=objects, part=part, group=name)
