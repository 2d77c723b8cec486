"""Which machines can a network be built for, and what must the emitter know of each?"""

from __future__ import annotations

import ctypes
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Isa:
    """The vectors of a machine: floats in each, and how many it holds at once.

    A vector of quads of bytes is summed up in so many steps, for which it wants registers too.
    Where bytes are flipped, quads hold them less 128; where they are parted, a filter reads the
    even and the odd ones as 16 bits; where they are gathered, a group of them may be of several
    pixels.  Where it is spread, a number becomes a vector as it is multiplied by, which costs
    nothing; where vectors have halves, one may be summed by itself, in half the time on some.
    Where it is asked for, edges are brief: bfloat16s.
    """

    name: str
    lanes: int
    registers: int
    dots: int = 2
    aside: int = 4
    flipped: bool = False
    parted: bool = False
    gathered: bool = False
    halves: bool = False
    spread: bool = False
    brief: bool = False


AVX512 = Isa("avx512", 16, 32, dots=1, aside=2, gathered=True, halves=True, spread=True)
AVX2 = Isa("avx2", 8, 16, parted=True, gathered=True)
NEON = Isa("neon", 4, 32, aside=4, flipped=True)
I8MM = Isa("neon-i8mm", 4, 32, dots=1, aside=4)
WASM = Isa("wasm", 4, 16)
RELAXED = Isa("wasm-relaxed", 4, 16)
PLAIN = Isa("plain", 4, 16)

