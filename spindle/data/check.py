"""What is in somebody's data, and what is wrong with it, in plain words, file by file?"""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle.data import twins
from spindle.data.examine import Fault, Look, look_at, look_at_mask, truths
from spindle.data.health import Report
from spindle.data.preprocess import Size
from spindle.data.samples import VOID, Dataset, Problem, Sample, Samples
from spindle.data.twins import Seen

AHEAD = 64  # pictures that are opened before they are needed
Show = Callable[[int, int], object]  # how many are done, of how many
Looked = tuple[Look, NDArray[np.int64], tuple[Fault, ...]]  # a picture, its mask's classes, faults


@dataclass
class Notes:
    """What is written down on the way through."""

    dataset: Dataset
    problems: list[Problem]
    left_out: dict[str, dict[int, tuple[int, ...]]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    classes: dict[str, Counter[str]] = field(default_factory=dict)
    sizes: list[Size] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    groups: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    opened: dict[Path, Seen] = field(default_factory=dict)  # and put down already
    nameless: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  # in masks


def examine(dataset: Dataset, show: Show = lambda done, total: None) -> Report:
    """Opens every picture and looks at everything that is said of it."""
    notes = Notes(dataset, list(dataset.problems))
    total, done = sum(map(len, dataset.splits.values())), 0
    Pillow.init()  # once, before many threads would
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for split, samples in dataset.splits.items():
            notes.left_out[split], notes.counts[split] = {}, Counter()
            notes.classes[split] = Counter()
            people, cameras = set(), set()
            for row, (sample, looked) in enumerate(opened(pool, samples)):
                note(notes, split, row, sample, looked)
                people.add(sample.kind)
                cameras.add(sample.camera)
                done += 1
                show(done, total)
            if dataset.task == "embed":
                notes.counts[split]["identities"] = len(people - {-1})
                notes.counts[split]["cameras"] = len(cameras - {-1})
    compare(notes)
    for kind, names in sorted(notes.nameless.items()):
        what = f"is in the masks of {len(names)} pictures ('{names[0]}' first), but has no label"
        cure = "name it, unless it is what nobody judges"
        notes.problems.append(Problem(f"class {kind}", what, cure, fatal=False))
    classes_without(notes)
    sides = sorted(notes.sizes, key=lambda size: size[0] * size[1])
    return Report(
        str(dataset.path),
        dataset.form,
        dataset.task,
        dataset.labels,
        {split: dict(counts) for split, counts in notes.counts.items()},
        {split: dict(counts) for split, counts in notes.classes.items()},
        (sides[0], sides[len(sides) // 2], sides[-1]) if sides else (),
        tuple(notes.problems),
        notes.left_out,
    )


def opened(pool: ThreadPoolExecutor, samples: Samples) -> Iterator[tuple[Sample, Looked]]:
    """Every sample with what opening its files has shown, in order; a few are opened ahead."""

    def look(sample: Sample) -> Looked:
        picture = look_at(sample.picture)
        if picture.size is None:
            return picture, np.zeros(256, np.int64), ()
        return picture, *look_at_mask(sample, picture.size)

    waiting: deque[tuple[Sample, Future[Looked]]] = deque()
    last: tuple[object, Future[Looked]] | None = None
    for sample in samples:
        again = last is not None and isinstance(sample.picture, Path)
        if again and last is not None and last[0] == sample.picture and sample.mask is None:
            future = last[1]  # the next person in the same picture
        else:
            future = pool.submit(look, sample)
        last = sample.picture, future
        waiting.append((sample, future))
        if len(waiting) > AHEAD:
            first, result = waiting.popleft()
            yield first, result.result()
    for first, result in waiting:
        yield first, result.result()


def note(notes: Notes, split: str, row: int, sample: Sample, looked: Looked) -> None:
    """Puts down what one sample is, and what is wrong with it."""
    look, pixels, mask_faults = looked
    dataset, counts = notes.dataset, notes.counts[split]
    faults = [*mask_faults]
    known = notes.opened.get(sample.picture) if isinstance(sample.picture, Path) else None
    if known is None or known.split != split:
        seen = Seen(split, row, sample.name, sample.kind, look)
        faults += look.faults
        notes.seen.append(seen)
        counts["pictures"] += 1
        if isinstance(sample.picture, Path):
            notes.opened[sample.picture] = seen
        if look.size is not None:
            notes.sizes.append(look.size)
    if look.size is not None:
        faults += truths(sample, look.size, dataset.task, dataset.labels)
    for fault in faults:
        notes.problems.append(Problem(sample.name, fault.what, fault.cure, fault.fatal))
    whole = look.size is None or any(fault.fatal and fault.row is None for fault in faults)
    rows = tuple(sorted({f.row for f in faults if f.fatal and f.row is not None}))
    if whole or rows:
        notes.left_out[split][row] = () if whole else rows
    if whole:
        return
    if sample.group:
        notes.groups[sample.group][split] += 1
    tally(notes, split, sample, pixels, rows)


def tally(
    notes: Notes, split: str, sample: Sample, pixels: NDArray[np.int64], out: tuple[int, ...]
) -> None:
    """Counts a good sample to the classes it shows."""
    labels, classes, counts = notes.dataset.labels, notes.classes[split], notes.counts[split]
    objects = sample.objects
    kinds: list[int] = []
    match notes.dataset.task:
        case "classify":
            kinds = [sample.kind]
        case "segment" if sample.mask is not None:
            classes.update({label: int(n) for label, n in zip(labels, pixels) if n})
            for kind in np.flatnonzero(pixels[len(labels) : VOID]).tolist():
                notes.nameless[len(labels) + kind].append(sample.name)
            return
        case "pose" if objects is not None:
            counts["poses"] += len(objects)
            kinds = np.nonzero(objects.points[..., 2] > 0)[1].tolist()
        case "detect" | "segment" if objects is not None:
            kinds = [kind for i, kind in enumerate(objects.kinds.tolist()) if i not in out]
            counts["objects"] += len(kinds)
            counts["ignored"] += int(objects.ignored.sum())
            counts["empty pictures"] += not kinds
    classes.update(labels[kind] for kind in kinds if 0 <= kind < len(labels))


def compare(notes: Notes) -> None:
    """Finds what is there twice; the file that others are judged by stays, the learned one goes."""
    problems = notes.problems
    for one, other in twins.same([seen for seen in notes.seen if seen.look.size is not None]):
        if one.split == other.split:
            if notes.dataset.task == "classify" and one.kind != other.kind:
                what = f"is the same file as '{other.name}', but of another class"
            else:
                what = f"is the same file as '{other.name}'"
            problems.append(Problem(one.name, what, "keep one of them", fatal=False))
            continue
        learned, judged = (other, one) if other.split == "train" else (one, other)
        what = f"of {learned.split} is the same file as '{judged.name}' of {judged.split}"
        cure = "keep one of them, or what is known by heart is called learned"
        problems.append(Problem(learned.name, what, cure))
        notes.left_out[learned.split][learned.row] = ()
    for one, other in twins.alike(notes.seen):
        what = f"of {one.split} looks nearly the same as '{other.name}' of {other.split}"
        problems.append(Problem(one.name, what, "keep both in one split", fatal=False))
    for group, splits in notes.groups.items():
        if len(splits) > 1:
            shares = " and ".join(f"{count} in {split}" for split, count in splits.items())
            what = f"has pictures in several splits: {shares}"
            problems.append(Problem(group, what, "keep each patient or film in one", fatal=False))


def classes_without(notes: Notes) -> None:
    """Classes that nothing, or next to nothing, shows."""
    if notes.dataset.task == "embed":
        return
    filled = [split for split, counts in notes.counts.items() if counts]
    learned = "train" if "train" in filled else "".join(filled[:1])
    things = {"classify": "picture", "segment": "pixel", "pose": "point", "detect": "object"}
    thing = things[notes.dataset.task]
    for split in filled:
        drawn = notes.dataset.task == "segment" and "objects" in notes.counts[split]
        for label in notes.dataset.labels[drawn:]:  # outlines are of things, not of the background
            count = notes.classes[split][label]
            if count < (2 if split == learned else 1):
                what = f"has {'one' if count else 'no'} {thing} in {split}"
                cure = "add some, or leave the class out"
                notes.problems.append(Problem(f"class '{label}'", what, cure, fatal=False))
