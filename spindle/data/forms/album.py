"""Which pictures lie in a folder, and which split does a name speak of?"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image as Pillow

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm",
    ".pgm", ".pnm", ".jp2", ".avif",
)  # fmt: skip
# pictures that Pillow alone cannot open
FOREIGN = (".heic", ".heif", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".psd", ".svg", ".dcm")
SPLIT = re.compile(
    r"(?:(?P<train>train|training|trainval)|(?P<val>val|valid|validation|dev|eval)"
    r"|(?P<test>test|testing))(?:[-_ ]?(?:set|data|dev))?[-_ ]?(?:\d{4})?",
    re.IGNORECASE,
)
SIDEWAYS = (5, 6, 7, 8)  # the orientations of EXIF that exchange width and height
ORIENTATION = 0x0112


def is_picture(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def files(folder: Path, *suffixes: str) -> list[Path]:
    """The files directly in a folder that end so, or are pictures, in the order of their names."""
    if not folder.is_dir():
        return []
    wanted, hidden = suffixes or SUFFIXES, "."
    with os.scandir(folder) as entries:
        names = sorted(
            e.name
            for e in entries
            if e.name.lower().endswith(wanted) and not e.name.startswith(hidden) and e.is_file()
        )
    return [folder / name for name in names]


def folders(folder: Path) -> list[Path]:
    """The folders directly in one, in the order of their names."""
    if not folder.is_dir():
        return []
    hidden = (".", "__MACOSX", "@")
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if not e.name.startswith(hidden) and e.is_dir())
    return [folder / name for name in names]


def walk(root: Path) -> Iterator[str]:
    """The path below the root of every picture there, links followed but never in a circle."""
    seen: set[str] = set()
    for here, inner, names in os.walk(root, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__MACOSX")))
        below = Path(here).relative_to(root).as_posix()
        for name in sorted(names):
            if is_picture(name):
                yield name if below == "." else f"{below}/{name}"


@dataclass(frozen=True)
class Album:
    """All the pictures below a folder, found by what somebody may call them."""

    root: Path

    @cached_property
    def paths(self) -> frozenset[str]:
        return frozenset(walk(self.root))

    @cached_property
    def names(self) -> dict[str, str]:
        return unique((Path(path).name, path) for path in self.paths)

    @cached_property
    def stems(self) -> dict[str, str]:
        return unique((Path(path).stem, path) for path in self.paths)

    def look(self, name: str, *places: str) -> str | None:
        """The path below the root of the one picture that is meant: by its path, in one of these
        places, by its name alone, or by its name without an ending."""
        name = name.strip().replace("\\", "/").removeprefix("./")
        for place in ("", *places):
            if (path := f"{place}/{name}" if place else name) in self.paths:
                return path
        last = name.rpartition("/")[2]
        stem = last.rpartition(".")[0] if is_picture(last) else last
        return self.names.get(last) or self.stems.get(stem) or None


def unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What each key means; an empty word where it means two things."""
    found: dict[str, str] = {}
    for key, value in pairs:
        found[key] = "" if key in found else value
    return found


def split_of(name: str) -> str | None:
    """train, val or test, where a name means one of them: train2017, valid, testing ..."""
    match = SPLIT.fullmatch(name.strip())
    return match.lastgroup if match else None


def splits_among(names: Iterable[str]) -> dict[str, str]:
    """The split that each of these names speaks of; trainval gives way where there is train."""
    found: dict[str, str] = {}
    ordered = sorted(names, key=lambda name: ("trainval" in name.lower(), len(name), name))
    for name in ordered:
        split = split_of(name)
        if split and not ("trainval" in name.lower() and split in found.values()):
            found[name] = name if split in found.values() else split
    order = ("train", "val", "test")
    return dict(sorted(found.items(), key=lambda pair: (order.index(str(split_of(pair[0]))), pair)))


def upright_size(path: Path) -> tuple[int, int]:
    """The width and height of a picture as it is held, from its header alone."""
    try:
        with warnings.catch_warnings(action="ignore"), Pillow.open(path) as picture:
            wide, high = picture.size
            # a PNG that does not begin with its EXIF would have to be decoded to find it
            tagged = picture.format != "PNG" or "exif" in picture.info
            turned = tagged and picture.getexif().get(ORIENTATION) in SIDEWAYS
            return (high, wide) if turned and picture.format != "TIFF" else (wide, high)
    except Exception as error:  # each kind of file breaks in ways of its own
        raise ValueError(f"{path} cannot be opened as a picture: {type(error).__name__}") from None


def read_lines(path: Path, limit: int = 1 << 28) -> list[str]:
    """The lines of a text, whatever its line ends and its first invisible mark."""
    if path.stat().st_size > limit:
        raise ValueError(f"{path} is larger than {limit >> 20} MB: too large for a text of lines")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def read_names(*paths: Path) -> tuple[str, ...]:
    """The names, one a line, in the first of these files that is there."""
    for path in paths:
        if path.is_file():
            return tuple(line.strip() for line in read_lines(path) if line.strip())
    return ()
