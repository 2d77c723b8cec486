"""Which predictions are worth a look?  The best, the worst, and some that are drawn by lot."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from random import Random

from spindle.app.report.quality import certainty, offset, quality
from spindle.app.report.sureness import Part
from spindle.data import metrics
from spindle.data.judges.wording import Words
from spindle.data.preprocess import Picture
from spindle.data.results import Classification, Result
from spindle.data.samples import Sample
from spindle.model.heads import Task

SHOWN = 6  # pictures of each kind
CLASSES = 5  # of a classification that are kept


@dataclass(frozen=True, eq=False)
class Seen:
    """A sample, what was said of it, and how good that is: 1 is perfect, below 0 is misled."""

    number: int
    sample: Sample
    result: Result  # in the pixels of what was looked at
    quality: float


class Shelf:
    """The few of many that have the least keys."""

    def __init__(self, room: int):
        self.room = room
        self.heap: list[tuple[float, int, Seen]] = []

    def offer(self, key: float, seen: Seen) -> None:
        heapq.heappush(self.heap, (-key, -seen.number, seen))  # numbers differ: no tie reaches Seen
        if len(self.heap) > self.room:
            heapq.heappop(self.heap)

    def taken(self) -> list[Seen]:
        return [seen for *_, seen in sorted(self.heap, key=lambda item: (-item[0], -item[1]))]


class Witness:
    """Stands beside a judge: gives `evaluate` its samples and its answers, and remembers a few."""

    def __init__(
        self,
        predict: Callable[[Picture], Result],
        samples: Iterable[Sample],
        task: Task,
        labels: Collection[str],
        only: Collection[str] | None = None,
    ):
        self.predict, self.samples, self.task = predict, samples, task
        self.labels, self.only = labels, only
        self.words: Words = metrics.judge(task, labels, only).words
        self.parts: list[Part] = []
        self.by_name: dict[str, Sample] = {}  # embed: who is found for whom is known at the end
        self.rng, self.count = Random(0), 0
        self.looked = 0  # pictures
        self.shelves = {"best": Shelf(SHOWN), "worst": Shelf(SHOWN), "drawn": Shelf(3 * SHOWN)}
        self.sample = Sample(b"", "nothing yet")

    def __iter__(self) -> Iterator[Sample]:
        for sample in self.samples:
            self.sample = sample
            yield sample

    def __call__(self, picture: Picture) -> Result:
        result = self.predict(picture)
        self.looked += 1
        self.note(self.sample, result, picture)
        return result

    def note(self, sample: Sample, result: Result, picture: Picture) -> None:
        if self.task == "embed":
            self.by_name[sample.name] = sample
            return
        good = self.judged(sample, result, picture)
        if good is None:
            return
        if isinstance(result, Classification):
            result = Classification(result.classes[:CLASSES])
        seen = Seen(self.count, sample, result, good)
        self.count += 1
        for shelf, key in (("best", -good), ("worst", good), ("drawn", self.rng.random())):
            self.shelves[shelf].offer(key, seen)

    def judged(self, sample: Sample, result: Result, picture: Picture) -> float | None:
        """How good an answer is, and for measures that need all pictures, what this one adds."""
        if isinstance(result, Classification):
            return certainty(sample, result, self.words)
        alone = metrics.judge(self.task, self.labels, self.only)
        alone.see(sample, metrics.moved(result, *offset(sample)), picture.size)
        self.parts.append(Part.of(sample.name, alone))
        return quality(sample, result, alone)

    def chosen(self) -> dict[str, list[Seen]]:
        """Of each kind a few, none of them twice."""
        room = min(SHOWN, max(self.count // 3, 1))
        told: dict[str, list[Seen]] = {}
        shown: set[int] = set()
        for name in ("worst", "best", "drawn"):
            fresh = [seen for seen in self.shelves[name].taken() if seen.number not in shown]
            told[name] = fresh[:room]
            shown |= {seen.number for seen in told[name]}
        return told
