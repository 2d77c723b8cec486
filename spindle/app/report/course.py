"""How did the run go?  Its loss and its measures over the epochs."""

from __future__ import annotations

from spindle.app.curves import points
from spindle.app.judgement import MEANINGS
from spindle.app.report.charts import Line, curve
from spindle.app.report.markup import Markup, section, tag
from spindle.app.report.numbers import THIN
from spindle.app.report.story import Row, Told

SHOWN = 3  # measures: the one that counts, and the first of the others


def curves(told: Told) -> Markup | None:
    """None where the model learnt in one go."""
    rows = told.rows
    losses = lines(rows, {"train_loss": "training", "loss": "validation"})
    known = {key: key for row in rows for key in row if key in MEANINGS and key != "loss"}
    first = [told.headline, *(key for key in known if key != told.headline)][:SHOWN]
    scores = lines(rows, {key: key for key in first})
    plots = [curve("Loss", losses)] if losses else []
    if scores:
        plots.append(curve("Measures", scores, lambda value: f"{100 * value:.3g}{THIN}%", True))
    if not plots:
        return None
    best = max((row for row in rows if told.headline in row), default=None,
               key=lambda row: float(row[told.headline]))  # fmt: skip
    about = f"{len(rows)} epochs" if len(rows) > 1 else "One epoch"
    about += f"; the model is kept from epoch {best['epoch']}, the best one." if best else "."
    return section("Training", about, tag("div", *plots, class_="plots"))


def lines(rows: tuple[Row, ...], names: dict[str, str]) -> list[Line]:
    found = [(name, points(rows, key)) for key, name in names.items()]
    return [
        Line(name, tuple(curve), number)
        for number, (name, curve) in enumerate((n, c) for n, c in found if c)
    ]
