"""How does a number read on the page?  Alike everywhere: shares in percent, the rest in units."""

from __future__ import annotations

from spindle.app.judgement import COUNTS

THIN = "\N{NARROW NO-BREAK SPACE}"
UNSHARED = ("loss",)  # measures that are no share of anything
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def percent(share: float) -> str:
    return f"{100 * share:.1f}{THIN}%"


def measured(key: str, number: float | None) -> str:
    """A measure by its key."""
    if number is None:
        return "\N{EN DASH}"
    if key in COUNTS:
        return f"{number:,.0f}"
    return f"{number:.3f}" if key in UNSHARED else percent(number)


def scaled(number: float, unit: str = "") -> str:
    """300.8 M: a large number with the digits that matter."""
    for size, letter in UNITS:
        if abs(number) >= size:
            return f"{digits(number / size)}{THIN}{letter}{unit}"
    return f"{digits(number)}{THIN}{unit}".rstrip(THIN)


def milliseconds(ms: float) -> str:
    return f"{digits(ms)}{THIN}ms"


def digits(number: float) -> str:
    """Three digits, or all of those before the point."""
    if number == round(number) and abs(number) < 1000:
        return f"{number:.0f}"
    places = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:.{places}f}" if abs(number) >= 0.1 else f"{number:.2g}"
