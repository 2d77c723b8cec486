"""How does a picture of any size become the bytes a network reads, and where is each pixel then?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor, prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from spindle.model.ops import Image

Picture = Pillow.Image
Readable = str | Path | bytes | Picture | NDArray[Any]  # as a picture: a path, a file's bytes ...
Size = tuple[int, int]  # width, height
Shares = TypeVar("Shares", float, NDArray[np.float64])
LARGER = 3  # a JPEG to be made small is decoded at no less than so many times the size wanted
RESAMPLE = {"bilinear": Pillow.Resampling.BILINEAR, "bicubic": Pillow.Resampling.BICUBIC}

# how a camera may have been held, by EXIF: what was right or below in the file is then left, above
ORIENTATION, LEFT, ABOVE, LYING = 0x112, (2, 3, 6, 7), (3, 4, 7, 8), (5, 6, 7, 8)


@dataclass(frozen=True)
class Frame:
    """A part of a picture, in shares of the picture's sides; it may reach beyond them."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def outside(self, x: Shares, y: Shares) -> tuple[Shares, Shares]:
        """A place in the frame as a place in the picture, both in shares."""
        return self.left + x * self.width, self.top + y * self.height

    def inside(self, x: Shares, y: Shares) -> tuple[Shares, Shares]:
        """A place in the picture as a place in the frame, both in shares."""
        return (x - self.left) / self.width, (y - self.top) / self.height

    def part(self, inner: Frame) -> Frame:
        """A frame in this frame as a frame in the picture."""
        start, end = self.outside(inner.left, inner.top), self.outside(inner.right, inner.bottom)
        return Frame(*start, *end)


class Unreadable(ValueError):
    """A picture that is broken, absent, or none."""


@dataclass(frozen=True)
class Opened:
    """A picture whose size is known; the pixels of a JPEG are still to be decoded, once."""

    name: object  # how to speak of it
    picture: Picture
    size: Size  # once upright
    orientation: int = 1

    def read(self, least: Size = (1 << 30, 1 << 30)) -> tuple[Picture, Frame]:
        """The picture, upright, and where in what is given it lies: nearly everywhere.

        A JPEG is decoded at a half, a quarter or an eighth where that leaves it at least so large;
        its last row and column may then lie partly outside the picture.
        """
        picture, wanted = self.picture, least[::-1] if self.orientation in LYING else least
        with spoken(self.name):
            lessened = picture.draft(None, (max(wanted[0], 1), max(wanted[1], 1)))
            if lessened is None:
                return upright(picture), Frame()
            _, (_, _, *extent) = lessened
            across, down = extent[0] / picture.width, extent[1] / picture.height
            if self.orientation in LYING:
                across, down = down, across
            left = 1 - across if self.orientation in LEFT else 0.0
            top = 1 - down if self.orientation in ABOVE else 0.0
            return upright(picture), Frame(left, top, left + across, top + down)


def read_picture(source: Readable) -> Picture:
    """Any picture as upright RGB: a path, the bytes of a file, a Pillow picture or an array."""
    return open_picture(source).read()[0]


def open_picture(source: Readable) -> Opened:
    with spoken(source):
        match source:
            case Pillow.Image():
                if not all(source.size):
                    raise ValueError("it has no pixels")
                picture = upright(ImageOps.exif_transpose(source))  # which is a copy
            case np.ndarray():
                picture = upright(from_array(source))
            case str() | Path() | bytes():
                content = source if isinstance(source, bytes) else Path(source).read_bytes()
                picture = read_head(content)
                if picture.format == "JPEG" and all(picture.size):
                    held = picture.getexif().get(ORIENTATION, 1)
                    size = picture.size[::-1] if held in LYING else picture.size
                    return Opened(source, picture, size, held)
                picture = upright(picture)
            case _:
                kind = type(source).__name__
                raise ValueError(f"it is a {kind}, not a path, bytes or an array")
        return Opened(source, picture, picture.size)


def read_head(content: bytes) -> Picture:
    """What the head of a file tells; of a JPEG without Pillow's readers of all other kinds."""
    if not content.startswith(b"\xff\xd8\xff"):
        return Pillow.open(BytesIO(content))
    picture = JpegImageFile(BytesIO(content))
    if Pillow.MAX_IMAGE_PIXELS and prod(picture.size) > 2 * Pillow.MAX_IMAGE_PIXELS:
        raise ValueError(f"it has {prod(picture.size):,} pixels, which is no honest picture")
    return picture


