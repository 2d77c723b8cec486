"""Which class is each pixel of a picture, as it was annotated?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle.data.samples import VOID, Outline, Sample, Source

Colour = tuple[int, int, int]
MOST = 1 << 28  # pixels of a mask that is drawn
FINE = 5  # COCO walks along an outline on a grid this much finer than the pixels


@dataclass(frozen=True, eq=False)
class Coloured(Sample):
    """A sample whose mask shows its classes as colours, in the order of the labels."""

    colours: tuple[Colour, ...] = ()


def read_mask(sample: Sample, size: tuple[int, int], classes: int = 0) -> NDArray[np.uint8]:
    """The class of each pixel of the upright picture of this width and height.

    Whatever is not one of the `classes` (0: of any) is VOID.
    """
    wide, high = size
    if sample.mask is None:
        mask = paint(sample, wide, high)
    else:
        mask = read_numbers(sample.mask, getattr(sample, "colours", ()))
        if mask.shape != (high, wide):
            raise ValueError(
                f"the mask of {sample.name} is {mask.shape[1]} x {mask.shape[0]}, the picture "
                f"{wide} x {high}; make them alike, or leave it out with spindle check --fix"
            )
    return np.where(mask >= classes, VOID, mask).astype(np.uint8) if classes else mask


def read_numbers(source: Source, colours: tuple[Colour, ...] = ()) -> NDArray[np.uint8]:
    """A mask as numbers of classes: as they stand there, or as the colours in this order."""
    if isinstance(source, np.ndarray):
        if colours:
            return number_colours(np.atleast_3d(source), colours)
        return as_bytes(source if source.ndim == 2 else source[..., 0])
    with open_mask(source) as picture:
        if colours:
            return number_colours(np.asarray(picture.convert("RGB")), colours)
        if picture.mode not in ("1", "L", "P", "LA", "PA") and not picture.mode.startswith("I"):
            bands = np.asarray(picture)[..., :3]
            if bands.ndim == 3 and (bands != bands[..., :1]).any():
                raise ValueError(
                    f"the mask {named(source)} is in colours, and nothing says which class each is"
                )
        pixels = np.asarray(picture)
        return as_bytes(pixels if pixels.ndim == 2 else pixels[..., 0])


def open_mask(source: Path | bytes) -> Pillow.Image:
    try:
        with warnings.catch_warnings(action="ignore"):
            picture = Pillow.open(BytesIO(source) if isinstance(source, bytes) else source)
            picture.load()
            return picture
    except Exception as error:  # each kind of file breaks in ways of its own
        raise ValueError(f"the mask {named(source)} cannot be read: {error}") from None


def named(source: Source) -> str:
    return str(source) if isinstance(source, Path) else "of this picture"


def as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """What does not fit into a byte is no class."""
    if pixels.dtype == np.uint8:
        return pixels.copy()
    whole = pixels.astype(np.int64)
    return np.where((whole < 0) | (whole > VOID), VOID, whole).astype(np.uint8)


def number_colours(pixels: NDArray[Any], colours: tuple[Colour, ...]) -> NDArray[np.uint8]:
    """The place of each pixel's colour among these; VOID for any other."""
    here = colour_codes(pixels)
    codes = colour_codes(np.array(colours, np.uint8))
    order = np.argsort(codes)
    place = np.searchsorted(codes[order], here).clip(max=len(codes) - 1)
    return np.where(codes[order][place] == here, order[place], VOID).astype(np.uint8)