# what the CPU must have, as Linux spells it; whatever has these has the rest of its level too
V3 = ("avx2", "bmi2", "fma")
V4 = (*V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
MIXED = ("asimddp", "i8mm")  # dot products, of unsigned by signed bytes too
# what else a compiler may make use of when it builds for exactly the CPU it runs on
KNOWN = {
    *V4, "adx", "aes", "avx", "bmi1", "f16c", "abm", "movbe", "pclmulqdq", "popcnt", "sha_ni",
    "sse4_1", "sse4_2", "sse4a", "ssse3", "xsave", "clflushopt", "clwb", "gfni", "vaes",
    "vpclmulqdq", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx512ifma",
    "avx512vbmi", "avx512_vbmi2", "avx512_bitalg", "avx512_vpopcntdq", "amx_tile", "amx_int8",
    "amx_bf16",
}  # fmt: skip
SUFFIXES = {"linux": ".so", "darwin": ".dylib", "windows": ".dll", "wasm": ".wasm", "any": ""}
LIBRARIES = (".so", ".dylib", ".dll", ".wasm")


@dataclass(frozen=True)
class Target:
    """A machine to build for."""

    name: str
    isa: Isa
    system: str  # linux, darwin, windows, wasm, or any
    machine: str  # x86_64, aarch64, wasm32, or any
    cpu: str  # the least CPU, as zig spells it; native for exactly this one
    triple: str = ""  # as zig spells it; empty for this machine
    needs: tuple[str, ...] = ()  # of the CPU, as Linux spells it

    @property
    def suffix(self) -> str:
        """How the name of a library ends there."""
        return SUFFIXES[self.system]

    @property
    def threads(self) -> bool:
        """Whether several threads can share one picture there: the pool wants POSIX threads."""
        return self.system in ("linux", "darwin")


MM = "generic+dotprod+i8mm"
SIMD, FREE = "generic+simd128+bulk_memory", "wasm32-freestanding"
# glibc is as of 2012, so that every Python of today can load what is built against it
FOREIGN = {
    target.name: target
    for target in (
        Target("x86-64-v3", AVX2, "linux", "x86_64", "x86_64_v3", "x86_64-linux-gnu.2.17", V3),
        Target("x86-64-v4", AVX512, "linux", "x86_64", "x86_64_v4", "x86_64-linux-gnu.2.17", V4),
        Target("aarch64-linux", NEON, "linux", "aarch64", "generic", "aarch64-linux-gnu.2.17"),
        Target("aarch64-linux-i8mm", I8MM, "linux", "aarch64", MM, "aarch64-linux-gnu.2.17", MIXED),
        Target("aarch64-macos", NEON, "darwin", "aarch64", "apple_m1", "aarch64-macos"),
        Target("x86_64-windows", AVX2, "windows", "x86_64", "x86_64_v3", "x86_64-windows-gnu", V3),
        Target("wasm32", WASM, "wasm", "wasm32", SIMD, FREE),
        Target("wasm32-relaxed", RELAXED, "wasm", "wasm32", f"{SIMD}+relaxed_simd", FREE),
        Target("c", PLAIN, "any", "any", ""),
    )
}
NAMES = ("native", *FOREIGN)
# where bf16 is asked for: what the CPU has beyond its level, as zig spells it and as Linux does
BRIEFS = {"x86-64-v4": ("avx512bf16", "avx512_bf16"), "aarch64-linux": ("bf16", "bf16")}


def target(name: str = "native") -> Target:
    """The machine of this name; native is the one at hand."""
    if name == "native":
        return native(here(), features())
    if name not in FOREIGN:
        raise ValueError(f"there is no target {name!r}: choose {', '.join(NAMES)}")
    return FOREIGN[name]


def brief(target: Target) -> Target:
    """The same machine, edges carried in 16 bits; one that is foreign has the instructions too."""
    feature, need = BRIEFS.get(target.name, ("", ""))
    if not feature:
        return replace(target, isa=replace(target.isa, brief=True))
    cpu, needs = f"{target.cpu}+{feature}", (*target.needs, need)
    return replace(target, isa=replace(target.isa, brief=True), cpu=cpu, needs=needs)


def swift(target: Target) -> bool:
    """Whether its CPU is known to have instructions for numbers of 16 bits."""
    return any(need in target.needs for _, need in BRIEFS.values())


def native(place: tuple[str, str], has: frozenset[str]) -> Target:
    """The target of this system and machine, whose CPU has these features."""
    system, machine = place
    match machine:
        case "x86_64":
            level = Target("native", PLAIN, system, machine, "x86_64")
            for isa, cpu, needs in ((AVX2, "x86_64_v3", V3), (AVX512, "x86_64_v4", V4)):
                if has.issuperset(needs):
                    level = replace(level, isa=isa, cpu=cpu, needs=needs)
            # half an AVX-512 is none, and only Linux tells of a CPU all that it has
            if system != "linux" or ("avx512f" in has and level.isa is not AVX512):
                return level
            return replace(level, cpu="native", needs=tuple(sorted(KNOWN & has)))
        case "aarch64":
            told = tuple(sorted(has)) if system == "linux" else ()
            isa = I8MM if has.issuperset(MIXED) else NEON
            return Target("native", isa, system, machine, "native", needs=told)
    return Target("native", PLAIN, system, machine, "native")


def here() -> tuple[str, str]:
    """The system and the machine that this Python was made for."""
    system = {"win32": "windows", "cygwin": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return system, {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def processor() -> str:
    """The processor's name, as the machine itself tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def second_level() -> int | None:
    """Bytes of the second level of a core's cache, where the system tells."""
    with suppress(OSError, ValueError):
        path = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
        size = path.read_text().strip()
        return int(size.removesuffix("K")) << 10
    return None


def features() -> frozenset[str]:
    """What this CPU can do, as Linux spells it; of other systems, whether it has a level."""
    match sys.platform:
        case "linux":
            return common(Path("/proc/cpuinfo").read_text())
        case "darwin":
            has, found = ctypes.CDLL(None).sysctlbyname, ctypes.c_int()
            for names, asked in ((V4, b"hw.optional.avx512f"), (V3, b"hw.optional.avx2_0")):
                size = ctypes.c_size_t(ctypes.sizeof(found))
                if not has(asked, ctypes.byref(found), ctypes.byref(size), None, 0) and found:
                    return frozenset(names)
        case "win32":
            asked_for = getattr(ctypes, "windll").kernel32.IsProcessorFeaturePresent  # noqa: B009
            avx2, avx512f = 40, 41
            return frozenset((V4 if asked_for(avx512f) else V3) if asked_for(avx2) else ())
    return frozenset()


def common(cpuinfo: str) -> frozenset[str]:
    """The features that all cores in this text of Linux have."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    found = [
        frozenset(said.split()) for key, _, said in lines if key.strip() in ("flags", "Features")
    ]
    return frozenset.intersection(*found) if found else frozenset()
