"""What is somebody's data, found out by looking?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from spindle.data.forms import album, coco, folders, identities, pairs, tables, voc, yolo
from spindle.data.forms.listing import read_list
from spindle.data.forms.shards import ENDINGS, find_shards, shards_in
from spindle.data.parting import parted as parted
from spindle.data.samples import Dataset
from spindle.model.heads import Task

PACKED = (".zip", ".7z", ".rar", ".gz", ".bz2", ".xz")


@dataclass(frozen=True)
class Form:
    """A way to lay out data: how to know it, how to read it, and what can be learned of it."""

    words: str
    tasks: tuple[Task, ...]
    fits: Callable[[Path], bool]
    read: Callable[[Path, Task | None], Dataset]


def is_shards(path: str | Path) -> bool:
    """A tar file, a folder of them, a pattern of their names, or an address."""
    text = str(path)
    if text.lower().endswith(ENDINGS) or "://" in text:
        return True
    # a tar beside pictures is what these were unpacked from
    return bool(shards_in(Path(path))) and not any(album.walk(Path(path)))


# in the order of looking: what is told by its own marks comes before what could be anything
FORMS = {
    "shards": Form(
        "tar shards, as WebDataset has them", get_args(Task), is_shards,
        lambda path, task: find_shards(path, task),
    ),
    "list": Form(
        "a .jsonl list, as spindle check --fix writes it", get_args(Task),
        lambda path: path.suffix == ".jsonl", lambda path, task: read_list(path),
    ),
    "coco": Form("COCO JSON", ("detect", "segment", "pose"), coco.fits, coco.read),
    "voc": Form("Pascal VOC: an XML file for each picture", ("detect",), voc.fits, voc.read),
    "yolo": Form(
        "YOLO: a text file for each picture", ("detect", "segment", "pose"), yolo.fits, yolo.read
    ),
    "market": Form("Market-1501: bounding_box_train, query, bounding_box_test", ("embed",),
                   identities.fits, identities.read),
    "masks": Form("pictures and masks of the same names", ("segment",), pairs.fits, pairs.read),
    "csv": Form(
        "a CSV of paths and labels", ("classify", "embed", "detect"), tables.fits, tables.read
    ),
    "folders": Form(
        "a folder for each class", ("classify", "embed"), folders.fits, folders.read
    ),
}  # fmt: skip


def find(path: str | Path, task: Task | None = None, form: str | None = None) -> Dataset:
    """The data at a path, read by the first form that fits it; a task and a form may be named."""
    if task is not None and task not in get_args(Task):
        raise ValueError(f"no task is called {task!r}: there are {', '.join(get_args(Task))}")
    if form is not None and form not in FORMS:
        raise ValueError(f"no form of data is called {form!r}: there are {', '.join(FORMS)}")
    place = Path(path)
    pattern = "://" in str(path) or any(mark in str(path) for mark in "*?[{")
    if pattern and form in (None, "shards") and not place.exists():
        return checked(find_shards(str(path), task), task)
    if not place.exists():
        raise ValueError(f"{path} does not exist; name a folder, an annotation file or shards")
    other: Form | None = None
    while True:
        for known in [FORMS[form]] if form else FORMS.values():
            if known.fits(place):
                if task is None or task in known.tasks:
                    return checked(known.read(place, task), task)
                other = other or known
        inner = only_folder(place)
        if inner is None:
            break
        place = inner
    if other:
        raise ValueError(
            f"{path} holds {other.words}: of that {' or '.join(other.tasks)} can be learned, "
            f"not {task}"
        )
    if not form and (why := meant(Path(path))):
        raise ValueError(f"{path} {seen(Path(path))}: {why}")
    words = [FORMS[form]] if form else FORMS.values()
    raise ValueError(
        f"{path} {seen(Path(path))}, but data is {'; '.join(known.words for known in words)}"
    )


def checked(found: Dataset, task: Task | None) -> Dataset:
    """That there is something, of this task."""
    if task is not None and found.task != task:
        raise ValueError(f"{found.path} is for the task {found.task}, not {task}")
    if not any(map(len, found.splits.values())):
        more = f" ({len(found.problems)} problems; the first is {next(iter(found.problems), '')})"
        raise ValueError(
            f"{found.path} looks like {found.form}, but no picture in it can be used"
            + (more if found.problems else "")
        )
    return found


def only_folder(path: Path) -> Path | None:
    """The one folder that everything is in, as unpacking often leaves it."""
    inner = album.folders(path)
    return inner[0] if len(inner) == 1 and not album.files(path) else None


def meant(path: Path) -> str:
    """What somebody may have meant by what no form fits, and its cure; nothing where unknown."""
    if path.is_file() and path.suffix.lower() in PACKED:
        return "unpack it first, and name the folder"
    if why := tables.lacking(path):
        return why
    known = [folder.name for folder in album.folders(path)]
    if len(known) > 1 and all(map(folders.is_no_class, known)):
        return "its folders are no classes, and nothing says what their pictures show"
    if any(album.walk(path)):
        return (
            "nothing says what they show; put those of each class into a folder of its own, "
            "or write path,label into a CSV beside them"
        )
    foreign = sum(file.suffix.lower() in album.FOREIGN for file in path.rglob("*"))
    return "save them as JPEG or PNG, which can be read" if foreign else ""


def seen(path: Path) -> str:
    """What is at a path, in words."""
    if path.is_file():
        return f"is a {path.suffix or 'nameless kind of'} file"
    kinds = Counter(file.suffix.lower() or "nameless" for file in path.rglob("*") if file.is_file())
    pictures = sum(count for kind, count in kinds.items() if kind in album.SUFFIXES)
    other = [f"{n} {kind}" for kind, n in kinds.most_common(4) if kind not in album.SUFFIXES]
    if not kinds:
        return "is empty"
    told = f"{pictures} pictures" if pictures else "no pictures"
    return f"holds {' and '.join([', '.join(other), told]) if other else told}"
