"""What can be asked about pictures in a terminal?  The verb predict."""

from __future__ import annotations

import glob
import json as jsonlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from spindle import app
from spindle.app.given import AFAR
from spindle.app.journal import Journal, key
from spindle.app.predictor import MULTI_SCALE, Predictor, load
from spindle.app.progress import Bar, clean
from spindle.app.readings import MANY
from spindle.app.typed import lines, numbers, sides
from spindle.app.verbs import one_line
from spindle.data.preprocess import Unreadable
from spindle.data.results import Result

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ts", ".3gp")
CAMERA = "camera"  # or camera:1, the second one


@dataclass(frozen=True)
class Shown:
    """A picture to look at, or a frame of what moves."""

    name: str
    picture: Any  # what a predictor takes, or why there is none
    said: dict[str, Any]  # which picture it is, as JSON has it

    def __str__(self) -> str:
        return f"{self.name} frame {self.said['frame']}" if "frame" in self.said else self.name


Seen = tuple[Result, bytes] | Unreadable  # what was said, and the picture with it drawn on


def predict(
    model: str,
    images: list[str],
    save: str | None = None,
    out: str | None = None,
    reading: Literal["numpy", "torch", "c"] | None = None,
    threads: int | None = None,
    threshold: float = 0.3,
    labels: str | None = None,
    size: str | None = None,
    scales: str | None = None,
    flip: bool = False,
    top: int = 5,
    json: bool = False,
) -> int:
    """What a model says of pictures, of videos, or of what a camera sees.

    model: a compiled or exported model, a model file, a published point, or others' weights
    images: files, folders, patterns such as "*/*.jpg", videos; camera, or camera:1 for the second
    save: a folder for the pictures with the results drawn on them
    out: a file for a line of JSON each; a picture that is in it already is not looked at again
    reading: numpy, torch or c (c from 50 pictures on, if a C compiler is here; else numpy)
    threads: how many look at pictures (c: one for each core), or share a single one (1)
    threshold: the least score of a box that is worth showing
    labels: a file of class names, a line each, where the model has none
    size: of the picture, where the model file does not say
    scales: sizes at which a segmenter looks, such as 0.5,1,1.5; "all" for the paper's six
    flip: the segmenter looks at the mirrored picture too
    top: how many classes to give, the likeliest first
    json: a line of JSON for each picture
    Example: spindle predict mobilenetv2-1.0-224 cat.jpg photos --save drawn
    """
    if threads is not None and threads < 1:
        raise ValueError(f"{threads} threads look at nothing: say 1 or more")
    if save and Path(save).exists() and not Path(save).is_dir():
        raise ValueError(f"{save} is there already and is no folder: name one to draw into")
    unsaid: dict[str, Any] = {"labels": lines(labels), "size": sides(size)}
    unsaid = {name: value for name, value in unsaid.items() if value}
    looks = MULTI_SCALE if scales == "all" else numbers(scales, "scales")
    names = [name for image in images for name in named(image)]
    folder = Path(save) if save else None
    with Journal(out) if out else nullcontext() as journal:
        if journal and (before := len(names)):
            names = [name for name in names if (name, None) not in journal.done]
            if len(names) < before:
                print(f"spindle: {before - len(names)} are in {out} already", file=sys.stderr)
        if not names:  # all were looked at before
            return 0
        moving = any(map(moves, names))
        once = len(names) == 1 and not moving
        predictor = load(model, reading, (threads or 1) if once else 1, **unsaid)
        if not (once or looks or flip):
            predictor.foresee(MANY if moving else len(names))
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        look = Look(predictor, threshold, looks, flip, top, folder is not None)
        todo: Iterable[Shown] = (shown for name in names for shown in look_into(name))
        if journal:
            todo = (shown for shown in todo if key(shown.said) not in journal.done)
        at_once = threads or (app.cores() if predictor.fits else 1)  # others share the cores
        told = ((one, look(one)) for one in todo) if once else app.in_order(look, todo, at_once)
        code = tell(told, 0 if moving else len(names), json, journal, folder)
        if journal and not json:
            print(f"{out}: {len(journal.done)} lines")
        return code


