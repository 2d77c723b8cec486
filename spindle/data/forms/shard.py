"""What is in one shard of samples?  Found out once, by going through it, and remembered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.data.forms.listing import Line, truth
from spindle.data.forms.tar import Member, headers, is_packed, is_remote, walk
from spindle.data.samples import Sample
from spindle.model import atomic
from spindle.model.cache import cache
from spindle.model.heads import Task

PICTURES = {"jpg", "jpeg", "png", "webp", "bmp", "gif", "ppm", "pgm", "tif", "tiff"}
MASKS = ("seg.png", "mask.png", "segmentation.png", "png")  # the last only beside another picture
KINDS = ("kind", "cls", "label", "class")  # what a .json may call the class of its picture
ANY = range(1 << 31)  # labels before it is known what they are
VERSION = 1  # of what is remembered
SAID = 100  # of a shard's problems


@dataclass(frozen=True, eq=False)
class Shard:
    """A tar file of samples, each some members in a row whose names differ in their endings."""

    place: str  # a path or a URL
    stamp: str  # by which it is known again
    count: int  # of whole samples
    spans: NDArray[np.int64] | None  # start and end of each, where one can go straight to it
    tasks: tuple[Task, ...]  # that its samples are an answer to
    most: int  # the highest class
    names: tuple[str, ...]  # of the classes, where they are given by name
    joints: int  # of each pose
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.place.rpartition("/")[2].partition("?")[0]


@dataclass(frozen=True)
class Parts:
    """The members of a sample, by what they are."""

    key: str
    start: int
    end: int
    files: dict[str, bytes]


def gathered(members: Iterable[Member]) -> Iterator[Parts]:
    """Members in a row that differ only behind the first dot of their names."""
    key, start, end = "", 0, 0
    files: dict[str, bytes] = {}
    for member in members:
        folder, slash, base = member.name.removeprefix("./").rpartition("/")
        stem, _, ending = base.partition(".")
        if not stem or not ending or stem.startswith("__"):
            continue  # what systems leave behind, and what speaks of the shard itself
        if files and f"{folder}{slash}{stem}" != key:
            yield Parts(key, start, end, files)
            files = {}
        if not files:
            key, start = f"{folder}{slash}{stem}", member.start
        files[ending.lower()] = member.content
        end = member.end
    if files:
        yield Parts(key, start, end, files)


def content_of(parts: Parts) -> tuple[bytes, bytes | None, Line]:
    """Picture, mask and truth of a sample; a ValueError says what is wrong with it."""
    files = parts.files
    masks = [ending for ending in MASKS if ending in files]
    pictures = [ending for ending in files if ending in PICTURES]
    if len(pictures) > 1 and "png" in pictures:
        pictures.remove("png")
    if len(pictures) != 1:
        raise ValueError(f"it has {len(pictures)} pictures among {', '.join(sorted(files))}")
    masks = [ending for ending in masks if ending not in pictures]
    line: Line = {}
    if "json" in files:
        line = json.loads(files["json"])
        if not isinstance(line, dict):
            raise ValueError("its .json is not in braces")
    kind = next((line[key] for key in KINDS if key in line), None)
    if "cls" in files:
        kind = number(files["cls"])
    elif "txt" in files:
        kind = files["txt"].decode("utf-8").strip()
    if kind is not None:
        line = {**line, "kind": kind}
    return files[pictures[0]], files[masks[0]] if masks else None, line


def number(content: bytes) -> int:
    text = content.strip()
    if not text.isdigit() or len(text) > 9:
        raise ValueError(f"its .cls is not the number of a class, but {text[:20]!r}")
    return int(text)


def task_of(line: Line, mask: bytes | None) -> Task | None:
    match line:
        case {"objects": {"points": [*_]}}:
            return "pose"
        case {"camera": _, "kind": _}:
            return "embed"
        case {"objects": {"outlines": [*_]}} if mask is None and "kind" not in line:
            return "detect"
        case {"objects": _}:
            return "detect"
    if mask is not None:
        return "segment"
    return "classify" if "kind" in line else None


def as_sample(parts: Parts, shard: str, task: Task, labels: tuple[str, ...]) -> Sample:
    """A sample, its class found among the labels where it is given by name."""
    picture, mask, line = content_of(parts)
    kind = line.get("kind", -1)
    if isinstance(kind, str):
        line = {**line, "kind": labels.index(kind) if kind in labels else -1}
    return Sample(picture, f"{shard}/{parts.key}", mask=mask, **truth(line, task, labels))


def whole(members: Iterable[Member]) -> Iterator[Parts]:
    """Those that are samples, as `look_into` counts them."""
    for parts in gathered(members):
        with suppress(ValueError, RecursionError):
            learn(parts)
            yield parts


def learn(parts: Parts) -> tuple[Task, int, str, int]:
    """What a sample tells before it is known what the labels are: task, class, name, joints."""
    _, mask, line = content_of(parts)
    task = task_of(line, mask)
    if task is None:
        raise ValueError("nothing says what it shows (.cls, .txt, .json or a mask)")
    kind: Any = line.get("kind", -1)
    name = ""
    if isinstance(kind, str):
        kind, name = -1, kind
        if not name:
            raise ValueError("its class has no name")
    joints = 0
    if task == "pose":
        rows = line["objects"]["points"]
        joints = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    known = truth(
        {**line, "kind": kind},
        "embed" if name or kind == -1 and task == "classify" else task,
        range(joints) if task == "pose" else ANY,
    )
    objects = known["objects"]
    kinds = [kind, *(objects.kinds.tolist() if objects else ())]
    return task, max(kinds), name, joints


def look_into(place: str, mark: str, straight: bool) -> Shard:
    """Goes through a shard; one can go straight to the samples of some."""
    spans: list[tuple[int, int]] = []
    tasks: dict[Task, None] = {}
    names: dict[str, None] = {}
    problems: list[str] = []
    most, joints, count = -1, 0, 0
    try:
        for parts in gathered(walk(place)):
            try:
                task, kind, name, points = learn(parts)
            except (ValueError, RecursionError) as error:
                problems.append(f"{parts.key} is left out: {error}")
                continue
            count, most, joints = count + 1, max(most, kind), max(joints, points)
            tasks[task] = None
            names |= {name: None} if name else {}
            if straight:
                spans.append((parts.start, parts.end))
    except ValueError as error:
        problems.append(f"{error}; the {count} samples before that are used")
    if len(problems) > SAID:
        problems = [*problems[:SAID], f"and {len(problems) - SAID} more of its samples"]
    return Shard(
        place,
        mark,
        count,
        np.array(spans, np.int64).reshape(-1, 2) if straight else None,
        tuple(tasks),
        most,
        tuple(sorted(names)),
        joints,
        tuple(problems),
    )


def stamp(place: str) -> tuple[str, bool]:
    """What tells it from all others and from itself once changed; can one go straight in?"""
    if is_remote(place):
        said = headers(place)
        marks = [said.get(key, "") for key in ("ETag", "Last-Modified", "Content-Length")]
        return " ".join([place, *marks]), False
    path = Path(place).resolve()
    try:
        known = path.stat()
        with path.open("rb") as file:
            return f"{path} {known.st_size} {known.st_mtime_ns}", not is_packed(file)
    except OSError as error:
        raise ValueError(f"{place} cannot be read: {error.strerror or error}") from None


def index(place: str) -> Shard:
    """What is in a shard: as remembered, or else found out now."""
    mark, straight = stamp(place)
    name = hashlib.sha256(f"{VERSION} {mark}".encode("utf-8", "surrogateescape")).hexdigest()
    file = None
    with suppress(OSError, ValueError, KeyError, TypeError):  # without a cache it takes longer
        folder = cache() / "shards"
        folder.mkdir(exist_ok=True)
        file = folder / f"{name}.json"
        return remembered(place, json.loads(file.read_bytes()))
    shard = look_into(place, mark, straight)
    if file is not None:
        with suppress(OSError):
            spans = None if shard.spans is None else shard.spans.tolist()
            content = {field.name: getattr(shard, field.name) for field in fields(Shard)}
            atomic.write(file, json.dumps(content | {"spans": spans}).encode())
    return shard


def remembered(place: str, content: dict[str, Any]) -> Shard:
    spans = content["spans"]
    return Shard(
        place,
        str(content["stamp"]),
        int(content["count"]),
        None if spans is None else np.array(spans, np.int64).reshape(-1, 2),
        tuple(content["tasks"]),
        int(content["most"]),
        tuple(content["names"]),
        int(content["joints"]),
        tuple(content["problems"]),
    )
