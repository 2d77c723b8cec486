"""What do bytes lose, tensor by tensor, as a table and as a picture?"""

from __future__ import annotations

from PIL import Image as Pillow
from PIL import ImageDraw

from spindle.app.progress import bar
from spindle.app.table import accent, bold, dim
from spindle.compiler.calibrate import Quantized
from spindle.data.paint import ACCENT, INK, PAPER, Colour, font
from spindle.data.preprocess import Picture

FULL = 60.0  # decibels of the longest bar: as good as float32
WIDE, ROW, LEFT, TOP, SCALE = 720, 16, 170, 34, 2
PALE: Colour = (206, 209, 218)


def show_ladder(made: Quantized, mixed: bool = False) -> str:
    """A line for each tensor: what all ops up to it have lost, and what it loses by itself."""
    lines = [bold("decibels above what is lost"), ""]
    lines.append(f"  {'tensor':<20} {'so far':>7} {'by itself':>10}")
    for rung in made.rungs:
        mark = dim("  float32 would help") if rung.name in made.floats and not mixed else ""
        own = accent(f"{bar(max(rung.own, 0) / FULL):<24}")
        lines.append(f"  {rung.name:<20} {rung.db:>7.1f} {rung.own:>10.1f}  {own}{mark}".rstrip())
    if made.floats:
        done = "left in float32" if mixed else "lose most, --mixed leaves them in float32"
        lines += ["", f"{', '.join(made.floats)}: {done}"]
    return "\n".join([*lines, ""])


def draw_ladder(made: Quantized) -> Picture:
    """Two bars a tensor: by itself, and within it so far; the worst in the colour of the house."""
    high = TOP + ROW * len(made.rungs) + 10
    sheet = Pillow.new("RGB", (WIDE * SCALE, high * SCALE), PAPER)
    pen, face = ImageDraw.Draw(sheet), font(0.75 * SCALE)
    title = "decibels above what is lost: by itself (pale), and by all up to it"
    pen.text((10 * SCALE, 10 * SCALE), title, INK, font(SCALE))
    for number, rung in enumerate(made.rungs):
        y = (TOP + ROW * number) * SCALE
        ink = ACCENT if rung.name in made.floats else INK
        pen.text(((LEFT - 8) * SCALE, y + ROW * SCALE // 2), rung.name, ink, face, "rm")
        for db, shade, inset in ((rung.own, PALE, 2), (rung.db, ink, 5)):
            long = min(max(db, 0.0) / FULL, 1.0) * (WIDE - LEFT - 60)
            box = (
                LEFT * SCALE,
                y + inset * SCALE,
                (LEFT + long) * SCALE,
                y + (ROW - inset) * SCALE,
            )
            pen.rectangle(box, shade)
        said = f"{rung.db:.1f}  {rung.own:.1f}"
        pen.text(((WIDE - 6) * SCALE, y + ROW * SCALE // 2), said, INK, face, "rm")
    return sheet
