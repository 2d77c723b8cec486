"""C for tests: a snippet as a shared library or as a program, by each compiler that is here."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KERNELS = Path(__file__).parents[1] / "spindle" / "compiler"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
STRICT = ("-std=c11", "-ffp-contract=off", "-fno-math-errno", *WARNINGS)
ROOM = tempfile.TemporaryDirectory(prefix="spindle-test-")  # gone when the tests are
ZIG = (sys.executable, "-m", "ziglang", "cc")
COMPILERS = {"ziglang": ZIG, "clang": ("clang",), "gcc": ("gcc",)}
HERE = [
    name
    for name, (first, *_) in COMPILERS.items()
    if (find_spec("ziglang") if name == "ziglang" else shutil.which(first))
]
NATIVE, PLAIN = ("-O3", "-march=native"), ("-O3", "-DSPINDLE_PLAIN")
WAYS = [(name, flags) for name in HERE for flags in (NATIVE, PLAIN)]  # how each kernel is tried
ELSEWHERE = {
    "wasm": ("-target", "wasm32-freestanding", "-msimd128"),
    "wasm without vectors": ("-target", "wasm32-freestanding"),
    "aarch64": ("-target", "aarch64-linux-musl"),
    "avx512": ("-target", "x86_64-linux-musl", "-march=x86_64_v4"),
}


def build(code: str, result: str, *flags: str, compiler: str = "") -> Path:
    """The snippet, in a folder of its own, as what the flags say; warnings are errors."""
    if not HERE:
        raise ValueError("there is no C compiler here: pip install ziglang")
    folder = Path(tempfile.mkdtemp(dir=ROOM.name))
    (folder / "snippet.c").write_text(code)
    command = [*COMPILERS[compiler or HERE[0]], *STRICT, "-I", str(KERNELS), *flags]
    command += ["-o", str(folder / result), str(folder / "snippet.c")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / result


@cache
def library(code: str, way: tuple[str, tuple[str, ...]] | None = None) -> ctypes.CDLL:
    """A snippet that includes "kernels/xyz.h", built for this machine and loaded."""
    compiler, flags = way or WAYS[0]
    path = build(code, "snippet.so", *flags, "-shared", "-fPIC", compiler=compiler)
    return ctypes.CDLL(str(path))


def builds_elsewhere(code: str, machine: str) -> None:
    """That ziglang finds nothing to say of the snippet when it builds for another machine."""
    build(code, "snippet.o", "-O2", *ELSEWHERE[machine], "-c", compiler="ziglang")


def proven(code: str, flag: str) -> None:
    """A program, its exit status 0, run under the sanitizers of gcc; not optimised: gcc is slow."""
    checks = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    path = build(code, "program", *checks, flag, compiler="gcc")
    done = subprocess.run([str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def scratch(size: int) -> NDArray[np.uint8]:
    """So many bytes, 64-byte aligned, of rubbish."""
    room = np.full(size + 64, 0xA5, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size]
