"""The witness passes everything on, and remembers the right few."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spindle.app.report.witness import SHOWN, Seen, Shelf, Witness
from spindle.data import metrics
from spindle.data.preprocess import Picture
from spindle.data.results import Classification
from spindle.data.samples import Listed, Sample

LABELS = ("a", "b")


def seen(number: int, quality: float) -> Seen:
    return Seen(number, Sample(b"", str(number)), Classification(()), quality)


@given(st.lists(st.floats(-1, 1), max_size=40), st.integers(1, 9))
def test_a_shelf_holds_the_least(keys: list[float], room: int) -> None:
    shelf = Shelf(room)
    for number, key in enumerate(keys):
        shelf.offer(key, seen(number, key))
    wanted = sorted(range(len(keys)), key=lambda number: (keys[number], number))[:room]
    assert [one.number for one in shelf.taken()] == wanted


def witness(chances: list[float]) -> tuple[Witness, dict[str, float]]:
    """A judgement of gray pictures whose gray is their number; each chance is that of class a."""
    samples = Listed(
        Sample(np.full((4, 4, 3), number, np.uint8), str(number), kind=number % 2)
        for number in range(len(chances))
    )

    def predict(picture: Picture) -> Classification:
        gray = picture.getpixel((0, 0))
        assert isinstance(gray, tuple)
        chance = chances[gray[0]]
        both = sorted((("a", chance), ("b", 1 - chance)), key=lambda pair: -pair[1])
        return Classification(tuple(both))

    beside = Witness(predict, samples, "classify", LABELS)
    judge = metrics.evaluate(beside, beside, "classify", LABELS)
    plain = metrics.evaluate(predict, samples, "classify", LABELS)
    assert judge.to_json() == plain.to_json()  # who watches changes nothing
    return beside, judge.scores()


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=60))
def test_the_best_and_the_worst_are_shown_and_none_twice(chances: list[float]) -> None:
    beside, _ = witness(chances)
    assert beside.looked == beside.count == len(chances)
    chosen = beside.chosen()
    shown = [one.number for several in chosen.values() for one in several]
    assert len(shown) == len(set(shown)) and all(len(x) <= SHOWN for x in chosen.values())
    if len(chances) >= 3 * SHOWN:
        assert [len(several) for several in chosen.values()] == [SHOWN] * 3
        worst = max(one.quality for one in chosen["worst"])
        best = min(one.quality for one in chosen["best"])
        assert all(worst <= one.quality <= best for one in chosen["drawn"])
    for several in chosen.values():
        for one in several:
            right = (chances[one.number] > 0.5) == (one.number % 2 == 0)
            assert abs(chances[one.number] - 0.5) < 1e-9 or (one.quality > 0) == right


def test_it_is_the_same_lot_each_time() -> None:
    chances = np.random.default_rng(0).random(50).tolist()
    first, again = (witness(chances)[0].chosen()["drawn"] for _ in range(2))
    assert [one.number for one in first] == [one.number for one in again]
