"""How does a picture of any size become the bytes a network reads, and where is each pixel then?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from spindle.model.ops import Image

Picture = Pillow.Image
RESAMPLE = {"bilinear": Pillow.Resampling.BILINEAR, "bicubic": Pillow.Resampling.BICUBIC}


@dataclass(frozen=True)
class Frame:
    """The part of a picture that a network sees, in shares of the picture's sides."""

    left: float
    top: float
    right: float
    bottom: float

    def outside(self, x: float, y: float) -> tuple[float, float]:
        """A place in the frame as a place in the picture, both in shares."""
        return self.left + x * (self.right - self.left), self.top + y * (self.bottom - self.top)


def read_picture(source: str | Path | bytes | Picture | NDArray[Any]) -> Picture:
    """Any picture as upright RGB: a path, the bytes of a file, a Pillow picture or an array."""
    try:
        match source:
            case Pillow.Image():
                return upright(source)
            case np.ndarray():
                return upright(from_array(source))
        if not isinstance(source, (str, Path, bytes)):
            raise ValueError(f"it is a {type(source).__name__}, not a path, bytes or an array")
        with (
            warnings.catch_warnings(action="ignore"),  # of odd metadata: the picture is what counts
            Pillow.open(BytesIO(source) if isinstance(source, bytes) else source) as picture,
        ):
            return upright(picture)
    except Exception as error:  # each kind of file breaks in ways of its own
        name = source if isinstance(source, (str, Path)) else "this picture"
        if isinstance(error, UnidentifiedImageError):
            raise ValueError(f"{name} is not a picture of any kind I know") from None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ValueError(f"{name} cannot be read: {reason or type(error).__name__}") from None


def upright(picture: Picture) -> Picture:
    """As the camera was held, in RGB; transparency is left out."""
    if not all(picture.size):
        raise ValueError("it has no pixels")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        pixels = np.asarray(picture)
        deep = picture.mode != "I" or pixels.max() > 255  # 16 bits in 32, as older Pillows open
        picture = Pillow.fromarray((pixels >> (8 if deep else 0)).clip(0, 255).astype(np.uint8))
    return picture.convert("RGBA" if picture.mode in ("P", "PA") else "RGB").convert("RGB")


def from_array(array: NDArray[Any]) -> Picture:
    if array.ndim not in (2, 3) or array.dtype not in (np.uint8, np.uint16, np.bool_):
        raise ValueError(
            f"an array of a picture is height x width x channels of bytes, "
            f"not {array.dtype} {array.shape}"
        )
    return Pillow.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)


def prepare(picture: Picture, image: Image) -> tuple[NDArray[np.uint8], Frame]:
    """The picture as the network's first op wants it, and the part of it that is seen."""
    size, (wide, high) = (image.width, image.height), picture.size
    resample = RESAMPLE[image.resample]
    if image.fit == "pad":
        scale = min(image.width / wide, image.height / high)
        inner = max(round(wide * scale), 1), max(round(high * scale), 1)
        canvas = Pillow.new("RGB", size, tuple(round(min(max(m, 0), 255)) for m in image.mean))
        canvas.paste(picture.resize(inner, resample))
        return np.asarray(canvas), Frame(0, 0, image.width / inner[0], image.height / inner[1])
    share = (1.0, 1.0)
    if image.fit == "crop":
        side = min(wide / image.width, high / image.height) * image.fraction
        share = min(side * image.width / wide, 1.0), min(side * image.height / high, 1.0)
    left, top = (1 - share[0]) / 2, (1 - share[1]) / 2
    frame = Frame(left, top, left + share[0], top + share[1])
    box = (
        frame.left * wide,
        frame.top * high,
        min(frame.right, 1) * wide,
        min(frame.bottom, 1) * high,
    )
    return np.asarray(picture.resize(size, resample, box)), frame
