"""How did a run go?  Its loss and its metrics over the epochs, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from PIL import Image as Pillow
from PIL import ImageDraw

from spindle.data.paint import ACCENT, INK, PAPER, Colour, colour, font
from spindle.data.preprocess import Picture

WIDE, HIGH, MARGIN, LEFT, SCALE = 460, 260, 30, 58, 2
GREY: Colour = (214, 216, 222)
Curve = list[tuple[float, float]]  # epoch, value


def draw_curves(rows: Sequence[dict[str, Any]], metrics: Sequence[str]) -> Picture:
    """A panel for the loss and one for the metrics of metrics.jsonl's rows, the first one bold."""
    loss = {name: curve for name in ("train_loss", "loss") if (curve := points(rows, name))}
    scores = {name: curve for name in metrics if (curve := points(rows, name))}
    sheet = Pillow.new("RGB", (2 * WIDE * SCALE, HIGH * SCALE), PAPER)
    for place, (title, curves) in enumerate((("loss", loss), ("judged", scores))):
        sheet.paste(panel(title, curves), (place * WIDE * SCALE, 0))
    return sheet


def points(rows: Sequence[dict[str, Any]], name: str) -> Curve:
    return [(row["epoch"], row[name]) for row in rows if isinstance(row.get(name), int | float)]


def panel(title: str, curves: dict[str, Curve]) -> Picture:
    """Curves on one pair of axes; each one's last value stands beside its name."""
    sheet = Pillow.new("RGB", (WIDE * SCALE, HIGH * SCALE), PAPER)
    pen, face = ImageDraw.Draw(sheet), font(0.9 * SCALE)
    every = [point for curve in curves.values() for point in curve] or [(0.0, 0.0)]
    last = max(max(x for x, _ in every), 1)
    low, high = min(y for _, y in every), max(y for _, y in every)
    low, high = (min(low, 0.0), max(high, 1.0)) if title == "judged" else (0.0, high or 1.0)

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + x / last * (WIDE - LEFT - MARGIN)
        down = HIGH - MARGIN - (y - low) / (high - low) * (HIGH - 2 * MARGIN)
        return across * SCALE, down * SCALE

    for quarter in range(5):
        value = low + (high - low) * quarter / 4
        pen.line((at(0, value), at(last, value)), GREY, SCALE)
        pen.text((at(0, value)[0] - 8 * SCALE, at(0, value)[1]), f"{value:.3g}", INK, face, "rm")
    for share in (0.0, 0.5, 1.0):
        x, y = at(last * share, low)
        pen.text((x, y + 6 * SCALE), f"{last * share:.4g}", INK, face, "mt")
    pen.text((LEFT * SCALE, 8 * SCALE), f"{title}, by epoch", INK, font(SCALE))
    for number, (name, curve) in enumerate(curves.items()):
        ink, width = (ACCENT, 3) if number == 0 else (colour(number), 1)
        for before, after in pairwise(curve):
            pen.line((at(*before), at(*after)), ink, width * SCALE)
        if len(curve) == 1:
            x, y = at(*curve[0])
            pen.ellipse((x - 3 * SCALE, y - 3 * SCALE, x + 3 * SCALE, y + 3 * SCALE), ink)
        place = (WIDE - MARGIN - 6) * SCALE, (HIGH - MARGIN - 8 - 15 * number) * SCALE
        if title == "loss":
            place = place[0], (MARGIN + 14 + 15 * number) * SCALE
        pen.text(place, f"{name} {curve[-1][1]:.4g}" if curve else name, ink, face, "rs")
    return sheet
