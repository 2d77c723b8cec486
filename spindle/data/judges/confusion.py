"""Which classes are taken for which others: of pictures, and of pixels?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spindle.data.judges.judge import WHOLE, Judge, defined, mean
from spindle.data.masks import read_mask
from spindle.data.results import Classification, Mask, Result
from spindle.data.samples import VOID, Sample

Floats = NDArray[np.float64]
BINS = 15  # of confidence, in the calibration error
UNLIKELIEST = 1e-12  # a chance of nothing at all would cost infinitely much


def shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Floats:
    """One over the other, NaN where there is nothing."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


class Confusing(Judge):
    """Has a table: what it is (rows), what it is taken for (columns; the last: none of these)."""

    @property
    def table(self) -> NDArray[np.int64]:
        return self.sums["confusion"]

    @property
    def right(self) -> NDArray[np.int64]:
        return np.diag(self.table)

    @property
    def asked(self) -> NDArray[np.int64]:
        return np.asarray(self.table.sum(axis=1))

    def confusions(self) -> list[tuple[str, str, int]]:
        wrong = self.table.copy()
        np.fill_diagonal(wrong, 0)
        names = (*self.words.labels, "none of these")
        order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
        rows, columns = np.unravel_index(order, wrong.shape)
        return [(names[r], names[c], int(wrong[r, c])) for r, c in zip(rows, columns, strict=True)]


class ClassifyJudge(Confusing):
    """Top-1, top-5, each class, how honest its confidence is, and its cross-entropy.

    Classes that the data does not have are not heard: the chances of the others are then made
    one in sum again.
    """

    task = "classify"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        count = len(self.words)
        return {"confusion": (count, count + 1), "top5": (), "loss": (), "bins": (3, BINS)}

    def see(self, sample: Sample, result: Result, size: tuple[int, int]) -> None:
        self.expect(sample, result, Classification)
        assert isinstance(result, Classification)
        truth = int(self.words.judged(np.array(sample.kind)))
        if truth < 0:
            return
        chances, foreign = self._chances(result)
        whole = sum(chances.values()) if foreign else 1.0
        said = next(iter(chances), len(self.words))
        sure = min(max(chances.get(said, 0.0) / (whole or 1.0), 0.0), 1.0)
        chance = min(max(chances.get(truth, 0.0) / (whole or 1.0), UNLIKELIEST), 1.0)
        self.table[truth, said] += 1
        self.sums["top5"] += truth in list(chances)[:5]
        self.sums["loss"] += round(-math.log(chance) * WHOLE)
        each = max(math.ceil(sure * BINS) - 1, 0)
        self.sums["bins"][:, each] += (1, said == truth, round(sure * WHOLE))

    def _chances(self, result: Classification) -> tuple[dict[int, float], bool]:
        """The chance of each class, the likeliest first, and whether any was not heard."""
        chances: dict[int, float] = {}
        foreign = False
        for word, chance in result.classes:
            number = self.words.number(word)
            if number < 0:
                foreign = True
            else:
                chances[number] = chances.get(number, 0.0) + chance
        return chances, foreign

    def scores(self) -> dict[str, float]:
        pictures = int(self.asked.sum())
        if not pictures:
            raise self.nothing()
        _, right, sure = self.sums["bins"]
        return defined(
            {
                "top1": self.right.sum() / pictures,
                "top5": int(self.sums["top5"]) / pictures,
                "mean_accuracy": mean(shares(self.right, self.asked)),
                "calibration_error": float(np.abs(right - sure / WHOLE).sum() / pictures),
                "loss": int(self.sums["loss"]) / WHOLE / pictures,
            }
        )

    def per_class(self) -> dict[str, dict[str, float]]:
        accuracy = shares(self.right, self.asked)
        return {
            label: {"accuracy": float(accuracy[kind]), "pictures": float(self.asked[kind])}
            for kind, label in enumerate(self.words.labels)
            if self.asked[kind]
        }


class SegmentJudge(Confusing):
    """Intersection over union, and the share of pixels that are right; void ones are not judged.

    A class counts in the mean if it is in any truth or any answer.
    """

    task = "segment"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"confusion": (len(self.words), len(self.words) + 1)}

    def see(self, sample: Sample, result: Result, size: tuple[int, int]) -> None:
        self.expect(sample, result, Mask)
        assert isinstance(result, Mask)
        drawn = read_mask(sample, size, len(self.words))
        if drawn.shape != result.pixels.shape:
            raise ValueError(
                f"{sample.name}: the model's mask is {result.pixels.shape[::-1]} pixels, "
                f"the picture {drawn.shape[::-1]}; a mask has the picture's size"
            )
        count = len(self.words)
        heard = np.array([self.words.number(word) for word in result.labels])
        truth = self.words.judged(np.where(np.arange(256) == VOID, -1, np.arange(256)))[drawn]
        said = np.where(heard < 0, count, heard)[result.pixels]
        judged = truth >= 0
        pairs = truth[judged] * (count + 1) + said[judged]
        self.table[:] += np.bincount(pairs, minlength=count * (count + 1)).reshape(count, -1)

    @property
    def ious(self) -> Floats:
        union = self.asked + self.table[:, :-1].sum(axis=0) - self.right
        return shares(self.right, union)

    def scores(self) -> dict[str, float]:
        pixels = int(self.asked.sum())
        if not pixels:
            raise self.nothing()
        there = self.asked > 0
        return defined(
            {
                "miou": mean(self.ious),
                "pixel_accuracy": self.right.sum() / pixels,
                "mean_accuracy": mean(shares(self.right, self.asked)),
                "weighted_iou": float((self.asked * self.ious)[there].sum() / pixels),
            }
        )

    def per_class(self) -> dict[str, dict[str, float]]:
        known = {"iou": self.ious, "accuracy": shares(self.right, self.asked)}
        share = self.asked / max(int(self.asked.sum()), 1)
        return {
            label: {
                **{name: float(v[kind]) for name, v in known.items() if not np.isnan(v[kind])},
                "share": float(share[kind]),
            }
            for kind, label in enumerate(self.words.labels)
            if not np.isnan(self.ious[kind])
        }
