"""What does a drawn creature look like, where are its joints, and which one is it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

POINTS = (
    "head", "hip", "left elbow", "right elbow", "left hand", "right hand", "left foot",
    "right foot",
)  # fmt: skip
BONES = ((0, 1), (0, 2), (2, 4), (0, 3), (3, 5), (1, 6), (1, 7))
COLOURS = (
    (214, 62, 54), (240, 158, 44), (246, 222, 92), (84, 168, 82), (58, 176, 196), (52, 92, 190),
    (134, 74, 170), (236, 136, 178), (240, 240, 236), (44, 46, 54),
)  # fmt: skip
SKINS = ((255, 224, 196), (232, 188, 148), (198, 144, 104), (146, 98, 68), (102, 68, 50))
PATTERNS = ("plain", "hoops", "stripes", "checks", "half", "dots")
HAIRS = ("bald", "short", "long", "hat")

Colour = tuple[int, ...]
Vector = NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True)
class Look:
    """What stays the same of a creature, wherever it is seen."""

    skin: Colour
    hair: str
    hair_colour: Colour
    shirt: tuple[Colour, Colour]  # the second one is the pattern's
    pattern: str
    legs: tuple[Colour, Colour]
    banded: bool  # the legs, in their second colour
    shoes: Colour
    build: float  # how broad


def look(rng: Random) -> Look:
    """Any creature: what the two halves of its body wear tells nothing of left and right."""
    colours = [COLOURS[i] for i in rng.permutation(len(COLOURS))]
    return Look(
        SKINS[rng.integers(len(SKINS))],
        HAIRS[rng.integers(len(HAIRS))],
        colours[4],
        (colours[0], colours[1]),
        PATTERNS[rng.integers(len(PATTERNS))],
        (colours[2], colours[3]),
        bool(rng.random() < 0.4),
        colours[5],
        rng.uniform(0.8, 1.3),
    )


def identity(number: int, seed: int = 0) -> Look:
    """A creature one can meet again; 2n and 2n + 1 are twins who wear the same colours elsewhere.

    So no mean of colours tells who it is.
    """
    one = look(np.random.default_rng((seed, number // 2)))
    if number % 2 == 0:
        return one
    return replace(
        one, shirt=one.legs, legs=one.shirt, shoes=one.hair_colour, hair_colour=one.shoes
    )


def joints(rng: Random, front: bool) -> dict[str, Vector]:
    """Where each joint is: x to the picture's right, y down, the whole body about one high.

    Left and right can be told by the face alone: a creature that looks at us has its left hand on
    the right of the picture, one that looks away on the left.
    """

    def along(angle: float, length: float) -> Vector:
        return length * np.array([sin(radians(angle)), cos(radians(angle))])  # 0 degrees hangs down

    places = {"neck": np.array([0.0, -0.22]), "hip": np.array([0.0, 0.12])}
    places["head"] = places["neck"] + along(180 + rng.uniform(-20, 20), 0.15)
    for side, name in ((1, "left"), (-1, "right")):
        side = side if front else -side
        raised, bent = rng.uniform(5, 155), rng.uniform(-15, 85)
        places[f"{name} shoulder"] = places["neck"] + (side * 0.1, 0.03)
        elbow = places[f"{name} shoulder"] + along(side * raised, 0.18)
        places[f"{name} elbow"] = elbow
        places[f"{name} hand"] = elbow + along(side * (raised + bent), 0.19)
        spread, knee = rng.uniform(0, 38), rng.uniform(-30, 12)
        places[f"{name} thigh"] = places["hip"] + (side * 0.055, 0.0)
        places[f"{name} knee"] = places[f"{name} thigh"] + along(side * spread, 0.19)
        places[f"{name} foot"] = places[f"{name} knee"] + along(side * (spread + knee), 0.21)
    return places


class Pen:
    """Draws on a picture, and keeps the outline of all it has drawn; places are those of a body."""

    def __init__(self, canvas: Pillow.Image, centre: tuple[float, float], unit: float, lean: float):
        self.canvas, self.outline = ImageDraw.Draw(canvas), Pillow.new("1", canvas.size)
        self.mask = ImageDraw.Draw(self.outline)
        turn = radians(lean)
        self.turn = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
        self.centre, self.unit = np.array(centre), unit

    def place(self, at: Vector) -> Vector:
        return np.asarray(self.centre + self.unit * (self.turn @ at))

    def disc(self, at: Vector, radius: float, colour: Colour) -> None:
        (x, y), r = self.place(at), radius * self.unit
        for pen, ink in ((self.canvas, colour), (self.mask, 1)):
            pen.ellipse((x - r, y - r, x + r, y + r), ink)

    def area(self, corners: list[Vector], colour: Colour) -> None:
        flat = [tuple(self.place(corner)) for corner in corners]
        self.canvas.polygon(flat, colour)
        self.mask.polygon(flat, 1)

    def bone(self, start: Vector, end: Vector, width: float, colour: Colour) -> None:
        along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
        aside = width / 2 * np.array([-along[1], along[0]])
        self.area([start + aside, end + aside, end - aside, start - aside], colour)
        self.disc(start, width / 2, colour)
        self.disc(end, width / 2, colour)


def paint(pen: Pen, look: Look, at: dict[str, Vector], front: bool) -> None:
    """The whole creature, from what is behind to what is in front; each part has a dark rim."""
    rim, thick = 0.016, 0.075 * look.build

    def limb(*names: str, width: float, colour: Colour) -> None:
        spots = [at[name] for name in names]
        for grown, ink in ((2 * rim, (30, 28, 34)), (0.0, colour)):
            for start, end in zip(spots, spots[1:], strict=False):
                pen.bone(start, end, width + grown, ink)

    for name in ("left", "right"):
        limb(f"{name} thigh", f"{name} knee", f"{name} foot", width=thick, colour=look.legs[0])
        if look.banded:
            for share in (0.25, 0.65):
                knee, foot = at[f"{name} knee"], at[f"{name} foot"]
                step = (foot - knee) * 0.12
                spot = knee + share * (foot - knee)
                pen.bone(spot, spot + step, thick * 0.9, look.legs[1])
        limb(f"{name} foot", f"{name} foot", width=thick * 1.35, colour=look.shoes)
    shirt(pen, look, at, rim)
    for name in ("left", "right"):
        limb(f"{name} shoulder", f"{name} elbow", width=thick * 0.85, colour=look.shirt[0])
        limb(f"{name} elbow", f"{name} hand", width=thick * 0.7, colour=look.skin)
        limb(f"{name} hand", f"{name} hand", width=thick, colour=look.skin)
    head(pen, look, at, rim, front)


def shirt(pen: Pen, look: Look, at: dict[str, Vector], rim: float) -> None:
    top, low = 0.12 * look.build, 0.085 * look.build
    neck, hip = at["neck"], at["hip"]

    def spot(across: float, down: float, grown: float = 0.0) -> Vector:
        """A place on the body: 0, 0 is the left shoulder of the picture, 1, 1 the right hip."""
        half = top + (low - top) * down + grown
        middle = neck + (hip - neck) * down
        return np.asarray(middle + ((2 * across - 1) * half, (2 * down - 1) * grown))

    def patch(left: float, upper: float, right: float, lower: float, colour: Colour) -> None:
        corners = ((left, upper), (right, upper), (right, lower), (left, lower))
        pen.area([spot(*corner) for corner in corners], colour)

    pen.area([spot(x, y, rim) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))], (30, 28, 34))
    ground, ink = look.shirt
    patch(0, 0, 1, 1, ground)
    match look.pattern:
        case "hoops":
            for i in range(3):
                patch(0, (2 * i + 1) / 7, 1, (2 * i + 2) / 7, ink)
        case "stripes":
            for i in range(3):
                patch((2 * i + 1) / 7, 0, (2 * i + 2) / 7, 1, ink)
        case "checks":
            for i in range(12):
                if (i % 3 + i // 3) % 2:
                    patch(i % 3 / 3, i // 3 / 4, (i % 3 + 1) / 3, (i // 3 + 1) / 4, ink)
        case "half":
            patch(0, 0.5, 1, 1, ink)
        case "dots":
            for i in range(6):
                pen.disc(spot(0.3 + 0.4 * (i % 2), 0.2 + 0.3 * (i // 2)), 0.026, ink)


def head(pen: Pen, look: Look, at: dict[str, Vector], rim: float, front: bool) -> None:
    centre, size = at["head"], 0.115
    up = (centre - at["neck"]) / max(float(np.hypot(*(centre - at["neck"]))), 1e-9)
    aside = np.array([-up[1], up[0]])
    dark = (30, 28, 34)
    if look.hair == "long":
        pen.bone(centre, centre - 0.1 * up, 2 * size + 0.06, dark)
        pen.bone(centre, centre - 0.1 * up, 2 * size + 0.03, look.hair_colour)
    pen.disc(centre, size + rim, dark)
    pen.disc(centre, size, look.skin)
    if look.hair != "bald":
        first = 25 if front else -80  # degrees: the brow, or all but the neck
        arc = np.radians(np.linspace(first, 180 - first, 24))
        cap = [centre + size * (cos(angle) * aside + sin(angle) * up) for angle in arc]
        pen.area(cap, look.hair_colour)
    if look.hair == "hat":
        brim = centre + 0.055 * up
        pen.bone(brim - 0.14 * aside, brim + 0.14 * aside, 0.035, look.hair_colour)
        pen.bone(brim + 0.05 * up, brim + 0.06 * up, 0.15, look.hair_colour)
    if front:
        for side in (-1, 1):
            eye = centre + side * 0.045 * aside + 0.005 * up
            pen.disc(eye, 0.03, (255, 255, 255))
            pen.disc(eye, 0.017, dark)
        mouth = centre - 0.06 * up
        pen.bone(mouth - 0.028 * aside, mouth + 0.028 * aside, 0.018, (150, 30, 40))
