"""How are words, boxes, classes and points put on a picture?"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from spindle.data.labels import LIMBS
from spindle.data.preprocess import Picture

INK, PAPER, ACCENT = (24, 26, 32), (250, 250, 248), (38, 110, 232)
Colour = tuple[int, int, int]
Place = tuple[float, float, float, float]  # left, top, right, bottom
Found = tuple[str, float, Place]  # a label, its score, and where
Point = tuple[str, float, float, float]  # a name, x, y, score
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def colour(number: int) -> Colour:
    """A colour for a class: neighbours differ, and the same class is always the same."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def unit_of(picture: Picture) -> float:
    """Letters and lines grow with the picture."""
    return max(math.sqrt(picture.width * picture.height) / 400, 1.0)


def font(unit: float) -> Font:
    return ImageFont.load_default(size=round(12 * unit))


def captioned(picture: Picture, lines: Sequence[str], colours: Sequence[Colour] = ()) -> Picture:
    """The picture with lines of text under it, each with its colour beside."""
    unit = unit_of(picture)
    step, margin, indent = round(17 * unit), round(6 * unit), round(15 * unit) if colours else 0
    width = max(picture.width, round(240 * unit))  # room to read, even under a tiny picture
    sheet = Pillow.new("RGB", (width, picture.height + step * len(lines) + margin), PAPER)
    sheet.paste(picture)
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        y = picture.height + margin // 2 + step * number
        if colours:
            spot = margin, y + 3 * unit, margin + 10 * unit, y + 13 * unit
            pen.rectangle(spot, colours[number])
        text = shortened(line, width - 2 * margin - indent, font(unit))
        pen.text((margin + indent, y), text, INK, font(unit))
    return sheet


def shortened(text: str, room: float, face: Font) -> str:
    """As much of one line as fits."""
    line = " ".join(text.split())
    if face.getlength(line) <= room:
        return line
    while line and face.getlength(f"{line}...") > room:
        line = line[:-1]
    return f"{line}..."


def boxed(picture: Picture, found: Sequence[Found]) -> Picture:
    """Every box, then the names: none over another's where there is room.  The surest come first.

    The picture is drawn on, as in all functions here that give one of the same size.
    """
    unit = unit_of(picture)
    pen, face = ImageDraw.Draw(picture), font(unit)
    kinds = {label: i for i, label in enumerate(sorted({label for label, *_ in found}))}
    for label, _, box in reversed(found):  # the surest on top
        pen.rectangle(ordered(box), outline=colour(kinds[label]), width=round(2 * unit))
    taken: list[Place] = []
    names: list[str] = []
    for label, score, box in found:
        text = shortened(f"{label} {score:.2f}", picture.width - 4 * unit, face)
        size = face.getlength(text) + 4 * unit, 14 * unit
        places = [within(corner, size, picture.size) for corner in corners(ordered(box), size)]
        names.append(text)
        taken.append(min(places, key=lambda place: sum(shared(place, one) for one in taken)))
    for (label, *_), text, place in reversed([*zip(found, names, taken, strict=True)]):
        shade = colour(kinds[label])
        pen.rectangle(place, shade)
        ink = INK if np.dot(shade, (0.299, 0.587, 0.114)) > 130 else PAPER
        pen.text((place[0] + 2 * unit, place[1]), text, ink, face)
    return picture


def ordered(box: Place) -> Place:
    (left, right), (top, bottom) = sorted((box[0], box[2])), sorted((box[1], box[3]))
    return left, top, right, bottom


def corners(box: Place, size: tuple[float, float]) -> list[tuple[float, float]]:
    """Where the name of a box may stand, the best first: over, in or under it, left or right."""
    left, top, right, bottom = box
    rows = top - size[1], top, bottom, bottom - size[1]
    return [(x, y) for y in rows for x in (left, right - size[0])]


def within(corner: tuple[float, float], size: tuple[float, float], room: tuple[int, int]) -> Place:
    x, y = (max(min(at, all_ - part), 0) for at, part, all_ in zip(corner, size, room, strict=True))
    return x, y, x + size[0], y + size[1]


def shared(a: Place, b: Place) -> float:
    """The area of what two rectangles have in common."""
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def masked(picture: Picture, classes: NDArray[np.int32], labels: Sequence[str]) -> Picture:
    """Class 0 is left as it is; the others shine through, with a legend of the largest."""
    if classes.shape != (picture.height, picture.width):
        high, wide = classes.shape
        raise ValueError(
            f"this mask is of a picture of {wide} x {high}, not of {picture.width} x "
            f"{picture.height}: draw it on the picture that was looked at"
        )
    palette = np.array([colour(i) for i in range(len(labels))], np.uint8)
    pixels = np.asarray(picture)
    shown = (classes > 0)[..., None]
    mixed = np.where(shown, 0.45 * pixels + 0.55 * palette[classes], pixels)
    counts = np.bincount(classes.ravel(), minlength=len(palette)) / classes.size
    largest = [i for i in np.argsort(-counts, kind="stable").tolist() if i and counts[i]][:6]
    lines = [f"{labels[i]} {counts[i]:.0%}" for i in largest] or ["nothing but background"]
    colours = [colour(i) for i in largest] or [PAPER]
    return captioned(Pillow.fromarray(mixed.astype(np.uint8)), lines, colours)


def pointed(picture: Picture, points: Sequence[Point]) -> Picture:
    """Each point in its colour, and the limbs of a body between those that are sure."""
    pen, unit = ImageDraw.Draw(picture), unit_of(picture)
    places = [(x, y) for _, x, y, _ in points]
    surest = max((score for *_, score in points), default=0.0)
    sure = [score >= surest / 4 for *_, score in points]
    if len(places) == 1 + max(max(limb) for limb in LIMBS):
        for start, end in LIMBS:
            if sure[start] and sure[end]:
                pen.line((*places[start], *places[end]), ACCENT, round(2 * unit))
    for number, (x, y) in enumerate(places):
        radius = 3 * unit if sure[number] else 1.5 * unit
        fill = colour(number) if sure[number] else None  # a ring is a guess
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill, INK)
    return picture
