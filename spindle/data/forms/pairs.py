"""Which mask belongs to which picture, and what do its numbers or colours mean?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spindle.data.forms.album import (
    files,
    folders,
    read_lines,
    read_names,
    split_of,
    splits_among,
)
from spindle.data.labels import VOC
from spindle.data.masks import Colour, Coloured, colour_codes, open_mask
from spindle.data.samples import VOID, Dataset, Listed, Problem, Sample
from spindle.model.heads import Task

PICTURES = (
    "images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "inputs", "input",
)  # fmt: skip
MASKS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass",
    "segmentation", "segmentations", "gt", "groundtruth", "anns", "ann", "annots", "annot",
    "targets", "target",
)  # fmt: skip
ENDS = (  # of a mask's name, after that of its picture; and of a folder of masks
    "", "_mask", "_masks", "_L", "_label", "_labels", "_gt", "_seg", "_segmentation",
    "_annotation", "-mask", "-label", "annot", "_annot", "mask", "masks", "labels",
)  # fmt: skip
APART = tuple(end for end in ENDS if end.startswith(("_", "-")))  # where both are in one folder
LOOKED = 16  # masks that are looked into where the names of their classes are known
MOST = 400  # and where their colours have to be collected
NUMBERS = frozenset(map(str, range(VOID)))
COLOURED = re.compile(r"([^:#]+):(\d+),(\d+),(\d+):.*")  # labelmap.txt


@dataclass(frozen=True)
class Pairs:
    """The folders of one split, and the names in its list where there is one."""

    split: str
    pictures: Path
    masks: Path
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Key:
    """The names of classes, and their colours where masks show these."""

    labels: tuple[str, ...]
    colours: tuple[Colour, ...] = ()


def fits(path: Path) -> bool:
    return any(is_mask_folder(pair.masks) for pair in pairs_of(path))


def is_mask_folder(folder: Path) -> bool:
    return bool(files(folder)) and not files(folder, ".txt", ".xml")


def pairs_of(path: Path) -> list[Pairs]:
    """Splits around images/ and masks/, within both, as train and train_labels, or none."""
    inner = {folder.name: folder for folder in folders(path)}
    named = splits_among(inner)
    around = [Pairs(split, *two) for name, split in named.items() if (two := two_of(inner[name]))]
    if around:
        return around
    if two := two_of(path):
        pictures, masks = two
        lists = {file.stem: file for file in files(path / "ImageSets" / "Segmentation", ".txt")}
        if listed := splits_among(lists):
            return [
                Pairs(split, pictures, masks, tuple(" ".join(read_lines(lists[name])).split()))
                for name, split in listed.items()
            ]
        within = splits_among(folder.name for folder in folders(pictures))
        both = {name: split for name, split in within.items() if (masks / name).is_dir()}
        if both:
            return [Pairs(split, pictures / name, masks / name) for name, split in both.items()]
        return [Pairs("all", pictures, masks)]
    if worded := by_words(inner):
        return worded
    beside = {name: next((inner[name + end] for end in ENDS if end and name + end in inner), None)
              for name in named}  # fmt: skip
    found = [Pairs(named[name], inner[name], masks) for name, masks in beside.items() if masks]
    homes = {split: inner[name] for name, split in named.items()} or {"all": path}
    mixed = [Pairs(split, home, home) for split, home in homes.items() if masks_among(home)]
    return found or mixed


def by_words(inner: dict[str, Path]) -> list[Pairs]:
    """train_images beside train_masks, or images_train beside masks_train."""
    found: dict[str, dict[str, Path]] = {}
    for name, folder in inner.items():
        words = re.split(r"[-_ ]", name.lower())
        split = next((word for word in words if split_of(word)), "")
        rest = "".join(word for word in words if word != split)
        found.setdefault(split_of(split) or "", {})[rest] = folder
    found.pop("", None)
    return [Pairs(split, *two) for split, own in found.items() if (two := two_among(own))]


def masks_among(folder: Path) -> dict[str, Path]:
    """The masks in a folder of pictures, named as these with an end: a.jpg, a_mask.png."""
    found = {file.stem: file for file in files(folder)}
    stems = {stem + end for stem in found for end in APART}
    return {stem: file for stem, file in found.items() if stem in stems}


def two_of(path: Path) -> tuple[Path, Path] | None:
    return two_among({folder.name.lower(): folder for folder in folders(path)})


def two_among(inner: dict[str, Path]) -> tuple[Path, Path] | None:
    """The folders of pictures and of masks among those of these names."""
    pictures = next((inner[name] for name in PICTURES if name in inner), None)
    masks = sorted(
        (name for name in MASKS if name in inner), key=lambda n: n != "segmentationclass"
    )
    return (pictures, inner[masks[0]]) if pictures and masks else None


def read(path: Path, task: Task | None = None) -> Dataset:
    problems: list[Problem] = []
    found = {
        pair.split: [*match(path, pair, problems)] for pair in pairs_of(path) if files(pair.masks)
    }
    masks = [mask for listed in found.values() for _, mask in listed]
    if not masks:
        raise ValueError(f"{path}: no mask has the name of a picture; name both alike")
    key = key_of(path, written_key(path, masks[0].parent), masks, problems)
    splits = {
        split: Listed(as_sample(path, picture, mask, key) for picture, mask in listed)
        for split, listed in found.items()
    }
    return Dataset(path, "pictures and masks", "segment", key.labels, dict(splits), problems)


def as_sample(root: Path, picture: Path, mask: Path, key: Key) -> Sample:
    name = picture.relative_to(root).as_posix()
    if key.colours:
        return Coloured(picture, name, mask=mask, colours=key.colours)
    return Sample(picture, name, mask=mask)


def match(root: Path, pair: Pairs, problems: list[Problem]) -> Iterator[tuple[Path, Path]]:
    """Each picture with its mask; what is alone becomes a problem."""
    pictures = {file.stem: file for file in files(pair.pictures)}
    masks = {file.stem: file for file in files(pair.masks)}
    if pair.pictures == pair.masks:
        masks = masks_among(pair.masks)
        pictures = {stem: file for stem, file in pictures.items() if stem not in masks}
    for name in pair.names if pair.names is not None else pictures:
        mask = next((masks.pop(name + end) for end in ENDS if name + end in masks), None)
        if mask is None or name not in pictures:
            folder = pair.masks if mask is None else pair.pictures
            where = (pictures[name] if name in pictures else folder / name).relative_to(root)
            what = "has no mask" if name in pictures else "is in a list, but not there whole"
            problems.append(Problem(where.as_posix(), what, f"add it to {folder.name}/"))
        else:
            yield pictures[name], mask
    if pair.names is None:
        for mask in masks.values():
            where = mask.relative_to(root)
            problems.append(Problem(where.as_posix(), "is a mask without a picture", "delete it"))


def key_of(path: Path, written: Key, masks: Sequence[Path], problems: list[Problem]) -> Key:
    """What is written beside the masks, and what they show."""
    coloured, codes = survey(masks, MOST if not written.labels else LOOKED, problems)
    black = (0, 0, 0)
    if coloured or sparse(codes, len(written.labels)):
        if written.colours:
            return written
        if len(codes) > VOID:
            raise ValueError(
                f"the masks of {path} show more than {VOID} colours; save them as PNG, not as "
                "JPEG, or as numbers of classes"
            )
        if len(masks) > MOST and not written.labels:
            what = f"the colours of classes were collected from {MOST} of {len(masks)} masks"
            cure = "name each class and its colour in class_dict.csv (name,r,g,b)"
            problems.append(Problem(masks[0].parent.name, what, cure, fatal=False))
        colours = [((code >> 16) & 255, (code >> 8) & 255, code & 255) for code in sorted(codes)]
        if black not in colours:
            colours = [black, *colours]
        found = written.labels if len(written.labels) == len(colours) else ()
        if not found and len(written.labels) == len(colours) - 1:
            found = ("background", *written.labels)
        if colours == [black, (VOID, VOID, VOID)]:
            return Key(found or ("background", "foreground"), tuple(colours))
        named = ("background", *("#{:02x}{:02x}{:02x}".format(*c) for c in colours[1:]))
        return Key(found or named, tuple(colours))
    if written.labels:
        return Key(written.labels)
    most = max((code & 255 for code in codes if code & 255 != VOID), default=0)
    if "segmentationclass" in masks[0].parent.name.lower() and len(VOC) // 2 < most <= len(VOC):
        return Key(("background", *VOC))
    return Key(("background", *(f"class {number}" for number in range(1, most + 1))))


def sparse(codes: set[int], names: int) -> bool:
    """Whether greys are shades to look at, 0 and 255 or the like, not numbers of classes."""
    greys = {code & 255 for code in codes}
    if greys == {0, VOID} or greys == {VOID}:
        return names <= 2
    return not names and max(greys - {VOID}, default=0) > 8 * len(greys)


def survey(masks: Sequence[Path], most: int, problems: list[Problem]) -> tuple[bool, set[int]]:
    """Whether these masks are in colours, and all the colours or numbers that some of them show."""
    step = max(-(-len(masks) // most), 1)
    codes: set[int] = set()
    coloured = False
    for mask in masks[::step]:
        try:
            with open_mask(mask) as picture:
                if picture.mode in ("P", "PA", "1") or picture.mode.startswith(("I", "L")):
                    pixels = np.asarray(picture)
                    pixels = np.atleast_3d(pixels)[..., :1].astype(np.int64)
                    pixels = np.where(picture.mode == "1", pixels * VOID, pixels).clip(0, VOID)
                else:
                    pixels = np.asarray(picture.convert("RGB"))
        except ValueError:
            continue  # it is told of where every picture is opened
        found = np.unique(colour_codes(pixels))
        coloured |= bool((found % 0x10101).any())
        codes.update(found.tolist() if len(found) <= 2 * VOID else found[: 2 * VOID].tolist())
    return coloured, codes


def written_key(path: Path, masks: Path) -> Key:
    """Names and colours in a CSV or labelmap.txt, or names alone in labels.txt."""
    tables = [*files(path, ".csv"), *files(path, "labelmap.txt"), *files(masks, "_classes.csv")]
    for table in tables:
        if names := numbered_names(table):
            return Key(names)
        if rows := [*coloured_rows(table)]:
            return Key(tuple(name for name, _ in rows), tuple(colour for _, colour in rows))
    listed = ("labels.txt", "classes.txt", "codes.txt", "label_names.txt")
    return Key(read_names(*(path / name for name in listed)))


def numbered_names(table: Path) -> tuple[str, ...]:
    """Of lines like "2, cat", as Roboflow writes them under "Pixel Value, Class"."""
    rows = [[cell.strip() for cell in line.split(",", 1)] for line in read_lines(table, 1 << 22)]
    if not rows or [cell.lower() for cell in rows[0]] != ["pixel value", "class"]:
        return ()
    names = {int(row[0]): row[1] for row in rows[1:] if len(row) == 2 and row[0] in NUMBERS}
    return tuple(names.get(n, f"class {n}") for n in range(max(names, default=-1) + 1))


def coloured_rows(table: Path) -> Iterator[tuple[str, Colour]]:
    for line in read_lines(table, 1 << 22):
        mapped = COLOURED.fullmatch(line.strip())
        cells = list(mapped.groups()) if mapped else [cell.strip() for cell in line.split(",")]
        if len(cells) >= 4 and cells[0] and all(c.isdecimal() and int(c) < 256 for c in cells[1:4]):
            yield cells[0], (int(cells[1]), int(cells[2]), int(cells[3]))
