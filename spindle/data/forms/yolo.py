"""What do the text files of YOLO say of their pictures?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spindle.data.forms.album import (
    files,
    folders,
    is_picture,
    read_lines,
    read_names,
    split_of,
    splits_among,
    upright_size,
    walk,
)  # fmt: skip
from spindle.data.forms.annotations import Mark, Size, gather, numbers
from spindle.data.reading import names
from spindle.data.samples import Dataset, Listed, Problem, Sample
from spindle.model.heads import Task

Value = str | list[str] | dict[str, str]
LISTS = ("classes.txt", "labels.txt", "obj.names", "names.txt")  # of the names of classes
NOT_NOTES = {*LISTS, "train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt"}
MOST = 100_000  # classes
PART = re.compile(r"""(?:\s*\d+\s*:)?\s*(?:"[^"]*"|'[^']*')\s*(?=,|$)|[^,]+""")  # between commas
NOTE = re.compile(r"\s*\d+(?:\s+[-+0-9.eE]+){4,}\s*")


@dataclass(frozen=True)
class Plan:
    """What data.yaml says, or what stands in for it."""

    splits: dict[str, list[Path]]  # the pictures of each
    names: tuple[str, ...]
    points: tuple[int, int] = (0, 0)  # how many a body has, and numbers for each
    point_names: tuple[str, ...] = ()


