"""Which of the data's classes does a model's word mean?"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMED = ("classify", "detect", "segment")  # tasks by classes that have names
# what COCO calls the classes of VOC, where it calls them otherwise
SYNONYMS = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}


def plain(word: str) -> str:
    """One spelling for all: left_Knee is left knee, an airplane an aeroplane."""
    spelt = re.sub(r"[\s_-]+", " ", word).strip().casefold()
    return SYNONYMS.get(spelt, spelt)


@dataclass(frozen=True)
class Words:
    """The data's labels; of labels that are the same word, the first stands for all.

    With `only`, no other classes are judged: what the data or the model says of them is not heard.
    """

    labels: tuple[str, ...]
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.only is not None and not (self.truths >= 0).any():
            raise ValueError(
                f"the data's labels ({', '.join(self.labels[:5])} ...) have none of those "
                f"to be judged ({', '.join(self.only[:5])} ...); give labels that both know"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def exact(self) -> dict[str, int]:
        numbers: dict[str, int] = {}
        for number, label in enumerate(self.labels):
            numbers.setdefault(label, number)
        return numbers

    @cached_property
    def spelt(self) -> dict[str, int]:
        numbers: dict[str, int] = {}
        for label, number in self.exact.items():
            numbers.setdefault(plain(label), number)
        return numbers

    @cached_property
    def truths(self) -> NDArray[np.int64]:
        """The class that each of the data's numbers is judged as; -1 is not judged."""
        numbers = np.array([self.exact[label] for label in self.labels], np.int64)
        if self.only is None:
            return numbers
        wanted = [self.find(word) for word in self.only]
        return np.where(np.isin(numbers, wanted), numbers, -1)

    @cached_property
    def known(self) -> dict[str, int]:
        """The words that were asked for, found but once."""
        return {}

    def number(self, word: str) -> int:
        """The class that a model means by a word; -1 for one that is not judged."""
        if word not in self.known:
            number = self.find(word)
            self.known[word] = int(self.truths[number]) if number >= 0 else -1
        return self.known[word]

    def find(self, word: str) -> int:
        """Its own spelling first, then any; "class 7" of a model without labels is number 7."""
        if word in self.exact:
            return self.exact[word]
        if plain(word) in self.spelt:
            return self.spelt[plain(word)]
        counted = re.fullmatch(r"(?:class|point) (\d{1,9})", word)
        return int(counted[1]) if counted and int(counted[1]) < len(self.labels) else -1

    def judged(self, kinds: NDArray[Any]) -> NDArray[np.int64]:
        """`truths` of many numbers at once; a number that is no class is not judged."""
        inside = (kinds >= 0) & (kinds < len(self))
        return np.where(inside, self.truths[np.where(inside, kinds, 0)], -1)


def in_common(labels: Collection[str], words: Collection[str]) -> bool:
    """Whether a model's words mean any of the data's classes."""
    known = worded(labels)
    return any(known.number(word) >= 0 for word in words)


def worded(labels: Collection[str], only: Collection[str] | None = None) -> Words:
    return Words(tuple(labels), None if only is None else tuple(sorted(only)))
