"""A bar is one line on a terminal, never a wrapped one, and silence elsewhere."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from spindle.app import progress
from spindle.app.progress import Bar, counted, spelt


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))
    monkeypatch.setenv("COLUMNS", "60")
    return made


def last_line(terminal: Terminal) -> str:
    return terminal.getvalue().rsplit("\r\x1b[K", 1)[1]


def test_nothing_is_said_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar("fetching", 10)
    bar.show(10)
    bar.end()
    assert capsys.readouterr() == ("", "")


def test_nothing_breaks_where_nothing_is_to_write_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    bar = Bar("fetching", 10)
    bar.show(10)
    bar.end()
    assert not bar.live


def test_a_bar_fills(terminal: Terminal) -> None:
    bar = Bar("looking", 4, "pictures")
    bar.show(4)
    assert last_line(terminal) == f"looking {'█' * 24} 4/4 pictures, 0 s left"
    bar.end()
    assert last_line(terminal) == ""


def test_numbers_and_times_are_said_as_one_thinks_of_them() -> None:
    assert [counted(n) for n in (0.12345, 3, 99.99, 123456, 1300000)] == [
        "0.1235", "3", "99.99", "123456", "1300000",
    ]  # fmt: skip
    assert [spelt(s) for s in (0, 95.2, 119.9, 120, 3599, 7170, 11100, 200000)] == [
        "0 s", "95 s", "120 s", "2 min", "60 min", "2 h 00 min", "3 h 05 min", "55 h 33 min",
    ]  # fmt: skip


def test_no_time_is_foretold_before_anything_is_done(terminal: Terminal) -> None:
    Bar("looking", 4).show(0)
    assert "left" not in last_line(terminal) and "0/4" in last_line(terminal)


def test_an_unknown_length_is_not_made_up(terminal: Terminal) -> None:
    Bar("fetching", 0, "MB", 1e6).show(2_500_000)
    assert last_line(terminal).split() == ["fetching", "2.5", "MB"]


def test_more_than_all_is_a_full_bar(terminal: Terminal) -> None:
    Bar("fetching", 2).show(5)
    assert "█" * 24 + " 5/2" in last_line(terminal)


@pytest.mark.parametrize("said", ["x" * 500, "a\nb\rc\x1b[2J"])
def test_a_line_neither_wraps_nor_leaves_its_line(terminal: Terminal, said: str) -> None:
    Bar("looking", 2).show(2, said)
    line = last_line(terminal)
    assert len(line) < 60 and line.isprintable()


def test_it_redraws_itself_seldom(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([1000.0, 1000.0, 1000.05, 1000.2, 1000.21])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    bar = Bar("looking", 4)
    for done in (1, 2, 3, 4):
        bar.show(done)
    assert terminal.getvalue().count("\r") == 3
