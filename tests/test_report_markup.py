"""Nothing that is written in a label can leave its place in the page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.app.report.markup import Markup, escape, section, table, tag


class Reader(HTMLParser):
    """Python's own reader of HTML: what it finds is what a browser would."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)",
    "</style><b>", "</title>", "&lt;", "]]>", "<!--", "javascript:alert(1)", "a & b", "\u202eevil",
]  # fmt: skip


@pytest.mark.parametrize("label", HOSTILE)
def test_a_hostile_label_stays_text(label: str) -> None:
    found = read(tag("p", label, title=label))
    assert [name for name, _ in found.tags] == ["p"]
    plain = label.replace("\u202e", "\ufffd")
    assert found.text == plain and found.tags[0][1] == {"title": plain}


@given(st.text(max_size=40))
def test_any_text_comes_out_as_it_went_in(label: str) -> None:
    found = read(table((label, "n"), [(label, 1)], label))
    names = [name for name, _ in found.tags]
    assert names == ["div", "table", "thead", "tr", "th", "th", "tbody", "tr", "th", "td"]
    shown = "".join(c if c.isprintable() or c in "\n " else "\ufffd" for c in label)
    letters = [c for c in found.text if c.isprintable() and c != "\ufffd"]
    assert "".join(letters) == f"{shown}n{shown}1".replace("\n", "").replace("\ufffd", "")


def test_markup_is_kept_and_attributes_are_spelt() -> None:
    inner = tag("b", "x < y")
    assert tag("p", inner, None, class_="a b", stroke_width=2, id=None) == Markup(
        '<p class="a b" stroke-width="2"><b>x &lt; y</b></p>'
    )
    assert tag("img", src="data:x") == '<img src="data:x">'
    assert escape(inner) is inner


def test_a_section_can_be_found_by_its_title() -> None:
    found = read(section("Model card", "about", tag("p", "in")))
    assert found.tags[0] == ("section", {"id": "model-card"})
    assert found.text == "Model cardaboutin"
