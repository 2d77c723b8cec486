"""Where was it measured?  The processor by its own name, its cores, its vectors."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from spindle.compiler.targets import target


@dataclass(frozen=True)
class Machine:
    """What a measurement must be read beside."""

    processor: str
    cores: int
    vectors: str
    system: str
    python: str


def machine() -> Machine:
    return Machine(
        processor(),
        os.cpu_count() or 1,
        target().isa.name,
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
    )


def processor() -> str:
    """The processor's name, as the machine itself tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
