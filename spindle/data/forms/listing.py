"""How are the samples of a data set written down, one line each, and read again?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from spindle.data.masks import Coloured
from spindle.data.samples import Dataset, Listed, Objects, Outline, Sample, Source
from spindle.model import atomic
from spindle.model.heads import Task

MARK = {"spindle": "list", "version": 1}
Line = dict[str, Any]
ARRAYS: dict[str, type] = {
    "boxes": np.float32,
    "kinds": np.int64,
    "ignored": np.bool_,
    "crowds": np.bool_,
    "areas": np.float32,
    "points": np.float32,
}
KEYS = {
    "split", "picture", "name", "kind", "objects", "mask", "colours", "part", "camera", "role",
    "group",
}  # fmt: skip


def write_list(dataset: Dataset, path: Path) -> None:
    """Writes a .jsonl file: a line for the data set, then one for each sample."""
    head = {
        **MARK,
        "task": dataset.task,
        "labels": dataset.labels,
        "form": dataset.form,
        "splits": list(dataset.splits),
    }
    lines = [json.dumps(head, ensure_ascii=False)]
    for split, samples in dataset.splits.items():
        for sample in samples:
            lines.append(json.dumps(line(sample, split, path.parent), ensure_ascii=False))
    atomic.write(path, "\n".join([*lines, ""]).encode())


def line(sample: Sample, split: str, folder: Path) -> Line:
    """What is known of a sample, less what is as it always is."""
    written: Line = {"split": split, "picture": place(sample.picture, sample, folder)}
    if sample.name != written["picture"]:
        written["name"] = sample.name
    usual = Sample("", sample.name)  # type: ignore[arg-type]
    for key in ("kind", "part", "camera", "role", "group"):
        if getattr(sample, key) != getattr(usual, key):
            written[key] = getattr(sample, key)
    if sample.mask is not None:
        written["mask"] = place(sample.mask, sample, folder)
    if isinstance(sample, Coloured):
        written["colours"] = sample.colours
    if sample.objects is not None:
        written["objects"] = written_objects(sample.objects, sample.name)
    return written


def place(source: Source, sample: Sample, folder: Path) -> str:
    """Of a file: below the list's folder where it can be, so that both can be moved together."""
    if not isinstance(source, Path):
        raise ValueError(
            f"{sample.name} is no file of its own, so no list can name it; "
            f"unpack the shards into a folder first"
        )
    here, there = folder.resolve(), source.absolute()
    inside = there.relative_to(here) if there.is_relative_to(here) else there
    return inside.as_posix()


def written_objects(objects: Objects, name: str) -> Line:
    written: Line = {}
    for key in ARRAYS:
        array = getattr(objects, key)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has {key} that are no numbers: leave them out of the list")
        named_points = key == "points" and array.shape[1] > 0
        if len(array) or key in ("boxes", "kinds") or named_points:
            written[key] = array.tolist()
    if objects.outlines:
        written["outlines"] = [written_outline(outline) for outline in objects.outlines]
    return written


def written_outline(outline: Outline) -> Outline:
    match outline:
        case {"size": size, "counts": bytes(counts)}:  # as the code of COCO packs them
            return {"size": size, "counts": counts.decode("ascii")}
    return outline


def read_list(path: Path) -> Dataset:
    """The data set that `write_list` wrote, or that somebody wrote alike."""
    numbered = lines(path)
    _, head = next(numbered, (1, {}))
    if {key: head.get(key) for key in MARK} != MARK:
        raise ValueError(f"{path} is no list of samples: its first line does not begin with {MARK}")
    task: Task = head.get("task", "")
    labels: list[str] = head.get("labels", ())
    splits: list[str] = head.get("splits", ())
    if task not in get_args(Task) or not words(labels) or not words(splits):
        raise ValueError(
            f"the first line of {path} must name a task ({', '.join(get_args(Task))}), "
            f"labels and splits"
        )
    found: dict[str, list[Sample]] = {split: [] for split in splits}
    folder = path.parent.resolve()
    for number, content in numbered:
        try:
            if text(content, "split") not in found:
                raise ValueError(f"the first line knows no split {content.get('split')!r}")
            found[content["split"]].append(sample(content, task, labels, folder))
        except ValueError as error:
            raise ValueError(f"line {number} of {path} is wrong: {error}") from None
    form = head.get("form")
    return Dataset(
        path,
        form if isinstance(form, str) else "list",
        task,
        tuple(labels),
        {split: Listed(samples) for split, samples in found.items()},
    )


def lines(path: Path) -> Iterator[tuple[int, Line]]:
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                content = json.loads(text)
                if not isinstance(content, dict):
                    raise ValueError("it is not in braces")
                yield number, content
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"line {max(number, 1)} of {path} is not JSON: {reason}") from None


def words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def sample(content: Line, task: Task, labels: Sequence[object], folder: Path) -> Sample:
    """A line as a sample; a ValueError says what is wrong with it."""
    if unknown := content.keys() - KEYS:
        raise ValueError(f"nobody knows what {min(unknown)!r} is")
    picture = text(content, "picture")
    if not picture:
        raise ValueError("it names no picture")
    mask, colours = text(content, "mask"), content.get("colours")
    known = truth(content, task, labels)
    known["name"] = text(content, "name") or picture
    known["mask"] = folder / mask if mask else None
    if colours is None:
        return Sample(folder / picture, **known)
    return Coloured(folder / picture, **known, colours=read_colours(colours))


