"""How quick is it, beside the others?  Every runtime that is here, in turns, the same answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle.app.entries import DRAWN, OURS, SEEN, Entry, entered
from spindle.app.machine import Machine, machine
from spindle.app.peers.prepare import PEERS, Facts, Peer, prepare
from spindle.app.stopwatch import Runner, Silent, Times, cold
from spindle.app.verdict import agreement, distance
from spindle.compiler import peak, reference
from spindle.compiler.pipeline import Layer
from spindle.compiler.pipeline import layers as timed
from spindle.compiler.targets import brief, target
from spindle.model.graph import Graph
from spindle.model.weights import Model, Weights, initial

Array = NDArray[Any]
Answers = dict[str, Array]
Say = Callable[[str], None]
ROOM = "spindle.app.peers"
PRECISIONS = ("float32", "bf16", "int8")
ALONE = ("nothing", "peak")  # no runtimes, but what they are compared with


@dataclass(frozen=True)
class Result:
    """What one runtime did with `batch` pictures at a time."""

    runtime: str
    precision: str
    threads: int
    batch: int
    min_ms: float
    median_ms: float
    p90_ms: float
    rss_mb: float  # at its peak, above Python with numpy
    arena_bytes: int | None  # of those runtimes that plan one
    max_error: float
    agreement: float = 1.0  # the share of what is named that it names too

    @property
    def pictures(self) -> float:
        """A second, at best."""
        return 1e3 * self.batch / self.min_ms


@dataclass(frozen=True)
class Start:
    """A whole process, from its start to the first label of one picture file."""

    runtime: str
    min_ms: float
    median_ms: float


@dataclass(frozen=True)
class Bench:
    """All that was measured, and who was not there and why."""

    title: str
    machine: Machine
    madds: int
    rounds: int
    copy_gbps: float  # from memory to memory; 0 where nothing builds that could measure it
    remark: str = ""  # on answers that mean nothing
    results: list[Result] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)  # GFLOP/s of one core, of each run
    layers: dict[str, list[Layer]] = field(default_factory=dict)  # of ours, in each precision

    @property
    def peak_gflops(self) -> float:
        return max(self.peaks, default=0.0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"peak_gflops": self.peak_gflops}


def lively(graph: Graph, seed: int = 0) -> Weights:
    """Random weights that keep the size of what goes through them: no two answers are alike."""
    rng = np.random.default_rng(seed)
    made = initial(graph, seed)
    for name, array in made.items():
        if name.endswith(".weight"):
            spread = (2 / np.prod(array.shape[1:])) ** 0.5
            made[name] = rng.normal(0, spread, array.shape).astype(np.float32)
    return made


def measure(
    title: str,
    model: Model,
    precisions: Sequence[str] = ("float32",),
    threads: Sequence[int] = (1,),
    batch: int = 1,
    rounds: int = 10,
    against: Sequence[str] = tuple(PEERS),
    start: bool = False,
    say: Say = lambda text: None,
    seen: Array | None = None,
    layers: bool = False,
) -> Bench:
    """Ours and every runtime of `against`, for each precision and number of threads one run.

    `seen` are pictures that show the ranges of an int8 network's tensors; else some are drawn.
    With `layers`, the time of each of ours is measured as well.
    """
    for given, known in ((against, PEERS), (precisions, PRECISIONS)):
        if wrong := [name for name in given if name not in known]:
            raise ValueError(f"there is no {wrong[0]} here: choose from {', '.join(known)}")
    if rounds < 1 or batch < 1 or min(threads) < 1:
        raise ValueError("take 1 round, 1 picture and 1 thread or more")
    drawn = "" if "int8" not in precisions or model.graph.of_bytes or seen is not None else DRAWN
    done = Bench(title, machine(), model.graph.madds, rounds, copying(), drawn)
    peers = {}
    for name in dict.fromkeys((OURS, *against)):
        if PEERS[name].here:
            peers[name] = PEERS[name]
        else:
            done.absent[name] = f"not installed: pip install {PEERS[name].package}"
    pictures = noise(model.graph, batch)
    shown = noise(model.graph, SEEN) if seen is None else seen
    entries = [(each, truths(each, pictures[0])) for each in entered(model, precisions, shown)]
    with tempfile.TemporaryDirectory(prefix="spindle-bench-") as place:
        for count, (entry, truth) in product(threads, entries):
            able = {n: p for n, p in peers.items() if entry.precision in p.precisions}
            room = Path(place) / f"{count}-{entry.precision}"
            facts = write(entry, able, room, pictures, count, done.absent, say)
            race = Race(room, entry.precision, count, batch, rounds, say)
            done.results.extend(race.run(list(facts), facts, truth, model.graph, done))
            if start and count == threads[0] and entry is entries[0][0]:
                done.starts.extend(
                    started(list(facts), room, count, min(rounds, 5), done.absent, say)
                )
    for entry, _ in entries if layers and done.peaks else []:
        say(f"{entry.precision}, layer by layer")
        here = brief(target()) if entry.precision == "bf16" else target()
        done.layers[entry.precision] = timed(entry.ours, here)
    return done


def copying() -> float:
    with suppress(ValueError):  # no C compiler is here
        return peak.Core(peak.built()).copy_gbps()
    return 0.0


def noise(graph: Graph, batch: int) -> NDArray[np.uint8]:
    """Pictures of soft blobs: no picture is white noise."""
    height, width, channels = graph.input.shape
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (batch, height // 16 + 2, width // 16 + 2, channels), np.uint8)
    planes = [
        [np.asarray(Pillow.fromarray(plane).resize((width, height), Pillow.Resampling.BICUBIC))
         for plane in np.moveaxis(one, 2, 0)]
        for one in small
    ]  # fmt: skip
    return np.ascontiguousarray(np.moveaxis(np.array(planes, np.uint8), 1, 3))


def write(
    entry: Entry, peers: dict[str, Peer], room: Path, pictures: NDArray[np.uint8], threads: int,
    absent: dict[str, str], say: Say,
) -> dict[str, Facts]:  # fmt: skip
    """Each runtime's files, for one picture and for the whole batch; what is known of them."""
    facts: dict[str, Facts] = {}
    for size in sorted({1, len(pictures)}):
        folder = room / str(size)
        prepare(entry.theirs, folder, pictures, size)
        Pillow.fromarray(pictures[0]).resize((640, 480)).save(folder / "picture.jpg")
        for name, peer in peers.items():
            say(f"writing for {name}")
            try:
                made = peer.write(entry.given(name), folder, size, threads, entry.precision)
                facts[name] = facts.get(name, {}) | made
            except (ValueError, NotImplementedError) as error:
                absent[name] = str(error)
                facts.pop(name, None)
    return facts