def colour_codes(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Red, green and blue (or grey alone) in one number."""
    wide = np.broadcast_to(pixels, (*pixels.shape[:-1], 3)) if pixels.shape[-1] == 1 else pixels
    codes: NDArray[np.int64] = wide[..., :3].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return codes


def paint(sample: Sample, wide: int, high: int) -> NDArray[np.uint8]:
    """The outlines of the objects on background: the smaller in front, the ignored behind all."""
    mask = np.zeros((high, wide), np.uint8)
    objects = sample.objects
    if objects is None or not objects.outlines:
        return mask
    order = np.lexsort((-objects.areas, ~objects.ignored))
    for i in order.tolist():
        inside = rasterise(objects.outlines[i], wide, high)
        mask[inside] = VOID if objects.ignored[i] else objects.kinds[i]
    return mask


def rasterise(outline: Outline, width: int, height: int) -> NDArray[np.bool_]:
    """The pixels inside an outline, by the rules of COCO: any of its polygons, or runs."""
    if width * height > MOST:
        raise ValueError(f"a mask of {width} x {height} pixels is too large to be drawn")
    match outline:
        case None:
            return np.zeros((height, width), np.bool_)
        case dict():
            return from_runs(outline, width, height)
    mask = np.zeros((height, width), np.bool_)
    for polygon in outline:
        mask |= fill(polygon, width, height)
    return mask


def fill(polygon: list[float], width: int, height: int) -> NDArray[np.bool_]:
    """The pixels inside one polygon: a column changes sides where the outline crosses it."""
    corners = np.array(polygon, np.float64).reshape(-1, 2)
    if len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError("a polygon has at least three corners, each of two finite numbers")
    limit = np.array([width, height])
    corners = corners.clip(-limit, 2 * limit)  # what lies far outside may not cost memory
    u, v = trace(np.trunc(FINE * corners + 0.5).astype(np.int64))
    turns = np.flatnonzero(np.diff(u))  # each step to another fine column
    x = np.minimum(u[turns], u[turns + 1])
    y = np.minimum(v[turns], v[turns + 1])
    # only the fine column in the middle of a pixel counts
    middle = (x % FINE == FINE // 2) & (x >= 0) & (x < FINE * width)
    column = x[middle] // FINE
    row = np.ceil((y[middle] + 0.5) / FINE - 0.5).clip(0, height).astype(np.int64)
    flips = np.bincount(column * height + row, minlength=width * height + 1)
    inside: NDArray[np.bool_] = np.cumsum(flips)[: width * height] % 2 == 1
    return inside.reshape(width, height).T


def trace(corners: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every place on the closed line through the corners, one step at a time along its long side.

    An edge is drawn the same in both directions: always from its lower end.
    """
    start, end = corners, np.roll(corners, -1, axis=0)
    gap = np.abs(end - start)
    flat = gap[:, 0] >= gap[:, 1]
    long, short = np.where(flat, 0, 1), np.where(flat, 1, 0)
    each = np.arange(len(corners))
    back = start[each, long] > end[each, long]
    low = np.where(back[:, None], end, start)
    high = np.where(back[:, None], start, end)
    steps = gap[each, long]
    slope = (high[each, short] - low[each, short]) / np.maximum(steps, 1)
    edge = np.repeat(each, steps + 1)
    done = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
    t = np.where(back[edge], steps[edge] - done, done)
    along = low[edge, long[edge]] + t
    across = np.trunc(low[edge, short[edge]] + slope[edge] * t + 0.5).astype(np.int64)
    return np.where(flat[edge], along, across), np.where(flat[edge], across, along)


def from_runs(runs: dict[str, Any], width: int, height: int) -> NDArray[np.bool_]:
    """COCO's run lengths, down each column in turn, outside first; counted or as a text."""
    counts = runs.get("counts")
    match counts:
        case str() | bytes():
            lengths = unpack(
                counts.encode("latin-1", "replace") if isinstance(counts, str) else counts
            )
        case list() if all(type(count) is int and 0 <= count < 1 << 40 for count in counts):
            lengths = np.array(counts, np.int64)
        case _:
            raise ValueError("run lengths have counts: a list of whole numbers, or a text")
    if list(runs.get("size", ())) != [height, width]:
        raise ValueError(
            f"run lengths of height and width {runs.get('size')}, not {height}, {width}"
        )
    if (lengths < 0).any() or lengths.sum() != width * height:
        raise ValueError(f"run lengths do not add up to {height} x {width} pixels")
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(width, height).T


def unpack(text: bytes) -> NDArray[np.int64]:
    """The numbers in a text of COCO: five bits a letter, the lowest first, a sixth for "goes on".

    From the fourth on, a number is the difference to the one before the last.
    """
    letters = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(letters) or (letters < 0).any() or (letters > 63).any() or letters[-1] & 32:
        raise ValueError("run lengths are not a text as COCO packs them")
    last = np.flatnonzero(letters & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    digits = last - first + 1
    if digits.max() > 8:
        raise ValueError("run lengths hold a number that no picture is large enough for")
    shift = 5 * (np.arange(len(letters)) - np.repeat(first, digits))
    numbers = np.add.reduceat((letters & 31) << shift, first)
    numbers -= np.where(letters[last] & 16, 1 << (5 * digits), 0)  # the sign
    for parity in (1, 2):
        numbers[parity::2] = np.cumsum(numbers[parity::2])
    return numbers
