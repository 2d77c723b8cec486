"""How does a picture of any size become the network's, to the bit?  The numpy that judges the C."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spindle.data.preprocess import seen, span
from spindle.model.ops import Image

Pixels = NDArray[np.uint8]  # height x width x 3
PRECISION = 22  # bits behind the point of a tap: 8 for the byte and 2 for overshoot stay free
FITS = ("stretch", "crop", "pad")  # as the enum of kernels/picture.h counts them
SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}


def fitted(pixels: Pixels, image: Image) -> Pixels:
    """What Pillow 13 makes of a picture under preprocess.prepare, byte for byte.

    Bytes are rounded between the two passes, so their order counts: Pillow takes the rows first
    where that loses much; before its version 13 it never did.
    """
    high, wide, _ = pixels.shape
    frame = seen((wide, high), image)
    first, last, left, right = span(frame.left, frame.right, image.width)
    upper, lower, top, bottom = span(frame.top, frame.bottom, image.height)
    canvas = np.empty((image.height, image.width, 3), np.uint8)
    canvas[:] = fill(image)
    passes = [
        (1, (left * wide, right * wide), last - first),
        (0, (top * high, bottom * high), lower - upper),
    ]
    if high - passes[1][2] > max(2 * (wide - passes[0][2]), 0):
        passes.reverse()
    for axis, part, size in passes:
        pixels = resampled(pixels, axis, part, size, image.resample)
    canvas[upper:lower, first:last] = pixels
    return canvas


def fill(image: Image) -> tuple[int, ...]:
    """The colour beyond the picture."""
    return tuple(round(min(max(mean, 0), 255)) for mean in image.mean)


def initializer(image: Image) -> str:
    """The `struct fit` of kernels/picture.h, as C text."""
    colour = ", ".join(map(str, fill(image)))
    fit, cubic = FITS.index(image.fit), int(image.resample == "bicubic")
    return f"{{{image.width}, {image.height}, {fit}, {image.fraction!r}, {cubic}, {{{colour}}}}}"


def resampled(
    pixels: Pixels, axis: int, part: tuple[float, float], size: int, resample: str
) -> Pixels:
    """A part of one axis at another size; bytes in, bytes out, sums in between."""
    first, weights = taps(pixels.shape[axis], part, size, resample)
    column = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    total = np.int64(1 << (PRECISION - 1))  # a half, for rounding
    for number, weight in enumerate(weights.T):
        place = np.minimum(first + number, pixels.shape[axis] - 1)  # where the weight is 0 anyway
        total = total + pixels.take(place, axis) * weight.reshape(column)
    return np.asarray((total >> PRECISION).clip(0, 255), np.uint8)


def taps(
    old: int, part: tuple[float, float], new: int, resample: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each new pixel the first old one it sees, and the weight of each: new x most."""
    start, end = np.float32(part[0]), np.float32(part[1])
    scale = float(end - start) / new
    spread = max(scale, 1.0)  # smaller pictures see wider
    reach = SUPPORT[resample] * spread
    centre = float(start) + (np.arange(new) + 0.5) * scale
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    after = np.minimum((centre + reach + 0.5).astype(np.int64), old)
    place = first[:, None] + np.arange((after - first).max())
    away = np.abs((place - centre[:, None] + 0.5) * (1 / spread))
    weight = np.where(place < after[:, None], kernel(away, resample), 0.0)
    weight /= weight.cumsum(axis=1)[:, -1:]  # summed in order, as C does
    fixed = weight * (1 << PRECISION)
    return first, (fixed + np.where(fixed < 0, -0.5, 0.5)).astype(np.int64)


def kernel(away: NDArray[np.float64], resample: str) -> NDArray[np.float64]:
    """How much a pixel so far away counts: a tent, or Keys' cubic with a = -1/2."""
    if resample == "bilinear":
        return np.maximum(1.0 - away, 0.0)
    near = (1.5 * away - 2.5) * away * away + 1
    far = (((away - 5) * away + 8) * away - 4) * -0.5
    return np.where(away < 1, near, np.where(away < 2, far, 0.0))
