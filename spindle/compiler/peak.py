"""What can this core do at best?  Multiply-adds and copies alone, built and timed here."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import time
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import build
from spindle.compiler.targets import target

Floats = NDArray[np.float32]
ROUNDS = 100_000
SUMMED = ROUNDS * 12  # vectors, as kernels/peak.h has it
COPIED = 1 << 23  # floats: more than caches hold
C = """#include "kernels/peak.h"
#define OUT __attribute__((visibility("default")))
OUT int peak_lanes(void);
OUT float peak_rate(float seed, size_t rounds);
OUT void peak_move(float *to, const float *from, size_t size);
int peak_lanes(void) { return LANES; }
float peak_rate(float seed, size_t rounds) { return peak_madds(seed, rounds); }
void peak_move(float *to, const float *from, size_t size) { peak_copy(to, from, size); }
"""


def built() -> Path:
    """The little library, made once for this machine and compiler."""
    here = target()
    compiler = build.find(here)
    words = (*build.command(compiler, here), *build.SHARED.get(here.system, build.SHARED["linux"]))
    text = [C, repr(words), compiler.name]
    text += [(build.HEADERS / "kernels" / name).read_text() for name in ("peak.h", "simd.h")]
    name = hashlib.sha256("\0".join(text).encode()).hexdigest()[:32]
    path = build.folder().parent / f"peak-{name}{here.suffix}"
    if not path.exists():
        source = path.with_suffix(".c")
        source.write_text(C)
        part = path.with_suffix(".part")
        done = subprocess.run(
            [*words, str(source), "-o", str(part)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(f"{compiler.name} does not build a library here: {done.stderr[-300:]}")
        part.replace(path)
    return path


class Core:
    """The core this process runs on, at work on nothing."""

    def __init__(self, path: Path):
        self.code = ctypes.CDLL(str(path))
        self.code.peak_rate.argtypes = (ctypes.c_float, ctypes.c_size_t)
        self.code.peak_rate.restype = ctypes.c_float
        self.code.peak_move.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        self.flops = 2 * SUMMED * self.code.peak_lanes()

    def madds(self) -> None:
        """As many operations as `flops` says."""
        self.code.peak_rate(0.5, ROUNDS)

    def copy(self, to: Floats, from_: Floats) -> None:
        self.code.peak_move(to.ctypes.data, from_.ctypes.data, to.size)

    def copy_gbps(self) -> float:
        """Bytes copied from memory to memory, in the best of a few goes."""
        to, from_ = (np.zeros(COPIED, np.float32) for _ in range(2))
        best = inf
        for _ in range(5):
            start = time.perf_counter()
            self.copy(to, from_)
            best = min(best, time.perf_counter() - start)
        return 4 * COPIED / best / 1e9
