"""Which column of somebody's CSV names the pictures, and which their classes?"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from spindle.data.forms.album import (
    Album,
    files,
    folders,
    is_picture,
    read_lines,
    read_names,
    split_of,
    upright_size,
)
from spindle.data.forms.annotations import Mark, gather
from spindle.data.samples import Dataset, Listed, Problem, Sample
from spindle.model.heads import Task

PATHS = (
    "path", "filepath", "file_path", "image_path", "img_path", "file", "filename", "file_name",
    "image", "img", "picture", "image_name", "image_id", "id",
)  # fmt: skip
LABELS = (
    "label", "labels", "class", "class_name", "classname", "label_name", "target", "category",
    "species", "breed", "identity", "diagnosis", "kind", "y",
)  # fmt: skip
SPLITS = ("split", "set", "subset", "partition", "fold", "dataset")
GROUPS = ("group", "patient", "patient_id", "subject", "subject_id")
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"),
)  # fmt: skip
YES, NO = ("1", "1.0"), ("0", "0.0", "")
ENDINGS = (".csv", ".tsv")
HEAD = 50  # rows that tell what a column holds
MOST = 100_000  # a number larger than this is no class


@dataclass(frozen=True)
class Columns:
    path: int
    label: int
    split: int | None = None
    group: int | None = None
    corners: tuple[int, ...] = ()  # left, top, right, bottom of a thing in the picture
    kinds: tuple[str, ...] = ()  # a column for each from `label` on, with 1 in one of them
    headed: bool = True

    @property
    def needed(self) -> int:
        """How many cells a line has at least."""
        last = self.label + max(len(self.kinds) - 1, 0)
        known = (self.path, last, self.split, self.group, *self.corners)
        return 1 + max(place for place in known if place is not None)

    def label_in(self, row: Sequence[str]) -> str:
        """The class that a line is of; nothing where it is of none, or of several."""
        if not self.kinds:
            return row[self.label]
        marks = row[self.label : self.label + len(self.kinds)]
        named = [kind for kind, mark in zip(self.kinds, marks) if mark in YES]
        return named[0] if len(named) == 1 else ""


@dataclass(frozen=True)
class Line:
    table: str
    home: Path  # the folder of the table
    number: int
    path: str
    label: str
    split: str
    group: str
    corners: tuple[str, ...] = ()


def fits(path: Path) -> bool:
    return any(columns(rows_of(file)[:HEAD]) for file in tables_of(path))


def tables_of(path: Path) -> list[Path]:
    """The file itself, or the tables here; else those in the folders of splits."""
    if path.is_file():
        return [path] if path.suffix.lower() in (*ENDINGS, ".txt") else []
    parts = [folder for folder in folders(path) if split_of(folder.name)]
    here = files(path, *ENDINGS) or [file for part in parts for file in files(part, *ENDINGS)]
    return [file for file in here if "submission" not in file.name.lower()]  # nobody's truth


def lacking(path: Path) -> str:
    """Why none of the tables here can be used, in words; nothing where there is none."""
    for file in tables_of(path):
        try:
            header = ", ".join(read_lines(file)[:1])
        except ValueError as error:
            return str(error)
        if file.suffix.lower() in ENDINGS and len(header) > 1:
            said = f"the first line of {file.name} is {header[:80]!r}"
            return f"{said}: call one column path and one label there"
    return ""


def rows_of(file: Path) -> list[list[str]]:
    """The cells of each line, by whatever most stands between those of the first."""
    try:
        lines = read_lines(file)
    except ValueError:
        return []
    first = lines[0] if lines else ""
    comma = max((",", ";", "\t", " "), key=lambda c: first.count(c) * (0.1 if c == " " else 1))
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=comma)]
    except csv.Error:
        return []


def columns(rows: Sequence[Sequence[str]]) -> Columns | None:
    """What each column holds, by the header or by looking."""
    if not rows or len(rows[0]) < 2:
        return None
    pictured = [i for i, cell in enumerate(rows[0]) if is_picture(Path(cell).name)]
    if pictured:  # no header
        match pictured[0], len(rows[0]):
            case path, 2:
                return Columns(path, 1 - path, headed=False)
            case 0, 6:
                return Columns(0, 5, corners=(1, 2, 3, 4), headed=False)
        return None
    header = [cell.lower().replace(" ", "_") for cell in rows[0]]
    body = [row for row in rows[1:] if len(row) == len(header)]
    holds = [
        i for i in range(len(header)) if body and all(is_picture(Path(r[i]).name) for r in body)
    ]
    paths = sorted(places_of(header, PATHS), key=lambda i: i not in holds) or holds
    labels = [i for i in places_of(header, LABELS) if i not in paths[:1]]
    if paths and not labels and len(header) == 2:
        labels = [1 - paths[0]]
    kinds: tuple[str, ...] = ()
    if paths and not labels and len(header) > 2:
        marked = [i for i in range(len(header)) if body and all(r[i] in (*YES, *NO) for r in body)]
        if marked and marked == [*range(marked[0], len(header))] and paths[0] < marked[0]:
            labels, kinds = marked[:1], tuple(rows[0][marked[0] :])
    if not paths or not labels or (kinds and len(kinds) < 2):
        return None
    split, group = places_of(header, SPLITS), places_of(header, GROUPS)
    boxes = [found for words in CORNERS if len(found := places_of(header, words)) == 4]
    return Columns(
        paths[0], labels[0], next(iter(split), None), next(iter(group), None),
        tuple(boxes[0]) if boxes else (), kinds,
    )  # fmt: skip


def places_of(header: Sequence[str], words: Iterable[str]) -> list[int]:
    return [header.index(word) for word in words if word in header]


def read(path: Path, task: Task | None = None) -> Dataset:
    problems: list[Problem] = []
    tables = [(f, rows, c) for f in tables_of(path) if (c := columns((rows := rows_of(f))[:HEAD]))]
    if not tables:
        raise ValueError(
            f"{path} has no columns I know: give it a header with path and label (and split)"
        )
    boxed = all(columns.corners for *_, columns in tables)
    if task == "detect" and not boxed:
        raise ValueError(f"{path} has no columns xmin, ymin, xmax, ymax to learn boxes from")
    task = task or ("detect" if boxed else "classify")
    lines = [line for table in tables for line in lines_of(*table, task == "detect", problems)]
    root = path.parent if path.is_file() else path
    said = {line.label for line in lines if line.label}
    listed = read_names(root / "labels.txt", root / "classes.txt")
    labels = order(said, listed)
    places = {label: place for place, label in enumerate(labels)}
    if listed and said and all(label.isdecimal() for label in said):
        labels = listed
    album = Album(root)
    found: dict[tuple[Path, str], list[tuple[Line, int]]] = {}
    for line in lines:
        picture, where = find_picture(root, album, line), f"line {line.number}"
        kind = places.get(line.label, -1)
        if picture is None or (line.label and not 0 <= kind < len(labels)):
            what = f"{where} names a picture that is not there: {line.path}" if not picture else (
                f"{where} is of class {line.label!r}, which labels.txt does not name")  # fmt: skip
            problems.append(Problem(line.table, what, "correct it, or take the line out"))
            continue
        found.setdefault((picture, line.split), []).append((line, kind))
    splits: dict[str, list[Sample]] = {line.split: [] for line in lines}
    for (picture, split), named in found.items():
        below = picture.is_relative_to(root)
        name = picture.relative_to(root).as_posix() if below else named[0][0].path
        make = boxed_sample if task == "detect" else kind_sample
        splits[split].extend(make(picture, name, named, problems))
    form = "CSV of paths and boxes" if task == "detect" else "CSV of paths and labels"
    known = {split: Listed(samples) for split, samples in splits.items() if samples}
    return Dataset(path, form, task, labels, dict(known), problems)


def kind_sample(
    picture: Path, name: str, rows: list[tuple[Line, int]], problems: list[Problem]
) -> Iterator[Sample]:
    """A picture with its class; it has one only, that of its first line."""
    (first, kind), *more = rows
    for line, other in more:
        again = f"names {line.path} again, which line {first.number} names"
        what = f"line {line.number} {again}" + (f" of class {first.label!r}" * (kind != other))
        problems.append(Problem(line.table, what, "keep one of them", fatal=kind != other))
    yield Sample(picture, name, kind=kind, group=first.group)


def boxed_sample(
    picture: Path, name: str, rows: list[tuple[Line, int]], problems: list[Problem]
) -> Iterator[Sample]:
    """A picture with the things in it, a line each; a line without any says that there is none."""
    table = rows[0][0].table
    try:
        size = upright_size(picture)
    except ValueError:
        problems.append(Problem(name, "cannot be opened as a picture", "replace it"))
        return
    marks = []
    for line, kind in rows:
        if not any(line.corners):
            continue
        where = f"line {line.number} ({line.label})"
        try:
            left, top, right, bottom = map(float, line.corners)
        except ValueError:
            problems.append(Problem(table, f"{where} has no box of four numbers", "correct it"))
            continue
        if all(map(isfinite, (left, top, right, bottom))) and kind >= 0:
            marks.append(Mark(kind, (left, top, right, bottom), where))
        else:
            problems.append(Problem(table, f"{where} has no class or no end", "correct it"))
    objects = gather(marks, size, table, problems)
    yield Sample(picture, name, objects=objects, group=rows[0][0].group)


def lines_of(
    file: Path, rows: list[list[str]], columns: Columns, boxed: bool, problems: list[Problem]
) -> list[Line]:
    found = []
    whole = split_of(file.stem) or split_of(file.parent.name) or "all"
    for number, row in enumerate(rows, 1):
        if (columns.headed and number == 1) or not any(row):
            continue
        whole_line = len(row) >= columns.needed and row[columns.path]
        corners = tuple(row[place] for place in columns.corners) if boxed and whole_line else ()
        nothing = bool(corners) and not any(corners)
        if not whole_line or not (columns.label_in(row) or nothing):
            lacks = "not one class alone" if columns.kinds else "no path or no label"
            what = f"line {number} has {lacks}: {','.join(row)[:60]}"
            problems.append(Problem(file.name, what, "complete it, or take it out"))
            continue
        split = row[columns.split] if columns.split is not None else ""
        group = row[columns.group] if columns.group is not None else ""
        label = columns.label_in(row)
        found.append(
            Line(
                file.name,
                file.parent,
                number,
                row[columns.path],
                label,
                split_of(split) or split or whole,
                group,
                corners,
            )
        )
    return found


def order(said: set[str], listed: tuple[str, ...]) -> tuple[str, ...]:
    """Numbers of classes keep their own place; words are sorted, or as they are listed."""
    if said & {*listed}:
        return listed
    if said and all(label.isdecimal() and int(label[:7]) <= MOST for label in said):
        plain = {str(int(label)) for label in said}
        most, least = max(map(int, plain)), min(map(int, plain))
        if plain == said and (listed or most - least + 1 > len(said)):
            return tuple(map(str, range(most + 1)))
        return tuple(sorted(said, key=lambda label: (int(label), label)))
    return tuple(sorted(said))


def find_picture(root: Path, album: Album, line: Line) -> Path | None:
    """Below the table's folder, however it is called; or where the whole path says."""
    for home in (root, line.home):
        direct = home / line.path.replace("\\", "/")
        if is_picture(direct.name) and direct.is_file():
            return direct
    places = (line.split, "images", f"images/{line.split}")
    found = album.look(line.path, *places)
    return root / found if found else None
