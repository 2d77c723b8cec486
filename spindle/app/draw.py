"""What do results look like together?  A sheet of many pictures, in the colours of the house."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image as Pillow

from spindle.data.paint import PAPER
from spindle.data.preprocess import Picture
from spindle.data.results import Result


def draw_result(picture: Picture, result: Result) -> Picture:
    """The picture with what was found drawn on it, and what was said written under it."""
    return result.draw(picture)


def contact_sheet(pictures: Sequence[Picture], columns: int = 4, side: int = 320) -> Picture:
    """Many pictures as one: each fitted into a square of a grid."""
    columns = max(min(columns, len(pictures)), 1)
    rows = -(-len(pictures) // columns)
    sheet = Pillow.new("RGB", (columns * side, rows * side), PAPER)
    for number, picture in enumerate(pictures):
        small = picture.copy()
        small.thumbnail((side - 8, side - 8), Pillow.Resampling.LANCZOS)
        row, column = divmod(number, columns)
        sheet.paste(
            small,
            (column * side + (side - small.width) // 2, row * side + (side - small.height) // 2),
        )
    return sheet
