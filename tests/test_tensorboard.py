"""TensorBoard's own reader finds in the file what the run has said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spindle.app.tensorboard import events

ROWS: list[dict[str, Any]] = [
    {"epoch": 1, "step": 31, "time": 1.7e9, "train_loss": 2.5, "top1": 0.25, "note": "word"},
    {"epoch": 2, "step": 62, "time": 1.7e9 + 9, "train_loss": 1.25, "top1": 1},
]


def test_its_own_reader_finds_every_number(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (tmp_path / "events.out.tfevents.spindle").write_bytes(events(ROWS))
    found = reader.EventAccumulator(str(tmp_path)).Reload()
    assert sorted(found.Tags()["scalars"]) == ["top1", "train_loss"]
    for name in ("train_loss", "top1"):
        curve = [(e.step, e.value, e.wall_time) for e in found.Scalars(name)]
        assert curve == [(row["step"], row[name], row["time"]) for row in ROWS]


def test_a_run_that_has_said_nothing_is_a_file_too() -> None:
    assert len(events([])) > 20
