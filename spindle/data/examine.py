"""What is wrong with one sample, once its files are opened?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from spindle.data.masks import read_numbers
from spindle.data.preprocess import LYING, ORIENTATION, Picture, Size, from_array, upright
from spindle.data.samples import Objects, Sample, Source
from spindle.model.heads import Task

TINY, HUGE = 16, 50_000_000  # pixels of a side, of all
SLACK = 1.0  # pixels that a box may reach over the edge
THUMB = 8  # pixels of a picture's side as it is remembered

Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Fault:
    """What is wrong, with a whole sample or with the object in this row."""

    what: str
    cure: str = ""
    fatal: bool = True
    row: int | None = None


@dataclass(frozen=True, eq=False)
class Look:
    """What opening a picture has shown; no size where it cannot be read."""

    size: Size | None = None
    digest: bytes = b""  # of its file
    marks: int = 0  # where it grows brighter to the right: a bit each
    thumb: Array = field(default_factory=lambda: np.zeros(0, np.uint8))
    faults: tuple[Fault, ...] = ()


def look_at(source: Source) -> Look:
    """Opens a picture and decodes it to its end."""
    if isinstance(source, np.ndarray):
        picture = from_array(source)
        return Look(picture.size, hashlib.sha1(source.tobytes()).digest(), *remembered(picture))
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        return Look(faults=(Fault(f"cannot be read ({reason})", "bring it back"),))
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    if not content:
        return Look(None, digest, faults=(Fault("is empty (0 bytes)", "get it again"),))
    try:
        with Pillow.open(BytesIO(content)) as picture:
            wide, high = picture.size
            lying = picture.getexif().get(ORIENTATION, 1) in LYING
            faults = tuple(oddities(picture, source))
            picture.draft("RGB", (4 * THUMB, 4 * THUMB))  # JPEG is read whole, but decoded small
            shown = remembered(upright(ImageOps.exif_transpose(picture)))
            return Look((high, wide) if lying else (wide, high), digest, *shown, faults)
    except UnidentifiedImageError:
        fault = Fault("is not a picture of any kind I know", "replace it, or take it out")
    except Pillow.DecompressionBombError:
        fault = Fault("has too many pixels to be opened", "make it smaller")
    except Exception as error:  # each kind of file breaks in ways of its own
        fault = Fault(f"is broken or cut short ({error})", "get it again")
    return Look(None, digest, faults=(fault,))


def remembered(picture: Picture) -> tuple[int, Array]:
    """The marks by which nearly the same picture is found, and what it looks like, very small."""
    small = picture.convert("RGB").resize((THUMB, THUMB), Pillow.Resampling.BOX)
    grey = picture.convert("L").resize((THUMB + 1, THUMB), Pillow.Resampling.BOX)
    across = np.asarray(grey, np.int16)
    bits = np.packbits(across[:, 1:] > across[:, :-1])
    return int.from_bytes(bits.tobytes(), "big"), np.asarray(small).ravel()


def oddities(picture: Picture, source: Path | bytes) -> Iterator[Fault]:
    """What can be read all the same, but may not be what its owner thinks."""
    form, (wide, high) = picture.format or "", picture.size
    if isinstance(source, Path):
        said = Pillow.registered_extensions().get(source.suffix.lower())
        if said not in (form, None) and {said, form} != {"JPEG", "MPO"}:
            ending = {"JPEG": ".jpg"}.get(form, f".{form.lower()}")
            yield Fault(f"is a {form}, but its name ends with '{source.suffix}'",
                        f"rename it to end with {ending}", False)  # fmt: skip
    if picture.mode == "CMYK":
        yield Fault("is in the colours of print (CMYK)", "save it as RGB, so that you see what "
                    "is learned from", False)  # fmt: skip
    if picture.mode.startswith(("I", "F")):
        yield Fault(f"has more than 8 bits a pixel (mode '{picture.mode}')", "save it with 8, "
                    "so that you choose what is kept", False)  # fmt: skip
    turned = picture.getexif().get(ORIENTATION, 1)
    if turned in range(2, 9):
        yield Fault(f"is turned by its EXIF (orientation {turned})", "nothing, if boxes, masks "
                    "and points are meant for the upright picture", False)  # fmt: skip
    if form != "MPO" and getattr(picture, "n_frames", 1) > 1:
        count = getattr(picture, "n_frames", 1)
        yield Fault(f"is animated ({count} pictures)", "only the first is seen", False)
    if min(wide, high) < TINY:
        yield Fault(f"is tiny ({wide} x {high})", "use larger ones, if you have them", False)
    if wide * high > HUGE:
        yield Fault(f"is very large ({wide} x {high})", "make it smaller: it takes long to read",
                    False)  # fmt: skip


def truths(sample: Sample, size: Size, task: Task, labels: tuple[str, ...]) -> Iterator[Fault]:
    """What cannot be true of a picture of this size."""
    if task == "classify" and not 0 <= sample.kind < len(labels):
        yield Fault(f"is of class {sample.kind}, but there are {len(labels)} labels", "add a label")
    if sample.size is not None and sample.size != size:
        said, true = (f"{wide:g} x {high:g}" for wide, high in (sample.size, size))
        yield Fault(f"was annotated as {said}, but is {true}",
                    "was it turned or resized since? then its boxes are wrong", False)  # fmt: skip
    if sample.part is not None:
        left, top, right, bottom = sample.part
        if min(right, size[0]) <= max(left, 0) or min(bottom, size[1]) <= max(top, 0):
            yield Fault("has nothing in the part that is to be seen", "correct or delete it")
    if sample.objects is not None:
        yield from boxes(sample.objects, size, labels if task != "pose" else None)
        yield from outlines(sample.objects, size)
        yield from points(sample.objects, size)


def boxes(objects: Objects, size: Size, labels: tuple[str, ...] | None) -> Iterator[Fault]:
    wide, high = size
    for row, (box, kind) in enumerate(zip(objects.boxes.tolist(), objects.kinds.tolist())):
        left, top, right, bottom = box
        name = f"object {row + 1}"
        if labels is not None:
            if not 0 <= kind < len(labels):
                yield Fault(f"{name} is of class {kind}, but there are {len(labels)} labels",
                            "add a label", True, row)  # fmt: skip
                continue
            name = f"{name} ({labels[kind]})"
        place = f"({left:g}, {top:g} to {right:g}, {bottom:g} in {wide} x {high})"
        cure = "correct or delete it"
        if not np.isfinite(box).all():
            yield Fault(f"{name} is not placed by numbers {place}", cure, True, row)
        elif right <= left or bottom <= top:
            yield Fault(f"{name} is degenerate {place}", cure, True, row)
        elif min(right, wide) <= max(left, 0) or min(bottom, high) <= max(top, 0):
            yield Fault(f"{name} lies outside the picture {place}", cure, True, row)
        elif max(-left, -top, right - wide, bottom - high) > SLACK:
            yield Fault(f"{name} lies partly outside the picture {place}",
                        "was the picture turned or resized?", False, row)  # fmt: skip


def outlines(objects: Objects, size: Size) -> Iterator[Fault]:
    for row, outline in enumerate(objects.outlines):
        match outline:
            case {"size": [high, wide]} if (wide, high) != size:
                yield Fault(
                    f"object {row + 1} was drawn on {wide} x {high}, but the picture is "
                    f"{size[0]} x {size[1]}", "was the picture turned or resized?", True, row,
                )  # fmt: skip


def points(objects: Objects, size: Size) -> Iterator[Fault]:
    for row, joints in enumerate(objects.points):
        known = joints[joints[:, 2] > 0]
        away = ((known[:, :2] < -SLACK) | (known[:, :2] > np.array(size) + SLACK)).any(1).sum()
        if away:
            yield Fault(f"object {row + 1} has {away} points outside the picture",
                        "mark them as not labelled (0)", False, row)  # fmt: skip


def look_at_mask(sample: Sample, size: Size) -> tuple[NDArray[np.int64], tuple[Fault, ...]]:
    """How many pixels are of each class, and what is wrong with the mask."""
    nothing = np.zeros(256, np.int64)
    if sample.mask is None:
        return nothing, ()
    try:
        mask = read_numbers(sample.mask, getattr(sample, "colours", ()))
    except ValueError as error:
        return nothing, (Fault(f"cannot be used: {error}", "draw it again"),)
    counts = np.bincount(mask.ravel(), minlength=256)
    if mask.shape == size[::-1]:
        return counts, ()
    what = f"is {size[0]} x {size[1]}, but its mask {mask.shape[1]} x {mask.shape[0]}"
    return counts, (Fault(what, "make them alike"),)