def truth(content: Line, task: Task, labels: Sequence[object]) -> Line:
    """What a line says of its picture, as the fields of a sample."""
    role = text(content, "role")
    if role not in ("", "query", "gallery"):
        raise ValueError(f"the role is query or gallery, not {role!r}")
    return {
        "kind": truth_kind(content, task, labels),
        "objects": truth_objects(content, task, labels),
        "part": read_part(content.get("part")),
        "camera": whole(content, "camera"),
        "role": role,
        "group": text(content, "group"),
    }


def text(content: Line, key: str) -> str:
    value = content.get(key, "")
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"the {key} is text, not {shown(value)}")
    return value


def whole(content: Line, key: str) -> int:
    value = content.get(key, -1)
    if type(value) is not int or not -1 <= value < 2**63:
        raise ValueError(f"the {key} is a number from 0, not {shown(value)}")
    return value


def shown(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 40 else f"{said[:40]}..."


def truth_kind(content: Line, task: Task, labels: Sequence[object]) -> int:
    kind = whole(content, "kind")
    if task == "classify" and not 0 <= kind < len(labels):
        raise ValueError(f"there are {len(labels)} labels, but its kind is {kind}")
    return kind


def truth_objects(content: Line, task: Task, labels: Sequence[object]) -> Objects | None:
    given = content.get("objects")
    if given is None:
        return None
    if not isinstance(given, dict) or given.keys() - {*ARRAYS, "outlines"}:
        raise ValueError(f"the objects are {', '.join(ARRAYS)} or outlines, not {shown(given)}")
    boxes = array(given, "boxes", 4)
    kinds = array(given, "kinds")
    known = {key: array(given, key) for key in ("ignored", "crowds", "areas")}
    joints = len(labels) if task == "pose" else 0
    points = np.zeros((0, joints if "points" in given else 0, 3))
    match given.get("points"):
        case [[], *_] as rows if all(row == [] for row in rows):  # of things that have no points
            points = np.zeros((len(rows), 0, 3))
        case [*_]:
            points = array(given, "points", joints, 3)
        case other if other is not None:
            raise ValueError(f"points are n x {joints} x 3 numbers, not {shown(other)}")
    outlines = given.get("outlines", [])
    if not isinstance(outlines, list) or not all(is_outline(outline) for outline in outlines):
        raise ValueError(f"an outline is polygons or RLE, not {shown(outlines)}")
    counts = {key: len(rows) for key, rows in known.items()}
    for key, count in {"points": len(points), "outlines": len(outlines), **counts}.items():
        if count not in (0, len(boxes)):
            raise ValueError(f"there are {len(boxes)} boxes, but {count} {key}")
    if len(kinds) != len(boxes):
        raise ValueError(f"there are {len(boxes)} boxes, but {len(kinds)} kinds")
    most = len(labels) if task in ("detect", "segment") else 2**31
    if ((kinds < 0) | (kinds >= most) | (kinds % 1 > 0)).any():
        raise ValueError(
            f"there are {len(labels)} labels, but the kinds are {shown(given['kinds'])}"
        )
    return Objects(
        boxes.astype(np.float32),
        kinds.astype(np.int64),
        points=points.astype(np.float32),
        outlines=tuple(outlines),
        **{key: rows.astype(ARRAYS[key]) for key, rows in known.items()},
    )


def array(given: Line, key: str, *shape: int) -> NDArray[np.float64]:
    """A list of rows of this shape."""
    rows = given.get(key, [])
    try:
        found = np.array(rows if rows else np.zeros((0, *shape)), np.float64)
    except (ValueError, TypeError, OverflowError):
        found = np.array(np.nan)
    if found.shape[1:] != shape or found.ndim != 1 + len(shape) or not np.isfinite(found).all():
        form = " x ".join(str(side) for side in ("n", *shape))
        raise ValueError(f"{key} are {form} numbers, not {shown(rows)}")
    return found


def is_outline(outline: Any) -> bool:
    match outline:
        case None:
            return True
        case {"size": [int(), int()], "counts": str()}:
            return True
        case {"size": [int(), int()], "counts": list(counts)}:
            return all(type(count) is int for count in counts)
        case list():
            return all(isinstance(polygon, list) and numbers(polygon) for polygon in outline)
    return False


def numbers(values: list[Any]) -> bool:
    return all(type(value) in (int, float) and isfinite(value) for value in values)


def read_part(part: Any) -> tuple[float, float, float, float] | None:
    match part:
        case None:
            return None
        case [left, top, right, bottom] if numbers(part) and left < right and top < bottom:
            return left, top, right, bottom
    raise ValueError(f"the part is left, top, right, bottom, not {shown(part)}")


def read_colours(colours: Any) -> tuple[tuple[int, int, int], ...]:
    match colours:
        case list() if all(isinstance(c, list) and len(c) == 3 and numbers(c) for c in colours):
            return tuple((int(red), int(green), int(blue)) for red, green, blue in colours)
    raise ValueError(f"the colours are red, green, blue of each class, not {shown(colours)}")
