"""What may be used is counted."""

from __future__ import annotations

import os

from spindle.model.cores import cores


def test_a_machine_has_a_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