@contextmanager
def spoken(source: object) -> Iterator[None]:
    """What goes wrong with a picture is said in a sentence that names it."""
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # of odd metadata: the picture is what counts
            yield
    except Exception as error:  # each kind of file breaks in ways of its own
        name = source if isinstance(source, (str, Path)) else "this picture"
        if isinstance(error, UnidentifiedImageError):
            raise Unreadable(f"{name} is not a picture of any kind I know") from None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise Unreadable(f"{name} cannot be read: {reason or type(error).__name__}") from None


def upright(picture: Picture) -> Picture:
    """As the camera was held, in RGB; transparency is left out.  The picture given is used up."""
    if not all(picture.size):
        raise ValueError("it has no pixels")
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I"):
        pixels = np.asarray(picture)
        deep = picture.mode != "I" or pixels.max() > 255  # 16 bits in 32, as older Pillows open
        picture = Pillow.fromarray((pixels >> (8 if deep else 0)).clip(0, 255).astype(np.uint8))
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA")
    picture.load()
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def from_array(array: NDArray[Any]) -> Picture:
    if array.ndim not in (2, 3) or array.dtype not in (np.uint8, np.uint16, np.bool_):
        raise ValueError(
            f"an array of a picture is height x width x channels of bytes, "
            f"not {array.dtype} {array.shape}"
        )
    return Pillow.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)


def glance(opened: Opened, image: Image) -> tuple[Picture, Frame]:
    """As much of a picture as a network of this input can make use of, and where it lies."""
    frame = seen(opened.size, image)
    wide, high = image.width / frame.width, image.height / frame.height
    return opened.read((ceil(LARGER * wide), ceil(LARGER * high)))


def prepare(picture: Picture, image: Image) -> tuple[NDArray[np.uint8], Frame]:
    """The picture as the network's first op wants it, and the part of it that is seen."""
    frame = seen(picture.size, image)
    return np.asarray(show(picture, frame, image)), frame


def seen(size: Size, image: Image) -> Frame:
    """The part that prediction sees of a picture of this size."""
    wide, high = size
    match image.fit:
        case "pad":
            scale = min(image.width / wide, image.height / high)
            inner = max(round(wide * scale), 1), max(round(high * scale), 1)
            return Frame(0, 0, image.width / inner[0], image.height / inner[1])
        case "crop":
            side = min(wide / image.width, high / image.height) * image.fraction
            share = min(side * image.width / wide, 1.0), min(side * image.height / high, 1.0)
            left, top = (1 - share[0]) / 2, (1 - share[1]) / 2
            return Frame(left, top, left + share[0], top + share[1])
    return Frame()


def show(picture: Picture, frame: Frame, image: Image, size: Size | None = None) -> Picture:
    """What is in a frame, at the network's size or another; beyond the picture is the mean."""
    size = size or (image.width, image.height)
    first, last, left, right = span(frame.left, frame.right, size[0])
    upper, lower, top, bottom = span(frame.top, frame.bottom, size[1])
    inner = last - first, lower - upper
    box = left * picture.width, top * picture.height, right * picture.width, bottom * picture.height
    if inner == size:
        return picture.resize(size, RESAMPLE[image.resample], box)
    canvas = Pillow.new("RGB", size, tuple(round(min(max(m, 0), 255)) for m in image.mean))
    if min(inner) > 0:
        canvas.paste(picture.resize(inner, RESAMPLE[image.resample], box), (first, upper))
    return canvas


def span(start: float, end: float, pixels: int) -> tuple[int, int, float, float]:
    """Which of a frame's pixels lie wholly in the picture, and which part of its side they show."""
    pixel = (end - start) / pixels
    first = max(ceil(-start / pixel - 1e-6), 0)
    last = min(floor((1 - start) / pixel + 1e-6), pixels)
    shown_end = end if last == pixels else round(start + last * pixel, 12)
    return first, last, max(start + first * pixel, 0.0), min(shown_end, 1.0)
