"""What has looking at somebody's data shown, in a page of words, and what is left once cleaned?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from spindle.data.forms.shards import Shards
from spindle.data.preprocess import Size
from spindle.data.samples import Dataset, Listed, Objects, Problem, Sample, Samples
from spindle.model.heads import Task

MOST, ROWS, WIDE = 20, 24, 24  # problems of a kind, classes, and blocks of a bar that are shown


@dataclass(frozen=True, eq=False)
class Report:
    """What `check` has found."""

    path: str
    form: str
    task: Task
    labels: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]  # of each split: pictures, objects ...
    classes: Mapping[str, Mapping[str, int]]  # of each split: how much there is of each class
    sizes: tuple[Size, ...]  # of the smallest, the middle and the largest picture
    problems: tuple[Problem, ...]
    left_out: Mapping[str, Mapping[int, tuple[int, ...]]]  # rows of objects, or () for all of it

    @property
    def fatal(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.fatal)

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.form}, to {self.task}, {len(self.labels)} labels", ""]
        lines += self.said_counts()
        if self.task != "embed":
            lines += ["", *self.said_classes()]
        remarks = tuple(problem for problem in self.problems if not problem.fatal)
        if not self.problems:
            lines += ["", "Nothing is wrong with it."]
        if self.fatal:
            lines += ["", f"{len(self.fatal)} wrong, left out by --fix:", *by_kind(self.fatal)]
        if remarks:
            lines += ["", f"{len(remarks)} to know of:", *by_kind(remarks)]
        return "\n".join(lines)

    def said_counts(self) -> list[str]:
        lines = []
        wide = max(map(len, (*self.counts, "sizes")))
        for split, counts in self.counts.items():
            said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
            lines.append(f"  {split:<{wide}}  {said or 'nothing'}")
        if self.sizes:
            low, middle, high = (f"{wide} x {tall}" for wide, tall in self.sizes)
            alike = low == middle == high
            said = f"all {low}" if alike else f"{low} to {high}, {middle} in the middle"
            lines.append(f"  {'sizes':<{wide}}  {said}")
        return lines

    def said_classes(self) -> list[str]:
        """A row for each class, with a bar; of very many, the largest and the smallest."""
        totals = {
            label: sum(counts.get(label, 0) for counts in self.classes.values())
            for label in self.labels
        }
        order = sorted(totals, key=lambda label: -totals[label])
        most = max([*totals.values(), 1])
        wide = min(max(map(len, (*self.labels, "class"))), 30)
        head = "".join(f"{split:>14}" for split in self.classes)
        lines = [f"  {'class':<{wide}}  {'':<{WIDE}}{head}"]
        hidden = len(order) - ROWS
        shown = order if hidden <= 0 else [*order[: ROWS // 2], "", *order[-ROWS // 2 :]]
        for label in shown:
            if not label and hidden > 0:
                lines.append(f"  ... {hidden} more ...")
                continue
            bar = "█" * round(WIDE * totals[label] / most) or ("▏" if totals[label] else "")
            numbers = "".join(f"{counts.get(label, 0):>14,}" for counts in self.classes.values())
            lines.append(f"  {label[:wide]:<{wide}}  {bar:<{WIDE}}{numbers}")
        return lines

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "form": self.form,
            "task": self.task,
            "labels": list(self.labels),
            "counts": {split: dict(counts) for split, counts in self.counts.items()},
            "classes": {split: dict(counts) for split, counts in self.classes.items()},
            "sizes": [list(size) for size in self.sizes],
            "problems": [asdict(problem) for problem in self.problems],
        }

    def clean(self, dataset: Dataset) -> Dataset:
        """The same data without what is wrong beyond use."""
        splits = {
            split: kept(samples, self.left_out.get(split, {}))
            for split, samples in dataset.splits.items()
        }
        return replace(dataset, splits=splits, problems=())


def kept(samples: Samples, out: Mapping[int, tuple[int, ...]]) -> Samples:
    if not out:
        return samples
    if isinstance(samples, Shards):  # which are read as they pass: a sample goes as a whole
        return samples.chosen(np.setdiff1d(np.arange(len(samples)), [*out]))
    return Listed(
        without(sample, out.get(row)) for row, sample in enumerate(samples) if out.get(row) != ()
    )


def without(sample: Sample, rows: tuple[int, ...] | None) -> Sample:
    """The sample without these of its objects."""
    if not rows or sample.objects is None:
        return sample
    objects, count = sample.objects, len(sample.objects)
    stay = [row for row in range(count) if row not in rows]

    def cut(values: Any) -> Any:
        return values[stay] if len(values) == count else values

    left = Objects(
        cut(objects.boxes),
        cut(objects.kinds),
        cut(objects.ignored),
        cut(objects.crowds),
        cut(objects.areas),
        cut(objects.points),
        tuple(objects.outlines[row] for row in stay) if objects.outlines else (),
    )
    return replace(sample, objects=left)


def by_kind(problems: tuple[Problem, ...]) -> list[str]:
    """All problems, those of one kind together; of very many of a kind the first."""
    kinds: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        # two are of a kind if they differ in numbers, in what is quoted, and in parentheses
        kinds[re.sub(r"\([^)]*\)|'[^']*'|[\d.]+", "", problem.what)].append(problem)
    lines: list[str] = []
    for alike in kinds.values():
        lines += [f"  {' '.join(str(problem).split())}" for problem in alike[:MOST]]
        if len(alike) > MOST:
            lines.append(f"  ... and {len(alike) - MOST} more like these")
    return lines
