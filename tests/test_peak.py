"""The core's peak is counted by what the machine's vectors hold, and timed in earnest."""

from __future__ import annotations

import time

import numpy as np

from spindle.compiler import peak
from spindle.compiler.targets import target


def test_the_library_is_built_once_and_knows_its_vectors() -> None:
    path = peak.built()
    changed = path.stat().st_mtime_ns
    assert peak.built() == path and path.stat().st_mtime_ns == changed
    core = peak.Core(path)
    assert core.flops == 2 * peak.SUMMED * target().isa.lanes


def test_the_multiply_adds_are_really_done() -> None:
    """Twice the rounds take longer; sums of x = x / 2 + 1 / 2 come to rest at one."""
    core = peak.Core(peak.built())
    lanes = target().isa.lanes
    assert core.code.peak_rate(0.5, 1000) == 12 * lanes
    assert core.code.peak_rate(0.5, 0) == lanes * sum(range(12))

    def best(rounds: int) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            core.code.peak_rate(0.5, rounds)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(1_000_000) > best(1000)


def test_what_is_copied_is_the_same() -> None:
    core = peak.Core(peak.built())
    from_ = np.random.default_rng(0).normal(size=1024).astype(np.float32)
    to = np.zeros_like(from_)
    core.copy(to, from_)
    assert (to == from_).all() and core.copy_gbps() > 0
