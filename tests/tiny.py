"""Tiny files that stand for somebody's data."""

from __future__ import annotations

from pathlib import Path

from PIL import Image as Pillow


def picture(path: Path, size: tuple[int, int] = (20, 10), turned: bool = False) -> Path:
    """A picture of this width and height; turned, its camera was held on its side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Pillow.new("RGB", size, (90, 120, 30))
    exif = Pillow.Exif()
    if turned:
        exif[0x0112] = 6
    image.save(path, exif=exif)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path
