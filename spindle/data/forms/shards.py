"""How are more samples than fit into memory gone through: tar shards, here or on a server?"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import numpy as np
from numpy.typing import NDArray

from spindle.data.forms import album
from spindle.data.forms.shard import Shard, as_sample, gathered, index, stamp, whole
from spindle.data.forms.tar import WAIT, is_remote, walk, walk_span
from spindle.data.samples import Dataset, Problem, Sample
from spindle.model.heads import Task

ENDINGS = (".tar", ".tar.gz", ".tgz")
BUFFER = 64 << 20  # bytes of samples that a stream is mixed among
OPEN = 64  # files at a time
LABELS = ("labels.txt", "classes.txt")
Show = Callable[[int, int], object]  # how many are done, of how many


class Shards:
    """Samples in tar files, read on the way by; all of them, or those in the rows chosen."""

    def __init__(
        self,
        shards: Sequence[Shard],
        task: Task,
        labels: tuple[str, ...],
        rows: NDArray[np.int64] | None = None,
        buffer: int = BUFFER,
    ):
        self.shards, self.task, self.labels, self.buffer = tuple(shards), task, labels, buffer
        self.firsts = np.array([0, *accumulate(shard.count for shard in shards)])
        self.rows = np.arange(self.firsts[-1]) if rows is None else np.sort(rows)
        # of the rows chosen, where those of each shard begin
        self.bounds = np.searchsorted(self.rows, self.firsts)

    def chosen(self, places: NDArray[np.int64]) -> Shards:
        """Only the samples at these places, in their own order."""
        return Shards(self.shards, self.task, self.labels, self.rows[places], self.buffer)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Sample]:
        for number in range(len(self.shards)):
            yield from self.stream(number, int(self.bounds[number]), int(self.bounds[number + 1]))

    def shuffled(self, seed: int, rank: int = 0, world: int = 1) -> Iterator[tuple[int, Sample]]:
        """An exact permutation where one can go straight to each sample; else shards and a buffer.

        Of a stream, each machine takes one stretch, and opens only the shards that it touches.
        """
        rng = np.random.default_rng(seed)
        own = range(rank, len(self), world)
        if all(shard.spans is not None for shard in self.shards):
            order = rng.permutation(len(self))
            samples = self.picked(order[own.start : own.stop : own.step])
        else:
            begin = sum(len(range(other, len(self), world)) for other in range(rank))
            stretch = self.stretch(rng.permutation(len(self.shards)), begin, begin + len(own))
            samples = mixed(stretch, np.random.default_rng((seed, rank)), self.buffer)
        yield from zip(own, samples, strict=True)

    def picked(self, places: NDArray[np.int64]) -> Iterator[Sample]:
        """Samples by their places, each read where it lies."""
        with ExitStack() as stack:
            files: dict[str, BinaryIO] = {}
            for place in places:
                row = self.rows[place]
                number = int(np.searchsorted(self.firsts, row, "right")) - 1
                shard = self.shards[number]
                if shard.place not in files:
                    if len(files) == OPEN:
                        stack.close()
                        files.clear()
                    files[shard.place] = stack.enter_context(reopened(shard))
                yield self.straight(shard, int(row - self.firsts[number]), files[shard.place])

    def straight(self, shard: Shard, row: int, file: BinaryIO) -> Sample:
        assert shard.spans is not None
        parts = list(gathered(walk_span(file, shard.place, *shard.spans[row].tolist())))
        if len(parts) != 1:
            raise changed(shard)
        return as_sample(parts[0], shard.name, self.task, self.labels)

    def stretch(self, order: NDArray[np.int64], begin: int, end: int) -> Iterator[Sample]:
        """From `begin` to `end` of all samples, were the shards in this order."""
        at = 0
        for number in order:
            first, last = int(self.bounds[number]), int(self.bounds[number + 1])
            lower, upper = max(begin - at, 0), min(end - at, last - first)
            if lower < upper:
                yield from self.stream(int(number), first + lower, first + upper)
            at += last - first

    def stream(self, number: int, begin: int, end: int) -> Iterator[Sample]:
        """The samples from one place to another, both in this shard."""
        shard = self.shards[number]
        wanted = (self.rows[begin:end] - self.firsts[number]).tolist()
        if not wanted:
            return
        if shard.spans is not None:
            with reopened(shard) as file:
                for row in wanted:
                    yield self.straight(shard, row, file)
            return
        still_the_same(shard)
        found = 0
        for row, parts in enumerate(whole(walk(shard.place))):
            if row == wanted[found]:
                yield as_sample(parts, shard.name, self.task, self.labels)
                found += 1
                if found == len(wanted):
                    return
        raise changed(shard)


def reopened(shard: Shard) -> BinaryIO:
    still_the_same(shard)
    return Path(shard.place).open("rb")


def still_the_same(shard: Shard) -> None:
    if not is_remote(shard.place) and stamp(shard.place)[0] != shard.stamp:
        raise changed(shard)


def changed(shard: Shard) -> ValueError:
    return ValueError(f"{shard.place} has changed since it was looked into: start again")


def mixed(samples: Iterable[Sample], rng: np.random.Generator, room: int) -> Iterator[Sample]:
    """Each in turn is any of those that are in memory, which are as many as have room."""
    kept: list[Sample] = []
    held = 0
    for sample in samples:
        kept.append(sample)
        held += weight(sample)
        while held > room:
            drawn = int(rng.integers(len(kept)))
            kept[drawn], kept[-1] = kept[-1], kept[drawn]
            held -= weight(kept[-1])
            yield kept.pop()
    for drawn in rng.permutation(len(kept)):
        yield kept[drawn]


def weight(sample: Sample) -> int:
    return sum(len(part) for part in (sample.picture, sample.mask) if isinstance(part, bytes))


def find_shards(
    path: str | Path, task: Task | None = None, show: Show = lambda done, total: None
) -> Dataset:
    """The data set in the tar files of a folder, a pattern (*, {000..123}, {a,b}) or a URL."""
    where = expanded(str(path))
    with ThreadPoolExecutor(8) as pool:
        shards = []
        for shard in pool.map(index, where):
            shards.append(shard)
            show(len(shards), len(where))
    problems = [Problem(shard.place, what) for shard in shards for what in shard.problems]
    if not any(shard.count for shard in shards):
        raise ValueError(
            f"{problems[0]}; a tar file of folders of classes is to be unpacked first"
            if problems
            else f"there is no sample in {path}: shards hold key.jpg beside key.cls, .txt or .json"
        )
    task = task or common_task(path, shards)
    labels = find_labels(path, shards, task)
    splits: dict[str, list[Shard]] = {}
    for shard in shards:
        splits.setdefault(split_of(shard.place), []).append(shard)
    return Dataset(
        Path(path),
        "tar shards",
        task,
        labels,
        {split: Shards(own, task, labels) for split, own in splits.items()},
        problems,
    )


def expanded(path: str) -> list[str]:
    """The shards that a path means, in order."""
    found: list[str] = []
    for place in braces(path):
        if is_remote(place):
            found.append(place)
        elif "://" in place:
            raise ValueError(f"{place} cannot be read: shards come from files, http and https")
        elif Path(place).is_dir():
            found += map(str, shards_in(Path(place)))
        elif Path(place).exists() or not re.search(r"[*?\[]", place):
            found.append(place)
        else:
            anchor = Path(Path(place).anchor)
            pattern = str(Path(place).relative_to(anchor)) if anchor.parts else place
            found += sorted(str(file) for file in anchor.glob(pattern))
    if not found:
        raise ValueError(f"there is no shard at {path}: its files end with {', '.join(ENDINGS)}")
    return found


def shards_in(folder: Path) -> list[Path]:
    """Those in a folder; else those in its folders of splits."""
    parts = [inner for inner in album.folders(folder) if album.split_of(inner.name)]
    return album.files(folder, *ENDINGS) or [
        file for inner in parts for file in album.files(inner, *ENDINGS)
    ]


def braces(path: str) -> list[str]:
    """a{08..10}b is a08b, a09b, a10b; a{x,y} is ax, ay."""
    if Path(path).exists() or not (part := re.search(r"\{([^{}]*(?:\.\.|,)[^{}]*)\}", path)):
        return [path]
    if numbers := re.fullmatch(r"(\d+)\.\.(\d+)", part[1]):
        low, high = int(numbers[1]), int(numbers[2])
        if not 0 <= high - low < 1_000_000:
            raise ValueError(f"{{{part[1]}}} in {path} is no range from low to high")
        words = [f"{number:0{len(numbers[1])}}" for number in range(low, high + 1)]
    else:
        words = part[1].split(",")
    return [
        one for word in words for one in braces(path[: part.start()] + word + path[part.end() :])
    ]


def split_of(place: str) -> str:
    """train-0001.tar, imagenet-train-01.tar and train/01.tar are of "train"; others of "all"."""
    folder, _, name = place.partition("?")[0].rpartition("/")
    words = (*re.split(r"[-_.]", name), folder.rpartition("/")[2])
    return next((split for word in words if (split := album.split_of(word))), "all")


def common_task(path: str | Path, shards: Iterable[Shard]) -> Task:
    tasks = list(dict.fromkeys(task for shard in shards for task in shard.tasks))
    if len(tasks) > 1:
        raise ValueError(f"the shards of {path} are for {' and '.join(tasks)}: say --task")
    return tasks[0]


def find_labels(path: str | Path, shards: Sequence[Shard], task: Task) -> tuple[str, ...]:
    """As written beside the shards; else as the samples name them; else numbers."""
    names = sorted({name for shard in shards for name in shard.names})
    most = max(shard.most for shard in shards)
    joints = {shard.joints for shard in shards if shard.count} if task == "pose" else set()
    labels = read_labels(shards[0].place)
    if task == "embed":
        return ()
    if not labels and task == "segment":
        raise ValueError(f"nothing names the classes of {path}: write them into labels.txt there")
    if not labels and task == "pose":
        return tuple(f"point {number}" for number in range(max(joints)))
    labels = labels or tuple(names) or tuple(str(number) for number in range(most + 1))
    strange = [name for name in names if name not in labels]
    if strange or (task != "pose" and most >= len(labels)) or joints - {len(labels)}:
        what = f"the class {strange[0]!r}" if strange else f"the class {most}"
        what = f"{max(joints)} points" if task == "pose" else what
        raise ValueError(f"{path} speaks of {what}, but there are {len(labels)} labels for it")
    return labels


def read_labels(place: str) -> tuple[str, ...]:
    """Of the file beside a shard, a line each; nothing where there is none."""
    for name in LABELS:
        try:
            if is_remote(place):
                with urllib.request.urlopen(urljoin(place, name), timeout=WAIT) as answer:  # noqa: S310
                    content = answer.read(1 << 24)
            else:
                content = (Path(place).parent / name).read_bytes()
            return tuple(line.strip() for line in content.decode().splitlines() if line.strip())
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, UnicodeDecodeError):
            continue
    return ()
