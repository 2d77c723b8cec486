"""What does a result look like on its picture?"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from spindle.app.results import Boxes, Classification, Embedding, Mask, Pose, Result
from spindle.data.labels import LIMBS
from spindle.data.preprocess import Picture

INK, PAPER, ACCENT = (24, 26, 32), (250, 250, 248), (38, 110, 232)
Colour = tuple[int, int, int]


def colour(number: int) -> Colour:
    """A colour for a class: neighbours differ, and the same class is always the same."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_result(picture: Picture, result: Result) -> Picture:
    """The picture with what was found drawn on it, and what was said written under it."""
    canvas = picture.convert("RGB")
    unit = max(max(canvas.size) / 320, 1.0)  # lines and letters grow with the picture
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


def font(unit: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=round(12 * unit))


def caption(
    picture: Picture, lines: Sequence[str], unit: float, colours: Sequence[Colour] = ()
) -> Picture:
    """The picture with lines of text under it, each with its colour beside."""
    step, margin = round(17 * unit), round(6 * unit)
    sheet = Pillow.new("RGB", (picture.width, picture.height + step * len(lines) + margin), PAPER)
    sheet.paste(picture)
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        y, x = picture.height + margin // 2 + step * number, margin
        if colours:
            pen.rectangle((x, y + 3 * unit, x + 10 * unit, y + 13 * unit), colours[number])
            x += round(15 * unit)
        pen.text((x, y), line, INK, font(unit))
    return sheet


def boxes(picture: Picture, result: Boxes, unit: float) -> Picture:
    pen = ImageDraw.Draw(picture)
    kinds = {label: i for i, label in enumerate(sorted({box.label for box in result.boxes}))}
    for box in reversed(result.boxes):  # the surest on top
        shade, text = colour(kinds[box.label]), f"{box.label} {box.score:.2f}"
        left, right = sorted((box.left, box.right))
        top, bottom = sorted((box.top, box.bottom))
        pen.rectangle((left, top, right, bottom), outline=shade, width=round(2 * unit))
        extent = pen.textbbox((0, 0), text, font(unit))
        y = max(top - extent[3] - 3 * unit, 0)
        x = max(min(left, picture.width - extent[2] - 4 * unit), 0)
        pen.rectangle((x, y, x + extent[2] + 4 * unit, y + extent[3] + 3 * unit), shade)
        pen.text((x + 2 * unit, y + unit), text, INK, font(unit))
    return picture


def mask(picture: Picture, result: Mask, unit: float) -> Picture:
    """Class 0 is left as it is; the others shine through, with a legend of the largest."""
    palette = np.array([colour(i) for i in range(len(result.labels))], np.uint8)
    pixels = np.asarray(picture)
    shown = (result.pixels > 0)[..., None]
    mixed = np.where(shown, 0.45 * pixels + 0.55 * palette[result.pixels], pixels)
    shares = [item for item in result.shares().items() if item[0] != result.labels[0]][:6]
    lines = [f"{label} {share:.0%}" for label, share in shares] or ["nothing but background"]
    colours = [colour(result.labels.index(label)) for label, _ in shares] or [PAPER]
    return caption(Pillow.fromarray(mixed.astype(np.uint8)), lines, unit, colours)


def pose(picture: Picture, result: Pose, unit: float) -> Picture:
    pen = ImageDraw.Draw(picture)
    places = [(x, y) for _, x, y, _ in result.points]
    if len(places) == 1 + max(max(limb) for limb in LIMBS):
        for start, end in LIMBS:
            pen.line((*places[start], *places[end]), ACCENT, round(2 * unit))
    for number, (x, y) in enumerate(places):
        pen.ellipse((x - 3 * unit, y - 3 * unit, x + 3 * unit, y + 3 * unit), colour(number), INK)
    return picture


def contact_sheet(pictures: Sequence[Picture], columns: int = 4, side: int = 320) -> Picture:
    """Many pictures as one: each fitted into a square of a grid."""
    columns = min(columns, len(pictures))
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
