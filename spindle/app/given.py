"""What may be given to a model as a picture, and what does one say who was given something else?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle.data.preprocess import Unreadable

Array = NDArray[Any]
AFAR = ("http://", "https://")
MOST = 4  # channels


def given(picture: Any) -> Any:
    """A path, bytes, a Pillow picture or an array of bytes; all that is not is told how to be."""
    if isinstance(picture, str) and picture.startswith(AFAR):
        raise Unreadable(f"{picture} is an address: fetch it, and give the bytes that came")
    if isinstance(picture, (str, Path, bytes, Pillow.Image)):
        return picture
    if hasattr(picture, "to_image"):  # a frame of a video
        return picture.to_image()
    if isinstance(picture, (bytearray, memoryview)):
        return bytes(picture)
    if hasattr(picture, "read"):  # an open file
        content = picture.read()
        if isinstance(content, bytes):
            return content
        raise Unreadable("this file is open as text: a picture is read from one opened with 'rb'")
    if isinstance(picture, np.ndarray):
        return checked(picture, "picture")
    if hasattr(picture, "__array__"):  # a tensor, say
        try:
            return checked(np.asarray(picture), "numpy.asarray(picture)")
        except (TypeError, RuntimeError) as error:
            raise Unreadable(f"this {type(picture).__name__} is no picture: {error}") from None
    return picture


def checked(array: Array, name: str) -> Array:
    """Height x width x channels of bytes; else what to write in Python to make it that."""
    if 0 in array.shape or array.dtype.kind not in "biuf":
        return array  # there is no cure: who reads it says what it is
    if array.ndim == 4:
        wanted = f"list({name})" if len(array) > 1 else f"{name}[0]"
        raise wrong(array, f"give {wanted}")
    cure = name
    if array.ndim == 3 and array.shape[2] > MOST:
        if array.shape[0] > MOST:
            return array
        cure += ".transpose(1, 2, 0)"
    if array.dtype == np.uint16 and array.ndim == 3:
        cure = f"({cure} >> 8).astype('uint8')"
    elif array.dtype.kind == "f":
        if not 0 <= array.min() <= array.max() <= 255:  # nor is anything that is no number
            raise wrong(array, "give it before it is normalized: the model does that itself")
        cure = f"(255 * {cure})" if array.max() <= 1 else cure
        cure += ".round().astype('uint8')"
    elif array.dtype not in (np.uint8, np.uint16, np.bool_):
        cure = f"{cure}.astype('uint8')"
    if cure != name:
        raise wrong(array, f"give {cure}")
    return array


def wrong(array: Array, cure: str) -> Unreadable:
    extents = " x ".join(map(str, array.shape))
    return Unreadable(
        f"a picture is height x width x channels of bytes, this is {extents} of {array.dtype}: "
        f"{cure}"
    )
