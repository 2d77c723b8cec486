"""What does a chart look like that needs no program to be seen?  SVG, in the page's own colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from spindle.app.report.markup import Markup, tag
from spindle.app.report.numbers import digits

WIDE, HIGH = 400, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 42
TICKS = 5  # about so many round numbers along an axis
Point = tuple[float, float]
Say = Callable[[float], str]


@dataclass(frozen=True)
class Line:
    """Points that belong together; `marked` shows each of them."""

    name: str
    points: tuple[Point, ...]
    colour: int = 0
    marked: bool = False
    notes: tuple[str, ...] = ()  # of each point, for who points at it


@dataclass(frozen=True)
class Axis:
    """From the least to the most, evenly or by powers."""

    title: str
    low: float
    high: float
    powers: bool = False
    say: Say = digits

    def share(self, value: float) -> float:
        if self.powers:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round numbers along it."""
        if self.powers:
            tens = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
            near = [step * 10.0**ten for ten in tens for step in (1, 2, 5)]
            return [value for value in near if self.low <= value <= self.high * (1 + 1e-9)]
        step = rounded((self.high - self.low) / TICKS)
        first = ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, floor(self.high / step + 1e-9) + 1)]


def rounded(step: float) -> float:
    """The nearest of 1, 2, 2.5, 5, 10 ..., in proportion."""
    ten = 10.0 ** floor(log10(step))
    return min(
        (ten * part for part in (1, 2, 2.5, 5, 10)), key=lambda near: abs(log10(near / step))
    )


def around(values: Sequence[float], least: float = 1e-9) -> tuple[float, float]:
    """Bounds that leave a little air about these values."""
    low, high = min(values), max(values)
    air = max((high - low) * 0.06, abs(high) * 0.02, least)
    return low - air, high + air


def chart(title: str, across: Axis, up: Axis, lines: Sequence[Line], *marks: Markup) -> Markup:
    """Lines over two axes, their names above; `marks` are drawn on top."""

    def at(point: Point) -> Point:
        return place(across, up, point)

    inside: list[Markup] = []
    for value in up.ticks():
        y = at((across.low, value))[1]
        inside.append(tag("line", x1=LEFT, x2=WIDE - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}"))
        inside.append(text(LEFT - 7, y + 4, up.say(value), "end"))
    last = -99.0
    for value in across.ticks():
        x = at((value, up.low))[0]
        if x - last > 34:  # labels do not touch
            inside.append(text(x, HIGH - BOTTOM + 18, across.say(value), "middle"))
            last = x
    inside.append(text((LEFT + WIDE - RIGHT) / 2, HIGH - 5, across.title, "middle"))
    drawn = [one for line in lines for one in shape(line, at)]
    svg = tag("svg", *inside, *drawn, *marks, viewBox=f"0 0 {WIDE} {HIGH}", role="img",
              aria_label=title, class_="chart")  # fmt: skip
    keys = [tag("span", line.name, class_=f"key s{line.colour}") for line in lines if line.name]
    head = tag("figcaption", tag("b", title), tag("span", *keys, class_="keys"))
    return tag("figure", head, svg, class_="plot")


def place(across: Axis, up: Axis, point: Point) -> Point:
    x = LEFT + across.share(point[0]) * (WIDE - LEFT - RIGHT)
    return x, HIGH - BOTTOM - up.share(point[1]) * (HIGH - TOP - BOTTOM)


def shape(line: Line, at: Callable[[Point], Point]) -> list[Markup]:
    places = [at(point) for point in line.points]
    drawn = []
    if len(places) > 1:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        drawn.append(tag("path", d=path, class_=f"line s{line.colour}"))
    if line.marked or len(places) == 1:
        notes = line.notes or ("",) * len(places)
        for (x, y), note in zip(places, notes, strict=True):
            said = tag("title", note) if note else None
            drawn.append(tag("circle", said, cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.5,
                             class_=f"dot s{line.colour}"))  # fmt: skip
    return drawn


def text(x: float, y: float, said: object, anchor: str, class_: str | None = None) -> Markup:
    return tag("text", said, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=class_)


def curve(title: str, lines: Sequence[Line], say: Say = digits, unit: bool = False) -> Markup:
    """Values by epoch; with `unit` the axis has at least the numbers from 0 to 1 in view."""
    every = [point for line in lines for point in line.points]
    last = max(max(x for x, _ in every), 1.0)
    first = min(min(x for x, _ in every), last - 1)
    low, high = around([y for _, y in every])
    if unit:
        low, high = max(low, 0.0), min(high, 1.0)
    across = Axis("epoch", first, last, say=lambda value: f"{value:g}" if value % 1 == 0 else "")
    return chart(title, across, Axis("", low, max(high, low + 1e-6), say=say), lines)


def bar(share: float, class_: str = "") -> Markup:
    """A share as a bar in a table's cell."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    return tag("span", tag("span", style=f"width:{width}", class_=class_ or None), class_="bar")


def span(low: float, value: float, high: float) -> Markup:
    """An interval between 0 and 1, and the value in it."""
    left, width = 100 * low, 100 * max(high - low, 0.004)
    inner = tag("span", style=f"left:{left:.1f}%;width:{width:.1f}%")
    return tag("div", inner, tag("i", style=f"left:{100 * value:.1f}%"), class_="span",
               role="img", aria_label=f"{value:.3f}, from {low:.3f} to {high:.3f}")  # fmt: skip
