"""What does a training step cost here?  Torch's layouts and ours, in turns, in one run."""

from __future__ import annotations

import json as jsonlib
import os
from dataclasses import asdict, dataclass
from itertools import islice
from statistics import median

from spindle.app.table import accent, bold, dim
from spindle.compiler.targets import processor
from spindle.model.family import Size, mobilenet_v2
from spindle.model.graph import Graph
from spindle.model.heads import HEADS
from spindle.training import layout

OURS: layout.Way = "spindle"
WAYS: tuple[layout.Way, ...] = ("channels first", "channels last", OURS)
# what a loss is told: the numbers before the answer is decided
TAUGHT = {
    "classify": ("logits",),
    "detect": ("boxes", "classes"),
    "segment": ("logits_full",),
    "pose": ("heatmaps",),
    "embed": ("neck",),
}


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    processor: str
    cores: int
    threads: int
    torch: str


@dataclass(frozen=True)
class Cost:
    """Pictures a second in the best round and in the middle one, and how often the plain one's."""

    way: str
    best: float
    middle: float
    ratio: float  # the median of the rounds' own ratios: a busy machine slows both of a round


def bench_training(
    width: float = 1.0,
    size: Size | None = None,
    batch: int = 32,
    head: str = "classifier",
    threads: int | None = None,
    rounds: int = 5,
    json: bool = False,
) -> str:
    """The table, or the same as JSON, of what a training step costs in each layout."""
    if batch < 2 or rounds < 1:
        raise ValueError(f"{rounds} rounds of {batch} pictures: take 1 round, 2 pictures or more")
    if head not in HEADS:
        raise ValueError(f"there is no head {head!r}; there are {', '.join(HEADS)}")
    graph = taught(width, size, head)
    with layout.threads(threads) as used:
        costs = summed(list(islice(layout.steps(graph, batch, WAYS), rounds * len(WAYS))), batch)
        machine = Machine(processor(), os.cpu_count() or 1, used, layout.VERSION)
    height, wide, _ = graph.input.shape
    title = f"MobileNetV2 {width:g}, {head}, {height} x {wide}, batch {batch}"
    if json:
        asked = {"title": title, "rounds": rounds, "machine": asdict(machine)}
        return jsonlib.dumps(asked | {"ways": [asdict(cost) for cost in costs]}, indent=1)
    return table(title, machine, costs, rounds)


def taught(width: float, size: Size | None, head: str) -> Graph:
    """The part of the network that learns."""
    return mobilenet_v2(width, size, head).until(*TAUGHT[HEADS[head].task])


def summed(times: list[tuple[layout.Way, float]], batch: int) -> list[Cost]:
    """Seconds, round after round, as pictures a second."""
    of = {way: [seconds for name, seconds in times if name == way] for way in WAYS}
    first = of[WAYS[0]]
    return [
        Cost(
            way,
            batch / min(seconds),
            batch / median(seconds),
            median(plain / mine for plain, mine in zip(first, seconds, strict=True)),
        )
        for way, seconds in of.items()
    ]


def table(title: str, machine: Machine, costs: list[Cost], rounds: int) -> str:
    where = f"{machine.processor}, {machine.threads} of {machine.cores} cores"
    lines = [bold(title), dim(f"{where}, torch {machine.torch}; {rounds} rounds in turns"), ""]
    lines.append(f"  {'a training step':<16} {'best':>10} {'median':>10} {'ratio':>8}")
    for cost in costs:
        ratio = f"{cost.ratio:>7.2f}x"
        lines.append(
            f"  {cost.way:<16} {cost.best:>10.1f} {cost.middle:>10.1f} "
            + (accent(ratio) if cost.way == OURS else ratio)
        )
    return "\n".join([*lines, "", dim("  pictures a second, forward and backward")])
