"""What can be drawn, at any size and number, so that tests and the demo need no download?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter

from spindle.data.creatures import COLOURS, POINTS, Pen, identity, joints, look, paint
from spindle.data.preprocess import Picture

KINDS = ("circle", "square", "triangle")
FACING = 0.85  # of the creatures of a picture look at us, as people do in photographs
FINER = 3  # creatures are drawn this much larger, then made smaller: smooth edges
Random = np.random.Generator
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    kind: int
    left: float
    top: float
    right: float
    bottom: float
    area: int = 0  # of its pixels that are seen
    seen: float = 1.0  # which share of its pixels they are


@dataclass(frozen=True)
class Scene:
    """A picture, what stands in it (the last drawn in front), and the class of each pixel."""

    picture: NDArray[np.uint8]
    shapes: tuple[Shape, ...]
    mask: NDArray[np.uint8]  # 0 is the background, 1 + kind a shape


def scene(seed: int, height: int = 96, width: int = 96, most: int = 3) -> Scene:
    """One to `most` shapes of any colour, size and place; no colour tells a kind."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, (3, 3, 3)).astype(np.uint8)
    canvas = Pillow.fromarray(ground).resize((width, height), Pillow.Resampling.BICUBIC)
    mask, front = Pillow.new("L", (width, height)), Pillow.new("L", (width, height))
    shapes, whole = [], []
    for number in range(1, rng.integers(1, most + 1) + 1):
        kind = int(rng.integers(len(KINDS)))
        radius = min(height, width) * rng.uniform(0.2, 0.4)
        x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
        outline = corners(kind, x, y, radius, pi * rng.uniform(-0.1, 0.1))
        behind = np.asarray(canvas)[int(y), int(x)].astype(int)
        colour = tuple(int(c) for c in (behind + rng.integers(70, 186, 3)) % 256)
        ImageDraw.Draw(canvas).polygon(outline, colour)
        ImageDraw.Draw(mask).polygon(outline, 1 + kind)
        ImageDraw.Draw(front).polygon(outline, number)
        whole.append(front.histogram()[number])
        across, down = zip(*outline, strict=True)
        shapes.append(Shape(kind, min(across), min(down), max(across), max(down)))
    visible = front.histogram()[1:]
    shapes = [
        replace(shape, area=part, seen=part / max(all_, 1))
        for shape, part, all_ in zip(shapes, visible, whole, strict=False)
    ]
    soft = np.asarray(canvas.filter(ImageFilter.GaussianBlur(height / 200)), np.float64)
    picture = soft + rng.normal(0, 8, soft.shape)
    return Scene(picture.clip(0, 255).astype(np.uint8), tuple(shapes), np.asarray(mask))