def truths(entry: Entry, picture: NDArray[np.uint8]) -> dict[str, Answers]:
    """What the definition says of what each runtime is given."""
    ours, theirs = entry.ours, entry.theirs
    said = reference.run(ours.graph, ours.weights, picture)
    other = said if theirs is ours else reference.run(theirs.graph, theirs.weights, picture)
    return {name: said if name == OURS else other for name in PEERS}


@dataclass(frozen=True)
class Race:
    """One run: the same precision, threads and pictures for everybody."""

    room: Path
    precision: str
    threads: int
    batch: int
    rounds: int
    say: Say

    def run(
        self, names: Sequence[str], facts: dict[str, Facts], truth: dict[str, Answers],
        graph: Graph, done: Bench,
    ) -> list[Result]:  # fmt: skip
        absent = done.absent
        with ExitStack() as stack:
            bare, *runners = self.loaded((*ALONE, *names), stack, absent)
            for number in range(self.rounds):
                self.say(f"{self.precision}, {self.threads} threads, round {number + 1}")
                for runner in runners:
                    self.turn(runner, absent)
            bare.turn()
            found: dict[str, Result] = {}
            for runner in (runner for runner in runners if runner.ms):
                if runner.name == "peak":
                    done.peaks.append(2e-6 * target().isa.lanes * peak.SUMMED / min(runner.ms))
                    continue
                try:
                    told = graph, truth[runner.name], runner.answer()
                    near = distance(*told, self.batch), agreement(*told, self.batch)
                except Silent as silence:
                    absent[runner.name] = str(silence)
                    continue
                result = self.result(runner, bare.peak, facts[runner.name], near)
                best = found.get(runner.name)
                if best is None or result.min_ms < best.min_ms:
                    found[runner.name] = result
        return list(found.values())

    def turn(self, runner: Runner, absent: dict[str, str]) -> None:
        if runner.name in absent:
            return
        try:
            runner.turn()
        except Silent as silence:
            absent[runner.name] = str(silence)
            runner.ms.clear()

    def loaded(
        self, names: Sequence[str], stack: ExitStack, absent: dict[str, str]
    ) -> list[Runner]:
        """One after the other, each asleep before the next begins; a batch in both ways."""
        together = [("serve", self.room / str(self.batch))]
        shared = [("share", self.room / "1")] if self.batch > 1 else []
        runners = []
        for name in names:
            for way, folder in together + (shared if name not in ALONE else []):
                self.say(f"loading {name}")
                runner = Runner(name, f"{ROOM}.{name}", folder, self.threads, self.precision, way)
                stack.enter_context(runner)
                try:
                    runner.ready()
                    runners.append(runner)
                except Silent as silence:
                    absent[name] = str(silence)
        return runners

    def result(self, runner: Runner, bare: int, facts: Facts, near: tuple[float, float]) -> Result:
        times, above = Times.of(runner.ms), (runner.peak - bare) / 2**20
        return Result(
            runner.name, self.precision, self.threads, self.batch, times.least, times.middle,
            times.late, above, facts.get("arena_bytes"), *near,
        )  # fmt: skip


def started(
    names: Sequence[str], room: Path, threads: int, rounds: int, absent: dict[str, str], say: Say
) -> list[Start]:
    """Cold processes, in turns."""
    ms: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        say(f"starting, round {number + 1}")
        for name, own in ms.items():
            try:
                own.append(cold(f"{ROOM}.{name}", room / "1", room / "1" / "picture.jpg", threads))
            except Silent as silence:
                absent.setdefault(name, str(silence))
    times = {name: Times.of(own) for name, own in ms.items() if own}
    return [Start(name, time.least, time.middle) for name, time in times.items()]
