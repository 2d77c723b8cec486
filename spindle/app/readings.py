"""By what is a network run: by numpy, torch, a library of ours or ONNX Runtime?"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from spindle import training
from spindle.app import later
from spindle.compiler.library import Library
from spindle.model.graph import Graph

Array = NDArray[Any]
READINGS = ("numpy", "torch", "c")
MOST_NETWORKS = 8  # that a reading keeps, one for each size a segmenter looks at
MANY = 50  # pictures after which a network is compiled sooner than numpy would be through


class Reading(Protocol):
    """The outputs of a graph for one picture; where it `fits`, for a picture of any size."""

    @property
    def fits(self) -> bool: ...

    def __call__(self, graph: Graph, pixels: Array) -> dict[str, Array]: ...


@runtime_checkable
class Built(Protocol):
    """A file that runs by itself, and says itself what it is."""

    path: Path
    info: dict[str, Any]

    def picture(self, pixels: Array) -> dict[str, Array]: ...


def reading_of(model: later.Model | Built, name: str | None, threads: int) -> Reading:
    """The reading of this name; without one, what `Quickest` finds."""
    if isinstance(model, Built):
        return Whole(model)
    if name is None:
        return Quickest(model, threads)
    if name not in READINGS:
        raise ValueError(f"there is no reading {name!r}: choose {', '.join(READINGS)}")
    return Made(model, name, threads)


class Whole:
    """Of a built file: its own network, and no other."""

    def __init__(self, model: Built):
        self.model, self.fits = model, isinstance(model, Library)

    def __call__(self, graph: Graph, pixels: Array) -> dict[str, Array]:
        return self.model.picture(pixels)


class Made:
    """Networks of numpy, torch or C, made once for each size they look at."""

    def __init__(self, model: later.Model, name: str, threads: int):
        self.model, self.name, self.threads, self.fits = model, name, threads, name == "c"
        self.made: dict[Graph, Callable[[Array], dict[str, Array]]] = {}
        self.lock = threading.Lock()

    def __call__(self, graph: Graph, pixels: Array) -> dict[str, Array]:
        with self.lock:
            if graph not in self.made:
                if len(self.made) == MOST_NETWORKS:
                    self.made.clear()
                self.made[graph] = self.make(graph)
            network = self.made[graph]
        return network(pixels)

    def make(self, graph: Graph) -> Callable[[Array], dict[str, Array]]:
        if self.fits:
            return later.keep(replace(self.model, graph=graph), self.threads).picture
        reader = later.reader if self.name == "numpy" else training.reader
        return reader(graph, self.model.weights)


class Quickest:
    """A library that was built before, at once; else numpy, and a library when many are looked at.

    Any number of threads may ask: one of them builds, and numpy answers the others meanwhile.
    """

    def __init__(self, model: later.Model, threads: int):
        self.model, self.threads = model, threads
        self.numpy = Made(model, "numpy", threads)
        self.asked, self.lock = count(1), threading.Lock()
        self.looked = self.tried = False
        self.library: Library | None = None

    @property
    def fits(self) -> bool:
        if not self.looked:
            with self.lock:
                self.library = self.library or later.kept(self.model, self.threads)
                self.looked = True
        return self.library is not None

    def foresee(self, pictures: int) -> None:
        """So many are to be looked at: what is worth its while is built now."""
        if self.fits or self.tried or pictures < MANY or not self.lock.acquire(blocking=False):
            return
        try:
            if not self.tried:
                self.tried = True
                self.library = later.keep(self.model, self.threads)
        except (ValueError, NotImplementedError, OSError) as reason:  # no compiler, say
            said = " ".join(str(reason).split())
            print(f"spindle: numpy runs this network: {said}", file=sys.stderr)
        finally:
            self.lock.release()

    def __call__(self, graph: Graph, pixels: Array) -> dict[str, Array]:
        if graph is self.model.graph:
            self.foresee(next(self.asked))
            if self.library:
                return self.library.picture(pixels)
        return self.numpy(graph, pixels)
