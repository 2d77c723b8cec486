"""Which folder does a picture lie in: of a class, of a person, of a split?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from spindle.data.forms.album import FOREIGN, files, folders, split_of, splits_among, walk
from spindle.data.forms.pairs import MASKS, PICTURES
from spindle.data.samples import Dataset, Listed, Problem, Sample
from spindle.model.heads import Task

# OCT2017 and its kin: CNV-<patient>-<number>.jpeg in a folder CNV
PATIENT = re.compile(r"(?P<kind>[^-]+)-(?P<patient>[^-]+)-\d+\.\w+")
NO_CLASS = {*PICTURES, *MASKS}  # what folders of pictures are called that are no classes
FEW, MANY = 100, 50  # a val of fewer pictures, where train has so many times as much, says little


def fits(path: Path) -> bool:
    if split_folders(path):
        return True
    names = [folder.name for folder in kind_folders(path)]
    return len(names) > 1 and not all(map(is_no_class, names))


def is_no_class(name: str) -> bool:
    """Whether it speaks of a split, of pictures or of masks: test, train_images ..."""
    words = re.split(r"[-_ ]", name.lower())
    return all(split_of(word) or word in NO_CLASS for word in words)


def has_pictures(folder: Path) -> bool:
    return next(walk(folder), None) is not None


def kind_folders(path: Path) -> list[Path]:
    return [folder for folder in folders(path) if has_pictures(folder)]


def split_folders(path: Path) -> dict[str, Path]:
    """Folders named like splits, with folders of classes in them."""
    inner = {folder.name: folder for folder in folders(path) if kind_folders(folder)}
    return {split: inner[name] for name, split in splits_among(inner).items()}


def read(path: Path, task: Task | None = None) -> Dataset:
    homes = split_folders(path) or {"all": path}
    kinds = {split: {folder.name: folder for folder in kind_folders(home)}
             for split, home in homes.items()}  # fmt: skip
    labels = tuple(sorted({name for split in kinds.values() for name in split}))
    places = {label: place for place, label in enumerate(labels)}
    splits = {
        split: Listed(
            s for name, folder in found.items() for s in pictures(path, folder, places[name])
        )
        for split, found in kinds.items()
    }
    task = task or "classify"
    problems = [*strays(path, homes), *unreadable(path, kinds)]
    if task == "classify":
        problems += [*strangers(kinds), *scarce(splits)]
    form = "OCT2017: a folder for each class, named by patient" if any(
        sample.group for split in splits.values() for sample in split[:1]
    ) else "a folder for each class"  # fmt: skip
    return Dataset(path, form, task, labels, dict(splits), problems)


def pictures(root: Path, folder: Path, kind: int) -> Iterator[Sample]:
    """All pictures in the folder of a class, however deep."""
    home = folder.relative_to(root).as_posix()
    for below in sorted(walk(folder)):
        named = PATIENT.fullmatch(below)
        known = named is not None and named["kind"].lower() == folder.name.lower()
        group = named["patient"] if known and named else ""
        yield Sample(folder / below, f"{home}/{below}", kind=kind, group=group)


def strays(path: Path, homes: dict[str, Path]) -> Iterator[Problem]:
    """Pictures beside the folders of classes have no class."""
    for home in homes.values():
        for file in files(home):
            name = file.relative_to(path).as_posix()
            yield Problem(name, "lies beside the folders of the classes", "put it into one of them")


def unreadable(path: Path, kinds: dict[str, dict[str, Path]]) -> Iterator[Problem]:
    """Pictures of a kind that cannot be opened."""
    for found in kinds.values():
        for folder in found.values():
            for file in files(folder, *FOREIGN):
                name = file.relative_to(path).as_posix()
                yield Problem(name, f"is a {file.suffix} file", "save it as JPEG or PNG")


def strangers(kinds: dict[str, dict[str, Path]]) -> Iterator[Problem]:
    for split, found in kinds.items():
        for name in sorted(found.keys() - kinds.get("train", found).keys()):
            what = f"is a class that is not in train, but in {split}: nobody can learn it"
            yield Problem(f"{split}/{name}", what, "put pictures of it into train", fatal=False)


def scarce(splits: dict[str, Listed]) -> Iterator[Problem]:
    train, val = len(splits.get("train", ())), len(splits.get("val", ()))
    if 0 < val < FEW and train > MANY * val:
        what = f"has {val} pictures only, beside {train} to learn from: it judges by luck"
        yield Problem(
            "val", what, "leave it out, and test or a share of train is taken", fatal=False
        )
