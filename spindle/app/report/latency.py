"""How long does one picture take here?  A few runs of the compiled network, least and median."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from spindle.app import building
from spindle.app.bench import noise
from spindle.app.machine import Machine, machine
from spindle.compiler import reference
from spindle.compiler.library import Library
from spindle.model.weights import Model

WARM, LEAST, MOST = 3, 7, 200  # runs
SECONDS = 1.0  # that measuring may take, once there are enough runs


@dataclass(frozen=True)
class Latency:
    """Milliseconds, and what of."""

    least: float
    middle: float
    runs: int
    what: str
    machine: Machine
    arena: int = 0  # bytes that the compiled network works in
    quick: bool = True  # compiled, and so worth comparing


def compiled(model: Model) -> Library | None:
    """The model's library, where a C compiler is here."""
    try:
        return building.built(model)
    except (ValueError, NotImplementedError):
        return None


def measured(model: Model | None, library: Library | None) -> Latency | None:
    """One picture at a time, of the network's own size, on one thread."""
    if library:
        pixels = np.zeros((*library.size, 3), np.uint8)
        picture = noise(model.graph, 1)[0] if model else pixels
        times = timed(lambda: library.picture(picture))
        return latency(times, "the network compiled to C", library.info["arena"])
    if model is None:
        return None
    graph, weights, picture = model.graph, model.weights, noise(model.graph, 1)[0]
    times = timed(lambda: reference.run(graph, weights, picture))
    what = "the numpy reading, which defines and does not hurry: no C compiler is here"
    return latency(times, what, 0)


def latency(times: list[float], what: str, arena: int) -> Latency:
    return Latency(min(times), median(times), len(times), what, machine(), arena, arena > 0)


def timed(run: Callable[[], object]) -> list[float]:
    """Milliseconds of each run, once the caches are warm."""
    for _ in range(WARM):
        run()
    times: list[float] = []
    began = perf_counter()
    while len(times) < LEAST or (perf_counter() - began < SECONDS and len(times) < MOST):
        start = perf_counter()
        run()
        times.append(1e3 * (perf_counter() - start))
    return times
