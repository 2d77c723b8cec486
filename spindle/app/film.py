"""Which pictures does a video hold, or a camera see?  One after the other, upright, by PyAV."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import av
from PIL import Image as Pillow

from spindle.data.preprocess import Unreadable

# by system: how a camera of some number is called there, who reads it, and what it must be told
CAMERAS: dict[str, tuple[str, str, dict[str, str]]] = {
    "linux": ("/dev/video{}", "v4l2", {}),
    "darwin": ("{}", "avfoundation", {"framerate": "30"}),
}


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
    if sys.platform not in CAMERAS:
        raise Unreadable(f"{source} has a name here and no number: film first, and give the video")
    name, form, options = CAMERAS[sys.platform]
    return av.open(name.format(camera), format=form, options=options)


def upright(frame: Any) -> Pillow.Image:
    """As the camera was held: phones film lying, and say by how much to turn it."""
    picture: Pillow.Image = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture
