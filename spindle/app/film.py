"""Which pictures does a video hold, or a camera see?  One after the other, upright, by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
from PIL import Image as Pillow

from spindle.data.preprocess import Unreadable

DEVICE = "/dev/video{}"  # by the number of the camera, as Linux has it


def frames(source: str, camera: int | None = None) -> Iterator[tuple[float, Pillow.Image]]:
    """Each frame of a video file, or of the camera of this number, with its time in seconds."""
    seen = 0
    try:
        with opened(source, camera) as film:
            if not film.streams.video:
                raise Unreadable(f"{source} holds no pictures that move")
            for frame in film.decode(video=0):
                yield frame.time or 0.0, upright(frame)
                seen += 1
    except (av.FFmpegError, OSError) as error:
        after = f" after {seen} frames" if seen else ""
        reason = error.strerror or type(error).__name__
        raise Unreadable(f"{source} cannot be read{after}: {reason}") from None


def opened(source: str, camera: int | None) -> Any:
    if camera is None:
        return av.open(source)
    return av.open(DEVICE.format(camera), format="v4l2")


def upright(frame: Any) -> Pillow.Image:
    """As the camera was held: phones film lying, and say by how much to turn it."""
    picture: Pillow.Image = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture
