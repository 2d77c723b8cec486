"""Many pictures are told in their order, a few at a time, whatever becomes of each."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from spindle.app.stream import AHEAD, in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_are_told_in_their_order(threads: int) -> None:
    def look(number: int) -> int:
        time.sleep(0.002 * (number % 3))  # later ones are done sooner
        return number * number

    assert list(in_order(look, range(40), threads)) == [(n, n * n) for n in range(40)]
    assert list(in_order(look, [], threads)) == []


def test_two_are_looked_at_at_once() -> None:
    both = threading.Barrier(2, timeout=600)  # breaks unless a second one comes
    assert [seen for _, seen in in_order(lambda _: both.wait() in (0, 1), range(6), 2)] == [
        True
    ] * 6


def test_no_more_than_a_few_wait() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    for told, _ in in_order(lambda item: item, items(), 3):
        assert len(taken) - told <= AHEAD * 3 + 1
    assert len(taken) == 100


def test_what_goes_wrong_is_raised_and_the_rest_is_left(recwarn: pytest.WarningsRecorder) -> None:
    begun = []

    def look(number: int) -> int:
        begun.append(number)
        warnings.warn("of odd metadata", stacklevel=1)
        if number == 3:
            raise ValueError("three")
        return number

    told = []
    with pytest.raises(ValueError, match="three"):
        for item, _ in in_order(look, range(1000), 2):
            told.append(item)
    assert told == [0, 1, 2] and len(begun) <= 4 + AHEAD * 2
    assert not recwarn.list
