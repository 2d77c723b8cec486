"""What is kept while a model is judged, so that the sums of many machines add up exactly?"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from spindle.data.judges.wording import Words
from spindle.data.results import Result
from spindle.data.samples import Sample
from spindle.model.heads import Task

Array = NDArray[Any]
Record = tuple[str, dict[str, Array]]  # of one picture: its name, and what is known of it
TYPES = ("<f8", "<f4", "<i8", "<u2", "|i1", "|b1")  # of the arrays that are written down
WHOLE = 2**32  # a sum of fractions is kept as a sum of whole parts of this size: exact in any order


class Judge(ABC):
    """Counts and records of what a model said, in a form whose sum knows no order.

    `sums` are whole numbers; `records` are kept for measures that must see all pictures at once.
    """

    task: ClassVar[Task]

    def __init__(self, words: Words):
        self.words = words
        self.sums: dict[str, NDArray[np.int64]] = {
            name: np.zeros(shape, np.int64) for name, shape in self.shapes().items()
        }
        self.records: list[Record] = []

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the sums, by name."""

    @abstractmethod
    def see(self, sample: Sample, result: Result, size: tuple[int, int]) -> None:
        """Takes in what a model said of a sample whose picture has this width and height."""

    @abstractmethod
    def scores(self) -> dict[str, float]:
        """Every measure by its key; one that has nothing to be measured by is left out."""

    def per_class(self) -> dict[str, dict[str, float]]:
        """The measures that classes have of their own, by label."""
        return {}

    def confusions(self) -> list[tuple[str, str, int]]:
        """What was taken for what, and how often; the most frequent first."""
        return []

    def __add__(self, other: Self) -> Self:
        if type(self) is not type(other) or self.words != other.words:
            raise ValueError("only sums of the same task and the same labels can be added")
        both = type(self)(self.words)
        both.sums = {name: value + other.sums[name] for name, value in self.sums.items()}
        both.records = self.records + other.records
        return both

    def ordered(self) -> list[Record]:
        """The records in the order of their names, whichever machine saw them, and when."""
        return sorted(self.records, key=place)

    def expect(self, sample: Sample, result: Result, kind: type[Result]) -> None:
        if not isinstance(result, kind):
            raise ValueError(
                f"{sample.name}: to {self.task} is judged by a {kind.__name__}, "
                f"but the model gave a {type(result).__name__}; give a model of this task"
            )

    def nothing(self) -> ValueError:
        return ValueError(
            f"no picture says what would be right to {self.task}, so nothing can be judged; "
            "give pictures that are annotated for it"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "labels": list(self.words.labels),
            "only": None if self.words.only is None else list(self.words.only),
            "sums": {name: value.tolist() for name, value in self.sums.items()},
            "records": [
                [name, {key: pack(array) for key, array in known.items()}]
                for name, known in self.ordered()
            ],
        }

    def restore(self, said: Mapping[str, Any]) -> Self:
        """This judge with the sums that `to_json` gave."""
        for name, value in self.sums.items():
            read = np.array(said["sums"][name], np.int64)
            if read.shape != value.shape:
                raise ValueError(f"{name} has the shape {read.shape}, not {value.shape}")
            self.sums[name] = read
        self.records = [
            (str(name), {str(key): unpack(packed) for key, packed in known.items()})
            for name, known in said["records"]
        ]
        return self


def place(record: Record) -> tuple[str, bytes]:
    name, known = record
    return name, b"".join(array.tobytes() for array in known.values())  # a name may come twice


def pack(array: Array) -> dict[str, Any]:
    """An array as JSON that gives the same bits back."""
    little = array.astype(array.dtype.newbyteorder("<"))
    code = base64.b64encode(little.tobytes()).decode()
    return {"type": little.dtype.str, "shape": list(array.shape), "bytes": code}


def unpack(packed: Mapping[str, Any]) -> Array:
    if packed["type"] not in TYPES:
        raise ValueError(f"{packed['type']!r} is no type of numbers that a judge writes")
    flat = np.frombuffer(base64.b64decode(packed["bytes"]), np.dtype(packed["type"]))
    return flat.reshape(packed["shape"]).copy()


def mean(values: Array) -> float | None:
    """Of those that are defined (not NaN); None where none is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None


def defined(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(score) for name, score in scores.items() if score is not None}
