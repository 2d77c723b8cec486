"""Where was it measured?  The processor by its own name, its cores, its vectors."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from spindle.compiler.targets import processor, target


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
