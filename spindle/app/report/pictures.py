"""How does a picture come onto the page?  Small, drawn on, and inside the page itself."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from spindle.app.report.markup import Markup, tag
from spindle.app.report.quality import sure
from spindle.data.judges.wording import Words
from spindle.data.masks import read_mask
from spindle.data.paint import INK, PAPER, colour, font, ordered, shortened, within
from spindle.data.preprocess import Picture
from spindle.data.results import Boxes, Mask, Pose
from spindle.data.samples import VOID, Objects, Sample

SIDE = 360  # of a picture on the page
HEAVIEST = 20_000  # bytes of one
BOXES = 15  # that are drawn: more would hide the picture
DOT = 0.018  # of a picture's side: the radius of a body's point
OUTSIDE = -1e4, -1e4  # of any picture: where a point lies that nobody has marked
QUALITIES = (82, 70, 55, 40, 25, 10)


def image(picture: Picture, says: str) -> Markup:
    """An element that holds the picture; `says` is for those who cannot see it."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    content = b""
    for quality in QUALITIES:
        file = BytesIO()
        small.save(file, "jpeg", quality=quality, optimize=True)
        content = file.getvalue()
        if len(content) <= HEAVIEST:
            break
    address = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
    return tag("img", src=address, alt=says, width=small.width, height=small.height, loading="lazy")


def drawn(picture: Picture, result: Mask | Pose) -> Picture:
    """What was said, on its picture; words stand beside it on the page.

    Classes shine on grey; a small picture is made larger first, so that a body on it stays fine.
    """
    if isinstance(result, Mask):
        return result.draw(picture.convert("L").convert("RGB")).crop((0, 0, *picture.size))
    times = enlarged(picture)
    size = picture.width * times, picture.height * times
    points = tuple((name, x * times, y * times, score) for name, x, y, score in result.points)
    canvas = Pose(points).draw(picture.resize(size, Pillow.Resampling.BICUBIC))
    pen, radius = ImageDraw.Draw(canvas), DOT * max(size)
    surest = max((score for *_, score in points), default=0.0)
    for number, (_, x, y, score) in enumerate(points):
        if score >= surest / 4:
            box = x - radius, y - radius, x + radius, y + radius
            pen.ellipse(box, colour(number), PAPER, round(radius / 3))
    return canvas


def enlarged(picture: Picture) -> int:
    """How many times a picture is made larger to be drawn on."""
    return max(-(-SIDE // max(picture.size)), 1)


def truth_points(sample: Sample, words: Words, at: tuple[float, float]) -> Pose:
    """The annotated body; `at` is where what is looked at begins in the picture."""
    assert sample.objects is not None
    named = zip(words.labels, sample.objects.points[0].tolist(), strict=True)
    return Pose(
        tuple(
            (name, x - at[0], y - at[1], 1.0) if seen else (name, *OUTSIDE, 0.0)
            for name, (x, y, seen) in named
        )
    )


def truth_mask(sample: Sample, picture: Picture, words: Words) -> Mask:
    """The annotated classes; what nobody judges is left as it is."""
    classes = read_mask(sample, picture.size, len(words)).astype(int)
    kinds = words.judged(np.where(classes == VOID, -1, classes))
    return Mask(np.maximum(kinds, 0), words.labels)


def said_mask(result: Mask, words: Words) -> Mask:
    """What was said, by the data's numbers: a class has the same colour on both sides."""
    numbers = np.array([max(words.number(word), 0) for word in result.labels])
    return Mask(numbers[result.pixels], words.labels)


Mark = tuple[Sequence[float], int, str]  # a box, the number of its class, and what to write on it


def framed(picture: Picture, marks: Sequence[Mark]) -> Picture:
    """Boxes in the colours of their classes, which are the same wherever they are drawn."""
    times = enlarged(picture)
    size = picture.width * times, picture.height * times
    canvas = picture.convert("RGB").resize(size, Pillow.Resampling.BICUBIC)
    pen, unit = ImageDraw.Draw(canvas), max(max(size) / SIDE, 1.0)
    for box, kind, word in marks:
        left, top, right, bottom = ordered(
            (box[0] * times, box[1] * times, box[2] * times, box[3] * times)
        )
        pen.rectangle((left, top, right, bottom), outline=colour(kind), width=round(2 * unit))
        text = shortened(word, canvas.width / 2, font(unit))
        extent = font(unit).getlength(text) + 4 * unit, 14 * unit
        place = within((left, top - extent[1]), extent, size)
        pen.rectangle(place, colour(kind))
        pen.text((place[0] + 2 * unit, place[1]), text, INK, font(unit))
    return canvas


def truth_boxes(sample: Sample, words: Words) -> list[Mark]:
    there = sample.objects or Objects()
    kinds = words.judged(there.kinds).tolist()
    return [
        (box, kind, words.labels[kind])
        for box, kind in zip(there.boxes.tolist(), kinds, strict=True)
        if kind >= 0
    ]


def said_boxes(result: Boxes, words: Words) -> list[Mark]:
    """The surest, the surest of them on top."""
    return [
        ((box.left, box.top, box.right, box.bottom), number, f"{box.label} {box.score:.2f}")
        for box in reversed(sure(result).boxes[:BOXES])
        if (number := words.number(box.label)) >= 0
    ]
