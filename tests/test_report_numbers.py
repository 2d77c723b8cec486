"""Numbers of one kind read alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.app.report.numbers import THIN, digits, measured, milliseconds, percent, scaled


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (percent(0.87649), "87.6 %"), (percent(0), "0.0 %"), (percent(1), "100.0 %"),
        (scaled(300_774_272), "301 M"), (scaled(3_504_872), "3.50 M"),
        (scaled(14_100, "B"), "14.1 kB"),
        (scaled(999), "999"), (scaled(96, "B"), "96 B"), (scaled(152.33e9), "152 G"),
        (milliseconds(0.2693), "0.27 ms"), (milliseconds(11.27), "11.3 ms"),
        (milliseconds(0.04), "0.04 ms"), (milliseconds(123.4), "123 ms"),
        (measured("pictures", 1234.0), "1,234"), (measured("loss", 0.1), "0.100"),
        (measured("ap", 0.2134), "21.3 %"), (measured("ap", None), "\u2013"),
    ],
)  # fmt: skip
def test_it_reads_so(made: str, said: str) -> None:
    assert made.replace(THIN, " ") == said


@given(st.floats(1e-6, 1e15))
def test_what_is_shown_is_near(number: float) -> None:
    assert float(digits(number)) == pytest.approx(number, rel=0.06)