def corners(kind: int, x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    """The outline of a shape: a circle has sixty corners."""
    count = {"circle": 60, "square": 4, "triangle": 3}[KINDS[kind]]
    first = (
        turn - pi / 2 + (pi / 4 if count == 4 else 0)
    )  # a square lies flat, a triangle points up
    angles = [first + 2 * pi * i / count for i in range(count)]
    return [(x + radius * cos(angle), y + radius * sin(angle)) for angle in angles]


@dataclass(frozen=True)
class Figure:
    """A creature in a picture; places are in the picture's pixels."""

    points: NDArray[np.float32]  # as POINTS: x, y, seen: 0 outside, 1 hidden, 2 seen
    box: tuple[float, float, float, float]  # left, top, right, bottom of its part in the picture
    area: float  # of its outline, in pixels


@dataclass(frozen=True)
class Company:
    """A picture and the creatures in it, from left to right."""

    picture: Pixels
    figures: tuple[Figure, ...]


def company(seed: int, height: int = 96, width: int = 96, most: int = 2) -> Company:
    """One to `most` jointed creatures, each in its own column before clutter, or behind a post."""
    rng = np.random.default_rng(seed)
    canvas = clutter(rng, height * FINER, width * FINER)
    count = 1 if rng.random() < 0.7 else int(rng.integers(1, most + 1))
    room = canvas.width / count
    pens = []
    for number in range(count):
        unit = min(canvas.height, 1.15 * room) * rng.uniform(0.55, 1.0)
        front = bool(rng.random() < FACING)
        x = room * (number + 0.5) + rng.uniform(-0.08, 0.08) * room
        y = canvas.height * 0.5 + rng.uniform(-0.5, 0.5) * max(canvas.height - unit, 0.1 * unit)
        pen, at = Pen(canvas, (x, y), unit, rng.uniform(-25, 25)), joints(rng, front)
        paint(pen, look(rng), at, front)
        pens.append((pen, at))
    post = Pillow.new("1", canvas.size)
    if rng.random() < 0.2:
        fence(rng, canvas, post)
    figures = [figure(pen, at, post) for pen, at in pens]
    return Company(finish(rng, canvas, height, width), tuple(figures))


def fence(rng: Random, canvas: Picture, post: Picture) -> None:
    """A post from the top to the bottom, in front of everything."""
    left, wide = rng.uniform(0.1, 0.8) * canvas.width, rng.uniform(0.05, 0.12) * canvas.width
    place = left, 0, left + wide, canvas.height
    ImageDraw.Draw(canvas).rectangle(place, tuple(rng.integers(40, 216, 3).tolist()))
    ImageDraw.Draw(post).rectangle(place, 1)


def figure(pen: Pen, at: dict[str, NDArray[np.float64]], post: Picture) -> Figure:
    wide, high = post.size
    points = np.zeros((len(POINTS), 3), np.float32)
    for row, name in zip(points, POINTS, strict=True):
        x, y = pen.place(at[name])
        if 0 <= x < wide and 0 <= y < high:
            row[:] = x / FINER, y / FINER, 1 if post.getpixel((int(x), int(y))) else 2
    left, top, right, bottom = (side / FINER for side in pen.outline.getbbox() or (0, 0, 0, 0))
    area = float(np.count_nonzero(np.asarray(pen.outline))) / FINER**2
    return Figure(points, (left, top, right, bottom), area)


def clutter(rng: Random, height: int, width: int) -> Picture:
    """A ground of soft colours, with sticks and spots in the colours that creatures wear."""
    ground = rng.uniform(50, 226) + rng.uniform(-70, 70, (3, 3, 3))
    soft = Pillow.fromarray(ground.clip(0, 255).astype(np.uint8))
    canvas = soft.resize((width, height), Pillow.Resampling.BICUBIC)
    pen, side = ImageDraw.Draw(canvas), min(height, width)
    for _ in range(rng.integers(2, 8)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        ink = rng.uniform(0.3, 1) * np.array(COLOURS[rng.integers(len(COLOURS))])
        colour = tuple(int(c) for c in ink)
        if rng.random() < 0.5:
            end = x + rng.uniform(-0.4, 0.4) * side, y + rng.uniform(-0.4, 0.4) * side
            pen.line((x, y, *end), colour, int(rng.uniform(0.01, 0.05) * side) + 1)
        else:
            r = rng.uniform(0.02, 0.09) * side
            pen.ellipse((x - r, y - r, x + r, y + r), colour)
    return canvas


def finish(rng: Random, canvas: Picture, height: int, width: int, tint: float = 0.1) -> Pixels:
    """The picture at its own size, under some light, with the grain of a camera."""
    small = np.asarray(canvas.resize((width, height), Pillow.Resampling.BOX), np.float64)
    light = rng.uniform(0.75, 1.15) * rng.uniform(1 - tint, 1 + tint, 3)
    grain = rng.normal(0, rng.uniform(1, 6), small.shape)
    return np.asarray((small * light + grain).clip(0, 255).astype(np.uint8))


def sighting(
    number: int, camera: int, seed: int, height: int = 128, width: int = 64, world: int = 0
) -> Pixels:
    """Creature `number` of a world as one of its cameras sees it, in another pose each time.

    A camera has its own background and its own light; how a creature is cut out differs each time.
    """
    place = np.random.default_rng((world, 1, camera))
    rng = np.random.default_rng((world, 2, number, camera, seed))
    wide, high = width * FINER, height * FINER
    wall = clutter(place, 2 * high, 2 * wide)
    light, left, top = (
        place.uniform(0.75, 1.25, 3),
        int(rng.integers(wide)),
        int(rng.integers(high)),
    )
    canvas = wall.crop((left, top, left + wide, top + high))
    front = bool(rng.random() < 0.5)
    unit = min(high, 1.9 * wide) * rng.uniform(0.85, 1.1)
    centre = wide * rng.uniform(0.4, 0.6), high * rng.uniform(0.46, 0.54)
    paint(
        Pen(canvas, centre, unit, rng.uniform(-12, 12)),
        identity(number, world),
        joints(rng, front),
        front,
    )
    lit = np.asarray(canvas, np.float64) * light
    return finish(rng, Pillow.fromarray(lit.clip(0, 255).astype(np.uint8)), height, width)
