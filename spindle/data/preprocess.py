"""How does a picture of any size become the bytes a network reads, and where is each pixel then?"""

from __future__ import annotations

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
                picture = source
            case np.ndarray():
                picture = Pillow.fromarray(source)
            case bytes():
                picture = Pillow.open(BytesIO(source))
            case _:
                picture = Pillow.open(source)
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I;16"):
            picture = Pillow.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, TypeError, Pillow.DecompressionBombError) as error:
        name = source if isinstance(source, (str, Path)) else "this picture"
        if isinstance(error, UnidentifiedImageError):
            raise ValueError(f"{name} is not a picture of any kind I know") from None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ValueError(f"{name} cannot be read: {reason}") from None


def prepare(picture: Picture, image: Image) -> tuple[NDArray[np.uint8], Frame]:
    """The picture as the network's first op wants it, and the part of it that is seen."""
    size, (wide, high) = (image.width, image.height), picture.size
    resample = RESAMPLE[image.resample]
    if image.fit == "pad":
        scale = min(image.width / wide, image.height / high)
        inner = max(round(wide * scale), 1), max(round(high * scale), 1)
        canvas = Pillow.new("RGB", size, tuple(round(m) for m in image.mean))
        canvas.paste(picture.resize(inner, resample))
        return np.asarray(canvas), Frame(0, 0, image.width / inner[0], image.height / inner[1])
    share = (1.0, 1.0)
    if image.fit == "crop":
        side = min(wide / image.width, high / image.height) * image.fraction
        share = side * image.width / wide, side * image.height / high
    left, top = (1 - share[0]) / 2, (1 - share[1]) / 2
    frame = Frame(left, top, left + share[0], top + share[1])
    box = (
        frame.left * wide,
        frame.top * high,
        min(frame.right, 1) * wide,
        min(frame.bottom, 1) * high,
    )
    return np.asarray(picture.resize(size, resample, box)), frame
