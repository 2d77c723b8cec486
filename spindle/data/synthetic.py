"""Drawn scenes, at any size and number: tests and the demo need no download."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter

KINDS = ("circle", "square", "triangle")


@dataclass(frozen=True)
class Shape:
    kind: int
    left: float
    top: float
    right: float
    bottom: float


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
    mask = Pillow.new("L", (width, height))
    shapes = []
    for _ in range(rng.integers(1, most + 1)):
        kind = int(rng.integers(len(KINDS)))
        radius = min(height, width) * rng.uniform(0.2, 0.4)
        x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
        outline = corners(kind, x, y, radius, pi * rng.uniform(-0.1, 0.1))
        behind = np.asarray(canvas)[int(y), int(x)].astype(int)
        colour = tuple(int(c) for c in (behind + rng.integers(70, 186, 3)) % 256)
        ImageDraw.Draw(canvas).polygon(outline, colour)
        ImageDraw.Draw(mask).polygon(outline, 1 + kind)
        across, down = zip(*outline, strict=True)
        shapes.append(Shape(kind, min(across), min(down), max(across), max(down)))
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
