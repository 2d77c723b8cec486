"""The machine says what it is."""

from __future__ import annotations

import os
from pathlib import Path

from spindle.app.machine import machine
from spindle.compiler.targets import processor


def test_a_machine_has_a_name_and_cores() -> None:
    at = machine()
    assert at.processor == processor() != "" and at.cores == os.cpu_count()
    told = Path("/proc/cpuinfo")
    if told.exists():
        assert at.processor in told.read_text() or "model name" not in told.read_text()
