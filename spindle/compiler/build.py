"""How does C become a library?  By the compiler that is here, for this machine or another."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache as once
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from spindle.compiler import stamp
from spindle.compiler.source import Source
from spindle.compiler.targets import Target, here
from spindle.model import atomic
from spindle.model.cache import cache

HEADERS = Path(__file__).parent  # the C text says "kernels/float32.h"
STRICT = ("-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden",
          "-Wall", "-Wextra", "-Wconversion", "-Werror")  # fmt: skip
NO_MALLOC = "-D__MM_MALLOC_H"  # or the header of the vectors asks for the C library's
SHARED = {
    "linux": ("-shared", "-fPIC", "-pthread", "-s"),
    "darwin": ("-shared", "-fPIC"),
    # without the C library, whose first build takes minutes
    "windows": ("-shared", "-s", "-nostdlib", "-lcompiler_rt", "-mno-stack-arg-probe", NO_MALLOC),
    "wasm": ("-s", "-nostdlib", "-Wl,--no-entry,--export-dynamic,--export=__heap_base"),
}
KEPT = 32  # libraries in the cache; the eldest go


@dataclass(frozen=True)
class Compiler:
    """A program that makes machine code of C."""

    name: str  # zig, clang or gcc, with its version
    command: tuple[str, ...]

    @property
    def zig(self) -> bool:
        return self.name.startswith("zig")


def build(source: Source, target: Target, out: Path) -> Path:
    """The library, or the wasm, of this source in the file `out`."""
    atomic.write(atomic.placed(out), from_cache(source, target, Path.read_bytes))
    return out


def from_cache(source: Source, target: Target, use: Callable[[Path], Any] = Path) -> Any:
    """What `use` makes of the built file in the cache, which holds it by all that went into it."""
    if target.system == "any":
        raise ValueError("the target c is no machine: it is a folder, which --emit-c DIR writes")
    compiler = find(target)
    built = folder() / f"{key(source, target, compiler)}{target.suffix}"
    for _ in range(3):  # another process may clear away what this one has found
        if not built.exists():
            make(source, target, compiler, built)
            clear(built.parent)
        with suppress(FileNotFoundError):
            built.touch()
            return use(built)
    raise ValueError(f"{built.parent} loses what is put there: say another place in SPINDLE_CACHE")


def folder() -> Path:
    path = cache() / "compiled"
    path.mkdir(exist_ok=True)
    return path


def key(source: Source, target: Target, compiler: Compiler) -> str:
    """A name that is another one if anything that matters is another."""
    total = hashlib.sha256()
    for text in (source.name, source.c, source.h, repr(target), repr(source.info), compiler.name,
                 repr(command(compiler, target))):  # fmt: skip
        total.update(text.encode() + b"\0")
    for path in (*kernels(), Path(__file__), Path(stamp.__file__)):
        total.update(path.read_bytes() + b"\0")
    total.update(source.weights)
    return total.hexdigest()[:32]


def kernels() -> list[Path]:
    return sorted(
        path for path in (HEADERS / "kernels").iterdir() if path.suffix in (".h", ".c", ".S")
    )


def find(target: Target) -> Compiler:
    """The compiler for a target: zig if it is here; else clang or gcc, for machines like this."""
    if find_spec("ziglang"):
        version = importlib.metadata.version("ziglang")
        return Compiler(f"zig {version}", (sys.executable, "-m", "ziglang", "cc"))
    if (target.system, target.machine) != here():
        raise ValueError(
            f"building for {target.name} needs zig, a compiler for all machines: "
            "pip install 'spindle[compile]'"
        )
    for name in ("clang", "gcc"):
        if path := which(name):
            return Compiler(f"{name} {version_of(path)}", (path,))
    raise ValueError("there is no C compiler here: pip install 'spindle[compile]' brings one")


@once
def version_of(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


def command(compiler: Compiler, target: Target) -> tuple[str, ...]:
    """Compiler and flags for code of a target, with our headers found."""
    if compiler.zig:
        machine = (f"-mcpu={target.cpu}", *(("-target", target.triple) if target.triple else ()))
    else:
        flag = "-march" if target.machine == "x86_64" else "-mcpu"
        level = target.cpu.replace("_", "-")
        level, *more = level.split("+") if target.machine == "x86_64" else (level,)
        machine = (f"{flag}={level}", *(f"-m{feature}" for feature in more))
    return (*compiler.command, *machine, *STRICT, f"-I{HEADERS}")


def make(source: Source, target: Target, compiler: Compiler, built: Path) -> None:
    """Builds beside, and moves what is whole to its place: two at once do each other no harm."""
    files = ("library.c", "weights.S", "-o", "library")
    words = (*command(compiler, target), *SHARED.get(target.system, SHARED["linux"]), *files)
    made = {"system": target.system, "machine": target.machine, "needs": target.needs,
            "compiler": compiler.name}  # fmt: skip
    try:
        with tempfile.TemporaryDirectory(dir=built.parent, prefix="build-") as room:
            put(source, Path(room))
            run(words, Path(room), built, target)
            code = (Path(room) / "library").read_bytes()
            atomic.write(built, stamp.stamped(code, source.info | made))
    except OSError as error:
        raise ValueError(
            f"nothing can be built in {built.parent}: {error.strerror or error}; make room there, "
            "or say another place in SPINDLE_CACHE"
        ) from None


def put(source: Source, room: Path) -> None:
    """All that a compiler wants to see, but for the headers."""
    (room / f"{source.name}.c").write_text(source.c, "utf-8")
    (room / f"{source.name}.h").write_text(source.h, "utf-8")
    (room / "weights.bin").write_bytes(source.weights)
    for path in kernels():
        if path.suffix != ".h":
            text = path.read_text("utf-8")
            (room / path.name).write_text(text.replace("model", source.name), "utf-8")


def run(words: tuple[str, ...], room: Path, built: Path, target: Target) -> None:
    """The compiler; what zig would keep of our objects, the weights too, goes with the room."""
    done = subprocess.run(
        words, cwd=room, env=os.environ | {"ZIG_LOCAL_CACHE_DIR": str(room / "zig")},
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        log = built.with_suffix(".log")
        atomic.write(log, f"{' '.join(words)}\n{done.stderr}".encode())
        wrong = [line for line in done.stderr.splitlines() if "error" in line] or ["no reason"]
        raise ValueError(
            f"the compiler refuses the C text for {target.name}: {wrong[0].strip()}; "
            f"all that it says is in {log}"
        )


def clear(room: Path) -> None:
    """Keeps the cache small."""
    with suppress(OSError):  # another process may be at it
        files = [path for path in room.iterdir() if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime)[:-KEPT]:
            path.unlink()
