"""How do lessons reach the learner in time?  Worker processes prepare them, in the seed's order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from spindle.data.augment import Variety, lesson, look
from spindle.data.preprocess import Frame, prepare
from spindle.data.samples import Sample, Samples
from spindle.model.cores import cores
from spindle.model.heads import Task
from spindle.model.ops import Image
from spindle.training.losses import collate
from spindle.training.machines import Machine

Truth = dict[str, Tensor]
EACH = 4  # pictures of one identity in a batch, so that a triplet finds its like


class Item(NamedTuple):
    """A sample that is due, and the number that decides how it is varied."""

    key: tuple[int, int]
    sample: Sample


@dataclass(frozen=True)
class Order:
    """Which samples this machine learns from, batch by batch, in any epoch."""

    samples: Samples
    batch: int
    machine: Machine
    seed: int = 0
    repeats: int = 1
    multiple: int = 1  # of which the number of an epoch's batches is one
    by_identity: bool = False

    @property
    def steps(self) -> int:
        """Batches of an epoch, the same on every machine; what fills no batch waits its turn."""
        batches = len(self.samples) // (self.batch * self.machine.world)
        return max(batches // self.multiple, 1) * self.multiple

    @property
    def sizes(self) -> list[int]:
        """Of an epoch's batches here: of too few pictures for them, each has its share."""
        steps, machine = self.steps, self.machine
        own = len(range(machine.rank, len(self.samples), machine.world)) * self.repeats
        if self.by_identity:
            return [self.batch] * steps
        if own < self.multiple:
            raise ValueError(
                f"{len(self.samples)} pictures cannot be divided among {self.multiple} batches "
                f"of a step on {machine.world} machines: say a smaller --accumulate"
            )
        shares = [own // steps + (number < own % steps) for number in range(steps)]
        return [min(self.batch, share) for share in shares]

    def epoch(self, number: int) -> Iterator[list[Item]]:
        seed = self.seed * 1_000_003 + number
        shown: Iterator[tuple[int, Sample]] = (
            by_identity(self.samples, seed, self.machine)
            if self.by_identity
            else self.samples.shuffled(seed, self.machine.rank, self.machine.world)
        )
        varied = chain.from_iterable(
            (Item((seed, place * self.repeats + copy), sample) for copy in range(self.repeats))
            for place, sample in shown
        )
        for size in self.sizes:
            if batch := list(islice(varied, size)):
                yield batch

    def from_(self, epoch: int, step: int, epochs: int) -> Iterator[list[Item]]:
        """All that is still to come."""
        for number in range(epoch, epochs):
            yield from islice(self.epoch(number), step if number == epoch else 0, None)


def by_identity(
    samples: Iterable[Sample], seed: int, machine: Machine
) -> Iterator[tuple[int, Sample]]:
    """A few pictures of each identity side by side; every identity once before any comes again."""
    of: dict[int, list[Sample]] = {}
    for sample in samples:
        of.setdefault(sample.kind, []).append(sample)
    rng = np.random.default_rng(seed)
    kinds = chain.from_iterable(rng.permutation(list(of)) for _ in count())
    for group, kind in enumerate(kinds):
        own = of[int(kind)]
        picks = rng.choice(len(own), EACH, replace=len(own) < EACH)  # drawn alike on every machine
        if group % machine.world == machine.rank:
            yield from ((group * EACH + i, own[int(pick)]) for i, pick in enumerate(picks))


@dataclass(frozen=True)
class Bad:
    """A sample that could not be prepared; told by the process that the user sees."""

    reason: str


class Lessons(Dataset[Any]):
    """Prepares what it is handed; the same in any process."""

    def __init__(self, prepare: Callable[[Any], Any]):
        self.prepare = prepare

    def __getitem__(self, item: Any) -> Any:
        try:
            return self.prepare(item)
        except (ValueError, OSError) as error:
            return Bad(with_cure(item.sample if isinstance(item, Item) else item, error))


def with_cure(sample: Sample, error: Exception) -> str:
    """What is wrong with a sample, and what can be done."""
    return (
        f"{sample.name}: {error}; put it right, or leave it out by "
        f"spindle check --fix, then go on with the same command"
    )


@dataclass(frozen=True)
class Teach:
    """A sample as a lesson: its pixels, and the truth about them."""

    task: Task
    image: Image
    variety: Variety | None
    mirror: tuple[int, ...] = ()

    def __call__(self, item: Item) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
        rng = np.random.default_rng(item.key)
        return lesson(item.sample, self.image, self.task, self.variety, rng, self.mirror)


class Seen(NamedTuple):
    """What a network is shown when it is judged, and what its answer is about."""

    sample: Sample
    pixels: NDArray[np.uint8]
    frame: Frame
    size: tuple[int, int]  # width and height of the picture that was shown
    offset: tuple[float, float]  # where in its file that begins


@dataclass(frozen=True)
class Show:
    """A sample as prediction sees it."""

    image: Image

    def __call__(self, sample: Sample) -> Seen:
        picture, offset = look(sample)
        pixels, frame = prepare(picture, self.image)
        return Seen(sample, pixels, frame, picture.size, offset)


def stacked(lessons: list[Any]) -> Any:
    """A batch of lessons: pixels as batch x 3 x height x width, and the truths."""
    if bad := next((lesson for lesson in lessons if isinstance(lesson, Bad)), None):
        return bad
    pixels = torch.from_numpy(np.stack([pixels for pixels, _ in lessons]))
    return pixels.permute(0, 3, 1, 2), collate([truth for _, truth in lessons])


def listed(seen: list[Any]) -> Any:
    return next((one for one in seen if isinstance(one, Bad)), seen)


def feed(
    prepare: Callable[[Any], Any],
    batches: Iterable[list[Any]],
    join: Callable[[list[Any]], Any],
    workers: int,
    pin: bool = False,
) -> Iterator[Any]:
    """The batches, each prepared and joined by a worker, in the order they were asked for."""
    loader: Iterable[Any] = DataLoader(
        Lessons(prepare), batch_sampler=batches, collate_fn=join, num_workers=workers,
        pin_memory=pin, worker_init_fn=deaf if workers else None,
    )  # fmt: skip
    for batch in loader:
        if isinstance(batch, Bad):
            raise ValueError(batch.reason)
        yield batch


@contextmanager
def alive() -> Iterator[None]:
    """A sentence where one of these processes is killed, of which torch tells at any moment."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ValueError(
            "a process that prepares pictures was killed, most likely for want of memory; what was "
            "learnt is kept: close what else is running, then go on with the same command"
        ) from error


def deaf(worker: int) -> None:
    """Ctrl-C is for the process that can keep what was learnt; torch ends this one by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def workers(machine: Machine) -> int:
    """Processes that prepare: all cores beside a GPU, half of them where they do the rest too."""
    return max(cores() // (1 if machine.device.type == "cuda" else 2), 1)