def fits(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml") and "names" in read_yaml(path)
    return bool(yaml_of(path)) or any(map(has_notes, folders_of(path).values()))


def yaml_of(path: Path) -> Path | None:
    if path.is_file():
        return path
    found = (file for file in files(path, ".yaml", ".yml") if "names" in read_yaml(file))
    return next(found, None)


def folders_of(path: Path) -> dict[str, Path]:
    """The folder of pictures of each split, where they lie as usual."""
    for root in (path / "images", path):
        named = splits_among(folder.name for folder in folders(root))
        if named:
            return {split: root / name for name, split in named.items()}
    return {"all": path / "images" if (path / "images").is_dir() else path}


def has_notes(folder: Path) -> bool:
    """Whether texts of numbers belong to the pictures in a folder (or in its images/)."""
    inner = folder / "images" if (folder / "images").is_dir() else folder
    texts = (f for f in files(labels_of(inner), ".txt") if f.name.lower() not in NOT_NOTES)
    first = next((file for file in texts if file.stat().st_size), None)
    try:
        return first is not None and any(NOTE.fullmatch(line) for line in read_lines(first)[:3])
    except ValueError:
        return False


def labels_of(folder: Path) -> Path:
    """Where the texts of a folder of pictures lie: labels/ in the place of the last images/."""
    parts = list(folder.parts)
    for i in reversed(range(len(parts))):
        if parts[i].lower() == "images":
            other = Path(*parts[:i], "labels", *parts[i + 1 :])
            return other if other.is_dir() else folder
    return folder


def read(path: Path, task: Task | None = None) -> Dataset:
    problems: list[Problem] = []
    file = yaml_of(path)
    root = path.parent if path.is_file() else path
    plan = plan_of(file, problems) if file else Plan({}, ())
    if not plan.splits:
        found = {s: sorted(f / n for n in walk(f)) for s, f in folders_of(root).items()}
        plan = Plan({s: f for s, f in found.items() if f}, plan.names, plan.points)
    labels = plan.names or read_names(*(root / name for name in LISTS))
    count, each = plan.points
    if task == "pose" and not count:
        raise ValueError(f"{path} has no kpt_shape: there is nothing a pose could be learned of")
    task = task or ("pose" if count else "detect")
    rows = {
        split: [(picture, *notes(root, picture, problems)) for picture in pictures]
        for split, pictures in plan.splits.items()
    }
    known = [row[0] for listed in rows.values() for *_, found in listed for row in found.values()]
    if not labels:
        labels = tuple(str(number) for number in range(int(max(known, default=-1)) + 1))
        if file:
            what = "has no names of classes: their numbers stand for them"
            problems.append(Problem(file.name, what, "list them there as names", fatal=False))
    reader = Reader(root, labels, task, count, each)
    splits = {
        split: Listed(sample for row in listed for sample in reader.samples(*row, problems))
        for split, listed in rows.items()
    }
    if task == "segment":
        labels = ("background", *labels)
    named = labels if task != "pose" else (plan.point_names or names("pose", count))
    return Dataset(path, "YOLO text files", task, named, dict(splits), problems)


def plan_of(file: Path, problems: list[Problem]) -> Plan:
    said = read_yaml(file)
    match said.get("names"):
        case dict() as numbered:
            pairs = sorted(
                (int(n), name) for n, name in numbered.items() if n.isdecimal() and len(n) < 12
            )
            words = dict(pairs)
            if max(words, default=0) >= MOST:
                raise ValueError(f"{file} numbers its names up to {max(words)}; number from 0")
            listed = tuple(words.get(n, str(n)) for n in range(max(words, default=-1) + 1))
        case list() as row:
            listed = tuple(row)
        case _:
            listed = ()
    top = said.get("path")
    root = file.parent / top if isinstance(top, str) else file.parent
    root = root if root.is_dir() else file.parent
    splits = {}
    named = {key: value for key, value in said.items() if split_of(key) and value}
    for key, split in splits_among(named).items():
        value = named[key]
        places = [value] if isinstance(value, str) else list(value)
        splits[split] = [
            p for place in places for p in pictures_at(root, key, place, file, problems)
        ]
    shape = said.get("kpt_shape")
    counts = (
        numbers([int(n) for n in shape if n.isdecimal() and len(n) < 9], 2)
        if isinstance(shape, list)
        else None
    )
    points = (int(counts[0]), int(counts[1])) if counts else (0, 0)
    if shape and (points[1] not in (2, 3) or not 0 < points[0] <= 1000):
        raise ValueError(f"{file}: kpt_shape is [how many points, 2 or 3 numbers each]")
    splits = {split: found for split, found in splits.items() if found}
    return Plan(splits, listed, points, point_names(said, points[0]))


def point_names(said: dict[str, Value], count: int) -> tuple[str, ...]:
    """The names of a body's points; else words that tell which is which in a mirror."""
    match said.get("kpt_names"), said.get("flip_idx"):
        case [*written], _ if len(written) == count:
            return tuple(written)
        case _, [*flips] if sorted(flips) == sorted(map(str, range(count))):
            pairs = [(place, int(flip)) for place, flip in enumerate(flips)]
            sides = {place: "left" if place < flip else "right" for place, flip in pairs}
            return tuple(
                f"point {place}" if place == flip else f"{sides[place]} {min(place, flip)}"
                for place, flip in pairs
            )
    return ()


def pictures_at(
    root: Path, key: str, place: str, file: Path, problems: list[Problem]
) -> Iterator[Path]:
    """The pictures in a folder, or in a list of paths; `../` is a habit of some who export."""
    while place.startswith("../") and not (root / place).exists():
        place = place[3:]
    at = root / place
    if at.is_dir():
        yield from sorted(at / name for name in walk(at))
    elif at.is_file() and at.suffix == ".txt":
        for line in read_lines(at):
            if line.strip():
                picture = at.parent / line.strip()
                if picture.is_file() and is_picture(picture.name):
                    yield picture
                else:
                    what = f"names a picture that is not there: {line.strip()}"
                    problems.append(Problem(at.name, what, "bring it back, or take it out"))
    else:  # exports name a part for tests whether they have one or not
        what, needed = f"names {place}, which is not there", split_of(key) != "test"
        problems.append(Problem(file.name, what, "correct it, or take it out", fatal=needed))


def notes(root: Path, picture: Path, problems: list[Problem]) -> tuple[str, dict[int, list[float]]]:
    """The file that belongs to a picture, and the numbers in each of its lines."""
    file = labels_of(picture.parent) / f"{picture.stem}.txt"
    below = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    found: dict[int, list[float]] = {}
    if not file.is_file():
        return below, found  # a picture of background, as YOLO has it
    try:
        lines = read_lines(file)
    except ValueError as error:
        problems.append(Problem(below, str(error).removeprefix(f"{file} "), "replace it"))
        return below, found
    for i, line in enumerate(lines):
        try:
            row = numbers([float(word) for word in line.split()])
        except ValueError:
            row = None
        if row and row[0] == int(row[0]) >= 0 and row[0] < MOST:
            found[i + 1] = row
        elif line.strip():
            what = f"line {i + 1} is not a class and numbers: {line.strip()[:40]}"
            problems.append(Problem(below, what, "correct or delete it"))
    return below, found


@dataclass(frozen=True)
class Reader:
    """What turns lines into samples."""

    root: Path
    labels: tuple[str, ...]
    task: Task
    count: int  # of points
    each: int  # numbers of a point

    def samples(
        self, picture: Path, file: str, rows: dict[int, list[float]], problems: list[Problem]
    ) -> Iterator[Sample]:
        name = picture.relative_to(self.root).as_posix() if self.holds(picture) else picture.name
        try:
            size = upright_size(picture)
        except ValueError:
            problems.append(Problem(name, "cannot be opened as a picture", "replace it"))
            return
        marks = []
        for line, row in rows.items():
            mark = self.mark(line, row, size)
            if isinstance(mark, str):
                problems.append(Problem(file, f"line {line} {mark}", "correct or delete it"))
            else:
                marks.append(mark)
        if self.task != "pose":
            objects = gather(marks, size, file, problems, self.task == "segment")
            yield Sample(picture, name, objects=objects)
            return
        for person in marks:
            body = gather([person], size, file, problems)
            if len(body) and (body.points[0, :, 2] > 0).any():
                left, top, right, bottom = body.boxes[0].tolist()
                own = f"{name}#{person.name.split()[1]}"
                part = (left, top, right, bottom)
                yield Sample(picture, own, objects=body, part=part, group=name)

    def holds(self, picture: Path) -> bool:
        return picture.is_relative_to(self.root)

    def mark(self, line: int, row: list[float], size: Size) -> Mark | str:
        """One line, or what is wrong with it."""
        kind, *shares = row
        wide, high = size
        if kind >= len(self.labels):
            return f"is of class {kind:g}, but there are only {len(self.labels)} names"
        name, own = f"line {line} ({self.labels[int(kind)]})", int(kind) + (self.task == "segment")
        body = 4 + self.count * self.each
        if len(shares) == 4 or (self.count and len(shares) == body):
            x, y, across, down = shares[:4]
            left, right = (x - across / 2) * wide, (x + across / 2) * wide
            top, bottom = (y - down / 2) * high, (y + down / 2) * high
            if self.task == "pose" and len(shares) == 4:
                return "has a box, but no points"
            if self.task == "segment":
                return "has a box, but no outline"
            points = self.points(shares[4:], size) if self.task == "pose" else []
            return Mark(own, (left, top, right, bottom), name, points=points)
        if self.task == "pose" or len(shares) < 6 or len(shares) % 2:
            return f"has {len(row)} numbers: neither a box nor an outline" + (
                f" nor {self.count} points" if self.count else ""
            )
        outline = [share * size[i % 2] for i, share in enumerate(shares)]
        across_, down_ = outline[::2], outline[1::2]
        box = min(across_), min(down_), max(across_), max(down_)
        return Mark(own, box, name, outline=[outline])

    def points(self, shares: list[float], size: Size) -> list[float]:
        """In pixels, with how well each is seen; 0, 0 is the place of what is not labelled."""
        found = []
        for i in range(0, len(shares), self.each):
            x, y, *seen = shares[i : i + self.each]
            found += [x * size[0], y * size[1], seen[0] if seen else 2.0 * bool(x or y)]
        return found


def read_yaml(file: Path) -> dict[str, Value]:
    """The plain part of YAML that data.yaml needs: words, lists and tables of words."""
    said: dict[str, Value] = {}
    key = ""
    try:
        lines = read_lines(file, 1 << 22)
    except ValueError:
        return said
    text = re.sub(r"\[[^\]]*\]|\{[^}]*\}", lambda m: m[0].replace("\n", " "), "\n".join(lines))
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).rstrip()
        if item := re.fullmatch(r"\s*-\s+(.+)", line):
            listed = said.get(key)
            if key:
                said[key] = [*(listed if isinstance(listed, list) else []), plain(item[1])]
        elif pair := re.fullmatch(r"(\s*)([^:\[\]{}]+?)\s*:(?:\s+(.*))?", line):
            value = (pair[3] or "").strip()
            if not pair[1]:
                key = plain(pair[2])
                said[key] = flow(value)
            elif key:
                table = said.get(key)
                pairs = table if isinstance(table, dict) else {}
                said[key] = {**pairs, plain(pair[2]): plain(value)}
    return said


def flow(value: str) -> Value:
    """[a, b], {0: a, 1: b} or a word."""
    parts = (word for word in PART.findall(value[1:-1]) if word.strip())
    if value.startswith("[") and value.endswith("]"):
        return [plain(word) for word in parts]
    if value.startswith("{") and value.endswith("}"):
        pairs = (word.partition(":") for word in parts)
        return {plain(left): plain(right) for left, _, right in pairs}
    return plain(value)


def plain(word: str) -> str:
    word = word.strip()
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"" else word
