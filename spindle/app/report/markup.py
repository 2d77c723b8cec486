"""How does text become HTML that nothing written in it can break?"""

from __future__ import annotations

import html
from unicodedata import category

EMPTY = {"img", "meta", "br"}  # tags that nothing stands in


class Markup(str):
    """Text that is HTML already; any other text is escaped on its way into a tag."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """Text as HTML shows it: labels and names come from files, and nobody knows what they hold."""
    if isinstance(text, Markup):
        return text
    plain = "".join(c if shows(c) else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return Markup(html.escape(plain))


def shows(letter: str) -> bool:
    """Whether it is seen, or is a space; what steers the text around it is neither."""
    return letter.isprintable() or letter == "\n" or category(letter) == "Zs"


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """One element; `class_` is class, `stroke_width` is stroke-width, and None is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in EMPTY:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{joined(*inside)}</{name}>")


def joined(*parts: object) -> Markup:
    return Markup("".join(escape(part) for part in parts if part is not None))


def table(head: tuple[object, ...], rows: list[tuple[object, ...]], class_: str = "") -> Markup:
    """Its first column names the rows; it scrolls by itself where the page is narrow."""
    top = tag("tr", *(tag("th", name, scope="col") for name in head))
    body = (tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
            for row in rows)  # fmt: skip
    made = tag("table", tag("thead", top), tag("tbody", *body), class_=class_ or None)
    return tag("div", made, class_="scroll")


def section(title: str, about: object, *inside: object) -> Markup:
    """A part of the page, with a sentence on what is to be seen in it."""
    name = "".join(c if c.isalnum() else "-" for c in title.lower())
    lead = tag("p", about, class_="lead") if about else None
    return tag("section", tag("h2", title), lead, *inside, id=name)


def folded(title: object, *inside: object) -> Markup:
    """What only some want to see."""
    return tag("details", tag("summary", title), *inside)
