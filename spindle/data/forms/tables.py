"""Which column of somebody's CSV names the pictures, and which their classes?"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spindle.data.forms.album import Album, files, is_picture, read_lines, read_names, split_of
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
ENDINGS = (".csv", ".tsv")
HEAD = 50  # rows that tell what a column holds
MOST = 100_000  # a number larger than this is no class


@dataclass(frozen=True)
class Columns:
    path: int
    label: int
    split: int | None = None
    group: int | None = None
    headed: bool = True


@dataclass(frozen=True)
class Line:
    table: str
    number: int
    path: str
    label: str
    split: str
    group: str


def fits(path: Path) -> bool:
    return any(columns(rows_of(file)[:HEAD]) for file in tables_of(path))


def tables_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in (*ENDINGS, ".txt") else []
    return files(path, *ENDINGS)


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
        return (
            Columns(pictured[0], int(pictured[0] == 0), headed=False) if len(rows[0]) == 2 else None
        )
    header = [cell.lower().replace(" ", "_") for cell in rows[0]]
    body = [row for row in rows[1:] if len(row) == len(header)]
    holds = [
        i for i in range(len(header)) if body and all(is_picture(Path(r[i]).name) for r in body)
    ]
    paths = sorted(named(header, PATHS), key=lambda i: i not in holds) or holds
    labels = [i for i in named(header, LABELS) if i not in paths[:1]]
    if paths and not labels and len(header) == 2:
        labels = [1 - paths[0]]
    if not paths or not labels:
        return None
    split, group = named(header, SPLITS), named(header, GROUPS)
    return Columns(paths[0], labels[0], next(iter(split), None), next(iter(group), None))


def named(header: Sequence[str], words: Iterable[str]) -> list[int]:
    return [header.index(word) for word in words if word in header]


def read(path: Path, task: Task | None = None) -> Dataset:
    problems: list[Problem] = []
    tables = [(f, rows, c) for f in tables_of(path) if (c := columns((rows := rows_of(f))[:HEAD]))]
    if not tables:
        raise ValueError(
            f"{path} has no columns I know: give it a header with path and label (and split)"
        )
    lines = [line for table in tables for line in lines_of(*table, problems)]
    root = path.parent if path.is_file() else path
    said = {line.label for line in lines}
    listed = read_names(root / "labels.txt", root / "classes.txt")
    labels = order(said, listed)
    places = {label: place for place, label in enumerate(labels)}
    if listed and said and all(label.isdecimal() for label in said):
        labels = listed
    album = Album(root)
    splits: dict[str, list[Sample]] = {}
    for line in lines:
        found, where = find_picture(root, album, line), f"line {line.number}"
        kind = places.get(line.label, -1)
        if found is None or not 0 <= kind < len(labels):
            what = f"{where} names a picture that is not there: {line.path}" if found is None else (
                f"{where} is of class {line.label!r}, which labels.txt does not name")  # fmt: skip
            problems.append(Problem(line.table, what, "correct it, or take the line out"))
            continue
        name = found.relative_to(root).as_posix() if found.is_relative_to(root) else line.path
        sample = Sample(found, name, kind=kind, group=line.group)
        splits.setdefault(line.split, []).append(sample)
    return Dataset(
        path, "CSV of paths and labels", task or "classify", labels,
        {split: Listed(found) for split, found in splits.items()}, problems,
    )  # fmt: skip


def lines_of(
    file: Path, rows: list[list[str]], columns: Columns, problems: list[Problem]
) -> list[Line]:
    found = []
    whole = split_of(file.stem) or "all"
    for number, row in enumerate(rows, 1):
        if (columns.headed and number == 1) or not any(row):
            continue
        most = max(
            i for i in (columns.path, columns.label, columns.split, columns.group) if i is not None
        )
        if len(row) <= most or not row[columns.path] or not row[columns.label]:
            what = f"line {number} has no path or no label: {','.join(row)[:60]}"
            problems.append(Problem(file.name, what, "complete it, or take it out"))
            continue
        split = row[columns.split] if columns.split is not None else ""
        group = row[columns.group] if columns.group is not None else ""
        label = row[columns.label]
        found.append(
            Line(
                file.name,
                number,
                row[columns.path],
                label,
                split_of(split) or split or whole,
                group,
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
    direct = root / line.path.replace("\\", "/")
    if is_picture(direct.name) and direct.is_file():
        return direct
    places = (line.split, "images", f"images/{line.split}")
    found = album.look(line.path, *places)
    return root / found if found else None
