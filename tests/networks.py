"""Networks in C for tests: built in a hurry, and run in memory that is exactly as large as said."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.compiler.build import kernels
from spindle.compiler.emit import emit
from spindle.compiler.pipeline import passed
from spindle.compiler.schedule import Limits, schedule
from spindle.compiler.source import Source
from spindle.compiler.targets import AVX2, AVX512, PLAIN, V3, V4, Isa, features, here
from spindle.model import boxes
from spindle.model.answers import ArgMax, Detect, Peaks
from spindle.model.graph import Graph
from spindle.model.weights import Weights
from tests.compiled import COMPILERS, HERE, KERNELS, ROOM, WARNINGS

ISAS = PLAIN, AVX2, AVX512  # 4, 8 and 16 lanes
QUICK = ("-O0", "-std=c11", "-ffp-contract=off", "-fno-math-errno", *WARNINGS)
YIELD = ("-D_POSIX_C_SOURCE=200809L", "-include", "sched.h", "-DYIELD=sched_yield()")
BESIDE = 4096  # bytes before and after what is lent to the C
# what a compiler says of a CPU that has them
INSTRUCTIONS = {"avx2": ("AVX2", "FMA"), "avx512": ("AVX512F", "AVX512BW")}
NOTHING = 0xFF  # bytes of this are no number, as float; whatever is made of one is none either
PATIENCE = 600  # seconds, for threads that may have to wait for each other
CLOSE = 1e-4  # the error allowed
Outputs = dict[str, NDArray[Any]]


def emitted(
    graph: Graph, weights: Weights, isa: Isa = AVX2, threads: int = 1, name: str = "model",
    limits: Limits = Limits(),
) -> Source:  # fmt: skip
    graph, numbers = passed(graph, weights)
    return emit(schedule(graph, isa, threads, limits), numbers, isa, {"task": "test"}, name)


@cache
def machine(isa: Isa) -> tuple[str, ...]:
    """Flags for these vectors, which are played or done in plain C where the CPU has none such."""
    if isa.name == "plain" and here()[1] == "x86_64":
        return ("-march=x86-64", f"-I{KERNELS}")
    needs = {"avx2": V3, "avx512": V4}.get(isa.name)
    if needs and features().issuperset(needs):
        return (f"-march=x86-64-v{3 if needs == V3 else 4}", f"-I{KERNELS}")
    if isa.name in INSTRUCTIONS and simde():
        return played(isa)
    folder = Path(tempfile.mkdtemp(dir=ROOM.name)) / "kernels"
    folder.mkdir()
    for path in kernels():
        shutil.copy(path, folder)
    # plain C is the last of the machines in there
    head, _, tail = (folder / "simd.h").read_text().rpartition("#define LANES 4\n")
    (folder / "simd.h").write_text(f"{head}#define LANES {isa.lanes}\n{tail}")
    return ("-DSPINDLE_PLAIN", f"-I{folder.parent}")


def played(isa: Isa, *more: str) -> tuple[str, ...]:
    """Flags for instructions of which SIMDe says what each one does."""
    named = (f"-D__{name}__" for name in (*INSTRUCTIONS[isa.name], *more))
    return (*named, f"-I{Path(__file__).parent / 'instructions'}", f"-I{KERNELS}")


@cache
def simde() -> bool:
    words = (*COMPILERS[compiler()], "-fsyntax-only", "-include", "simde/x86/avx512.h", "-x", "c")
    return subprocess.run((*words, "-"), input=b"", capture_output=True).returncode == 0


def compiler() -> str:
    return "gcc" if "gcc" in HERE else HERE[0]


class Lent:
    """Bytes at an address of 64, with nothing on both sides, which must stay nothing."""

    def __init__(self, size: int, content: bytes = b""):
        self.room = np.full(size + 2 * BESIDE + 64, NOTHING, np.uint8)
        self.start = BESIDE + -(self.room.ctypes.data + BESIDE) % 64
        self.end = self.start + size
        self.bytes = self.room[self.start : self.end]
        self.bytes[: len(content)] = np.frombuffer(content, np.uint8)
        self.address = self.bytes.ctypes.data

    def whole(self) -> bool:
        beside = self.room[: self.start], self.room[self.end :]
        return all((part == NOTHING).all() for part in beside)


@dataclass(frozen=True)
class Network:
    """The C of a source, built and opened."""

    source: Source
    code: ctypes.CDLL

    def function(self, name: str) -> Any:
        return getattr(self.code, f"{self.source.name}_{name}")

    def run(self, picture: NDArray[np.uint8], threads: int = 1) -> Outputs:
        """All outputs; whatever lies beside the memory that is lent for it stays as it was."""
        high, wide, _ = picture.shape
        size = self.function("arena")
        size.restype = ctypes.c_size_t
        source, kinds = self.source, self.source.info["outputs"]
        shapes = [(tuple(o["shape"]), np.dtype(o["dtype"])) for o in kinds]
        weights, rgb = Lent(len(source.weights), source.weights), Lent(picture.size)
        rgb.bytes[:] = picture.ravel()
        arena = Lent(size(wide, high))
        to = [Lent(int(np.prod(shape)) * kind.itemsize) for shape, kind in shapes]
        places = (ctypes.c_void_p * len(to))(*(one.address for one in to))
        given = *(ctypes.c_void_p(one.address) for one in (weights, arena, rgb)), wide, high, places
        codes = []
        if threads == 1:
            codes.append(self.function("run")(*given))
        else:
            self.function("ready")(ctypes.c_void_p(arena.address))

            def work(number: int) -> None:
                codes.append(self.function("share")(*given, number, threads))

            others = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(threads)]
            for thread in others:
                thread.start()
            for thread in others:
                thread.join(PATIENCE)
            assert not any(thread.is_alive() for thread in others), "threads wait for ever"
        assert codes == [0] * threads, codes
        assert all(lent.whole() for lent in (weights, rgb, arena, *to)), "it wrote beside"
        assert weights.bytes.tobytes() == source.weights and (rgb.bytes == picture.ravel()).all()
        return {
            o["name"]: lent.bytes.view(kind).reshape(shape)
            for o, lent, (shape, kind) in zip(kinds, to, shapes, strict=True)
        }


def built(
    sources: Iterable[Source], isa: Isa = AVX2, *flags: str, on: tuple[str, ...] = ()
) -> list[Network]:
    """Sources of different names in one library."""
    sources = list(sources)
    folder = Path(tempfile.mkdtemp(dir=ROOM.name))
    for source in sources:
        (folder / f"{source.name}.c").write_text(source.c)
        (folder / f"{source.name}.h").write_text(source.h)
    words = [
        *COMPILERS[compiler()],
        *QUICK,
        *(on or machine(isa)),
        *YIELD,
        *flags,
        "-shared",
        "-fPIC",
    ]
    files = [f"{source.name}.c" for source in sources]
    done = subprocess.run(
        [*words, "-o", "networks.so", *files], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    code = ctypes.CDLL(str(folder / "networks.so"))
    return [Network(source, code) for source in sources]


def alike(graph: Graph, weights: Weights, picture: NDArray[np.uint8], found: Outputs) -> None:
    """That outputs are what they should be, but for the last digits of numbers and for ties."""
    meant = reference.run(graph, weights, picture)
    makers = {op.name: op for op in graph.ops}
    assert found.keys() == meant.keys()
    for name, value in meant.items():
        match makers[name]:
            case ArgMax():
                (before,) = makers[name].inputs
                heights = reference.run(graph.until(before.name), weights, picture)[before.name]
                same_classes(heights, value, found[name])
            case Peaks():
                (before,) = makers[name].inputs
                heat = reference.run(graph.until(before.name), weights, picture)[before.name]
                same_peaks(heat, value, found[name])
            case Detect() as op:
                if all(tensor.name in found for tensor in op.inputs):  # its own words are judged
                    deltas, scores = (found[tensor.name][:, 0] for tensor in op.inputs)
                    value = boxes.detect(op, deltas, scores)[:, None]
                same_boxes(value[:, 0], found[name][:, 0])
            case _:
                assert error(value, found[name]) <= CLOSE, (name, error(value, found[name]))


def error(meant: NDArray[Any], found: NDArray[Any]) -> float:
    """The largest there is, as a share of the largest number; NaN where there is one."""
    assert meant.shape == found.shape and meant.dtype == found.dtype == np.float32
    return float(np.abs(meant - found).max() / max(np.abs(meant).max(), 1e-6))


def same_classes(heights: NDArray[Any], meant: NDArray[Any], found: NDArray[Any]) -> None:
    """Equal, but for ties: pixels whose two classes are no further apart than an error may be."""
    assert meant.dtype == found.dtype == np.int32 and found.min() >= 0
    gap = np.take_along_axis(heights, meant, 2) - np.take_along_axis(heights, found, 2)
    assert gap.max() <= CLOSE * np.abs(heights).max(), gap.max()
    assert (meant != found).mean() < 0.01


def same_peaks(heat: NDArray[Any], meant: NDArray[Any], found: NDArray[Any]) -> None:
    """Equal, but for ties: channels whose two largest are no further apart than an error may be."""
    first, second = np.sort(heat.reshape(-1, heat.shape[2]), axis=0)[
        [-1, -min(2, heat[..., 0].size)]
    ]
    sure = (first - second > CLOSE * np.abs(heat).max()) | (heat[..., 0].size == 1)
    assert error(meant[..., 2:], found[..., 2:]) <= CLOSE
    assert not sure.any() or error(meant[sure], found[sure]) <= CLOSE


def same_boxes(meant: NDArray[Any], found: NDArray[Any]) -> None:
    """Equal, but for ties: boxes whose scores are so close may have changed places."""
    assert meant.shape == found.shape
    np.testing.assert_allclose(found[:, 4], meant[:, 4], rtol=CLOSE, atol=1e-7)
    left = list(range(len(meant)))
    for row in found:
        near = (abs(meant[i] - row) <= CLOSE * np.array([10, 10, 10, 10, 1, 0]) for i in left)
        place = next((at for at, one in enumerate(near) if one.all()), None)
        assert place is not None and place <= 3, row  # who follows by three places is no tie
        left.pop(place)
