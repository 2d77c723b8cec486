"""How are runtimes timed fairly?  Each in its own process on the same cores, in turns, in one run.

A shared machine is faster in one minute than in the next, so each round asks every runtime; while
one runs, the others are stopped, and no thread of theirs can spin.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from select import select
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

TURN_MS = 200.0  # what a runtime's turn may take, where its runs are short
MOST = 200  # runs in a turn
FIRST = -20  # of the system's priorities
PATIENCE_S = 180.0  # for one answer


class Silent(Exception):
    """A runtime that does not answer, and why."""


def cores(count: int) -> set[int]:
    """The first cores this process may use; none where the system does not pin."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    return set(sorted(os.sched_getaffinity(0))[:count])


def favour(process: int, threads: int) -> None:
    """The same cores for everybody, and before other programs as far as the system allows it."""
    if wanted := cores(threads):
        os.sched_setaffinity(process, wanted)
    if hasattr(os, "setpriority"):
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, process, FIRST)


def command(module: str, *words: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, words)]


def settings(threads: int) -> dict[str, str]:
    """What a runtime's process finds around it."""
    cores = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    return os.environ | cores | {"PYTHONWARNINGS": "ignore"}


@dataclass
class Runner:
    """A runtime in its process: asleep, but for its turns."""

    name: str
    module: str
    folder: Path
    threads: int
    precision: str = "float32"
    way: str = "serve"
    ms: list[float] = field(default_factory=list)
    peak: int = 0
    runs: int = 0

    def __enter__(self) -> Runner:
        words = (self.way, self.folder, self.threads, self.precision)
        self.errors = (self.folder / f"{self.name}-{self.way}.txt").open("wb")
        self.process = subprocess.Popen(
            command(self.module, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, text=True, env=settings(self.threads),
        )  # fmt: skip
        favour(self.process.pid, self.threads)
        return self

    def __exit__(self, *_: object) -> None:
        self._signal("SIGCONT")
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def ready(self) -> None:
        """Waits until it is loaded and has run once; learns how many runs are a turn."""
        self._hear()
        once = max(self._ask({"runs": 1})["ms"][0], 1e-6)
        self.runs = int(min(max(TURN_MS / once, 1), MOST))
        self._signal("SIGSTOP")

    def turn(self) -> None:
        self._signal("SIGCONT")
        if self.runs > 1:
            self._ask({"runs": 1})  # the caches are the neighbours' still
        said = self._ask({"runs": self.runs})
        self.ms += said["ms"]
        self.peak = said["peak"]
        self._signal("SIGSTOP")

    def answer(self) -> dict[str, NDArray[Any]]:
        self._signal("SIGCONT")
        path = self.folder / f"{self.name}.npz"
        self._ask({"answer": str(path)})
        self._signal("SIGSTOP")
        with np.load(path) as arrays:
            return dict(arrays)

    def _ask(self, wish: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(wish) + "\n")
            self.process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout
        if not select([self.process.stdout], [], [], PATIENCE_S)[0]:
            raise Silent(f"it has not answered within {PATIENCE_S:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            last = (self.folder / f"{self.name}-{self.way}.txt").read_text(errors="replace")
            lines = last.strip().splitlines() or [f"it ended with {code}"]
            raise Silent(lines[-1][:300])
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise Silent(said["error"])
        return said

    def _signal(self, name: str) -> None:
        if hasattr(signal, name) and self.process.poll() is None:
            self.process.send_signal(getattr(signal, name))


@dataclass(frozen=True)
class Times:
    """Milliseconds of many runs."""

    least: float
    middle: float
    late: float  # the 90th of a hundred

    @classmethod
    def of(cls, ms: Iterable[float]) -> Times:
        ordered = sorted(ms)
        return cls(ordered[0], median(ordered), ordered[ceil(0.9 * len(ordered)) - 1])


def cold(module: str, folder: Path, picture: Path, threads: int) -> float:
    """Milliseconds from a process's start to its first label of one picture file."""
    start = perf_counter()
    words = ("once", folder, threads, "float32", picture)
    held = subprocess.Popen(
        command(module, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=settings(threads),
    )  # fmt: skip
    favour(held.pid, threads)
    try:
        said, why = held.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as late:
        held.kill()
        raise Silent(f"it has not answered within {PATIENCE_S:.0f} s") from late
    if held.returncode or not said.strip().isdigit():
        raise Silent((why.strip().splitlines() or ["it said nothing"])[-1][:300])
    return 1e3 * (perf_counter() - start)
