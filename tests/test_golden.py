"""The C of one tiny network, byte for byte: whoever changes it says so in the commit.

To renew it: SPINDLE_RENEW=1 .venv/bin/python -m pytest tests/test_golden.py
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import numpy as np

from spindle.compiler.targets import PLAIN
from spindle.model.family import mobilenet_v2
from tests.networks import emitted

GOLDEN = Path(__file__).parent / "golden" / "tiny.c"


def test_the_text_is_as_it_was() -> None:
    graph = mobilenet_v2(0.1, 32).until("block03")
    zeros = {name: np.zeros(shape, np.float32) for name, shape in graph.arrays.items()}
    now = emitted(graph, zeros, PLAIN).c
    if "SPINDLE_RENEW" in os.environ:
        GOLDEN.write_text(now, "utf-8")
    was = GOLDEN.read_text("utf-8")
    lines = difflib.unified_diff(
        was.splitlines(), now.splitlines(), "golden/tiny.c", "now", "", "", 1
    )
    assert was == now, f"{__doc__}\n" + "\n".join([*lines][:60])