def tell(
    told: Iterable[tuple[Shown, Seen]], total: int, json: bool, journal: Journal | None,
    folder: Path | None,
) -> int:  # fmt: skip
    """Every picture in its turn, and those that cannot be read at the end."""
    bar, bad = Bar("looking", total), []
    try:
        for number, (shown, seen) in enumerate(told):
            bar.show(number, str(shown))
            if isinstance(seen, Unreadable):
                bad.append(str(seen))
                continue
            result, drawn = seen
            if folder:
                app.write(free(folder, stem(shown)), drawn)
            said = shown.said | result.to_json()
            if journal:
                journal.write(said)
            else:
                bar.end()
                print(jsonlib.dumps(said) if json else clean(f"{shown}: {result}"), flush=True)
    finally:
        bar.end()
        for reason in bad:
            print(f"spindle: {one_line(reason)}", file=sys.stderr)
    return 1 if bad else 0


@dataclass(frozen=True)
class Look:
    """How a picture is looked at; a bad one gives the reason."""

    predictor: Predictor
    threshold: float
    scales: Sequence[float]
    flip: bool
    top: int
    draws: bool

    def __call__(self, shown: Shown) -> Seen:
        if isinstance(shown.picture, Unreadable):
            return shown.picture
        try:
            result: Result = self.predictor(
                shown.picture, self.threshold, self.scales, self.flip, self.top
            )
            return result, png(shown.picture, result) if self.draws else b""
        except Unreadable as error:
            return error


def named(image: str) -> list[str]:
    """The pictures of a folder or a pattern, by their names; anything else is itself."""
    path = Path(image)
    if path.is_dir():
        return sorted(str(p) for p in path.rglob("*") if p.suffix.lower() in PICTURES) or [image]
    if not path.exists() and glob.has_magic(image):
        found = sorted(glob.glob(image, recursive=True))  # noqa: PTH207 (Path.glob takes no "/")
        return [name for one in found for name in named(one)] or [image]
    return [image]


def moves(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEOS or camera(name) is not None


def camera(name: str) -> int | None:
    """The number of the camera that is meant."""
    word, _, number = name.partition(":")
    if word != CAMERA or not (number.isdecimal() or name == CAMERA) or Path(name).exists():
        return None
    return int(number or 0)


def look_into(name: str) -> Iterator[Shown]:
    """The picture itself, or frame after frame of what moves, up to where it can be read."""
    if not moves(name):
        yield Shown(name, unfound(name) or name, {"image": name})
        return
    try:
        for number, (time, picture) in enumerate(app.frames(name, camera(name))):
            yield Shown(name, picture, {"image": name, "frame": number, "time": round(time, 4)})
    except ModuleNotFoundError:
        raise ValueError(
            f"to look at {name} takes PyAV, which is not here: pip install 'spindle[video]'"
        ) from None
    except Unreadable as error:
        yield Shown(name, error, {"image": name})


def unfound(name: str) -> Unreadable | None:
    """Why a folder or a pattern has come to nothing."""
    path = Path(name)
    if path.is_dir():
        return Unreadable(f"{name} is a folder without pictures: they end in {', '.join(PICTURES)}")
    if glob.has_magic(name) and not path.exists() and not name.startswith(AFAR):
        return Unreadable(f"{name} fits no file: see where you are, and what you ask for")
    return None


def png(picture: Any, result: Result) -> bytes:
    """The file of a picture with its result."""
    file = BytesIO()
    result.draw(picture).save(file, "png")
    return file.getvalue()


def stem(shown: Shown) -> str:
    """How the file of a drawn picture begins."""
    frame = f"-{shown.said['frame']:06}" if "frame" in shown.said else ""
    return Path(shown.name).stem + frame


def free(folder: Path, stem: str) -> Path:
    """A name that no earlier picture of this run or another has taken."""
    number, path = 1, folder / f"{stem}.png"
    while path.exists():
        number, path = number + 1, folder / f"{stem}-{number + 1}.png"
    return path
