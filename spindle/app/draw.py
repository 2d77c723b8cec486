"""What does a result look like on its picture?"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from spindle.data.labels import LIMBS
from spindle.data.preprocess import Picture
from spindle.data.results import Box, Boxes, Classification, Embedding, Mask, Pose, Result

INK, PAPER, ACCENT = (24, 26, 32), (250, 250, 248), (38, 110, 232)
Colour = tuple[int, int, int]
Place = tuple[float, float, float, float]  # left, top, right, bottom
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def colour(number: int) -> Colour:
    """A colour for a class: neighbours differ, and the same class is always the same."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_result(picture: Picture, result: Result) -> Picture:
    """The picture with what was found drawn on it, and what was said written under it."""
    canvas = picture.convert("RGB")
    unit = max((canvas.width * canvas.height) ** 0.5 / 400, 1.0)  # letters grow with the picture
    match result:
        case Classification():
            return caption(
                canvas, [f"{score:5.1%}  {label}" for label, score in result.classes[:3]], unit
            )
        case Boxes():
            return boxes(canvas, result, unit)
        case Mask():
            return mask(canvas, result, unit)
        case Pose():
            return pose(canvas, result, unit)
        case Embedding():
            return caption(canvas, [str(result)], unit)
    raise NotImplementedError(result)


def font(unit: float) -> Font:
    return ImageFont.load_default(size=round(12 * unit))


def caption(
    picture: Picture, lines: Sequence[str], unit: float, colours: Sequence[Colour] = ()
) -> Picture:
    """The picture with lines of text under it, each with its colour beside."""
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


def boxes(picture: Picture, result: Boxes, unit: float) -> Picture:
    """Every box, then the names: none over another's where there is room."""
    pen, face = ImageDraw.Draw(picture), font(unit)
    kinds = {label: i for i, label in enumerate(sorted({box.label for box in result.boxes}))}
    for box in reversed(result.boxes):  # the surest on top
        pen.rectangle(ordered(box), outline=colour(kinds[box.label]), width=round(2 * unit))
    taken: list[Place] = []
    names: list[str] = []
    for box in result.boxes:
        text = shortened(f"{box.label} {box.score:.2f}", picture.width - 4 * unit, face)
        size = face.getlength(text) + 4 * unit, 14 * unit
        places = [within(corner, size, picture.size) for corner in corners(ordered(box), size)]
        names.append(text)
        taken.append(min(places, key=lambda place: sum(shared(place, one) for one in taken)))
    for box, text, place in reversed([*zip(result.boxes, names, taken, strict=True)]):
        shade = colour(kinds[box.label])
        pen.rectangle(place, shade)
        ink = INK if np.dot(shade, (0.299, 0.587, 0.114)) > 130 else PAPER
        pen.text((place[0] + 2 * unit, place[1]), text, ink, face)
    return picture


def ordered(box: Box) -> Place:
    (left, right), (top, bottom) = sorted((box.left, box.right)), sorted((box.top, box.bottom))
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


def mask(picture: Picture, result: Mask, unit: float) -> Picture:
    """Class 0 is left as it is; the others shine through, with a legend of the largest."""
    palette = np.array([colour(i) for i in range(len(result.labels))], np.uint8)
    pixels = np.asarray(picture)
    shown = (result.pixels > 0)[..., None]
    mixed = np.where(shown, 0.45 * pixels + 0.55 * palette[result.pixels], pixels)
    counts = np.bincount(result.pixels.ravel(), minlength=len(palette)) / result.pixels.size
    largest = [i for i in np.argsort(-counts, kind="stable").tolist() if i and counts[i]][:6]
    lines = [f"{result.labels[i]} {counts[i]:.0%}" for i in largest] or ["nothing but background"]
    colours = [colour(i) for i in largest] or [PAPER]
    return caption(Pillow.fromarray(mixed.astype(np.uint8)), lines, unit, colours)


def pose(picture: Picture, result: Pose, unit: float) -> Picture:
    pen = ImageDraw.Draw(picture)
    places = [(x, y) for _, x, y, _ in result.points]
    surest = max((score for *_, score in result.points), default=0.0)
    sure = [score >= surest / 4 for *_, score in result.points]
    if len(places) == 1 + max(max(limb) for limb in LIMBS):
        for start, end in LIMBS:
            if sure[start] and sure[end]:
                pen.line((*places[start], *places[end]), ACCENT, round(2 * unit))
    for number, (x, y) in enumerate(places):
        radius = 3 * unit if sure[number] else 1.5 * unit
        fill = colour(number) if sure[number] else None  # a ring is a guess
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill, INK)
    return picture


def contact_sheet(pictures: Sequence[Picture], columns: int = 4, side: int = 320) -> Picture:
    """Many pictures as one: each fitted into a square of a grid."""
    columns = max(min(columns, len(pictures)), 1)
    rows = -(-len(pictures) // columns)
    sheet = Pillow.new("RGB", (columns * side, rows * side), PAPER)
    for number, picture in enumerate(pictures):
        small = picture.copy()
        small.thumbnail((side - 8, side - 8), Pillow.Resampling.LANCZOS)
        row, column = divmod(number, columns)
        sheet.paste(
            small,
            (column * side + (side - small.width) // 2, row * side + (side - small.height) // 2),
        )
    return sheet
