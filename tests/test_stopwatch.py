"""A runner keeps its turns, and says why where it cannot."""

from __future__ import annotations

from pathlib import Path
from time import sleep

import numpy as np
import pytest

from spindle.app import stopwatch
from spindle.app.stopwatch import Runner, Silent, Times


def room(path: Path) -> Path:
    np.save(path / "pictures.npy", np.zeros((1, 4, 4, 3), np.uint8))
    return path


def test_times_are_least_middle_and_late() -> None:
    assert Times.of(range(100, 0, -1)) == Times(1, 50.5, 90)
    assert Times.of([3.0, 1.0]) == Times(1, 2, 3)


def test_a_runner_runs_in_its_turns_and_sleeps_between(tmp_path: Path) -> None:
    with Runner("nothing", "spindle.app.peers.nothing", room(tmp_path), 1) as runner:
        runner.ready()
        runner.turn()
        runner.turn()
        assert len(runner.ms) == 2 * runner.runs == 2 * stopwatch.MOST
        assert all(0 <= ms < 1e3 for ms in runner.ms) and runner.answer() == {}
        assert 10 << 20 < runner.peak < 1 << 30
        stat = Path(f"/proc/{runner.process.pid}/stat")
        if stat.exists():  # it is told to stop, and does so when it gets round to it
            for _ in range(1000):
                if state(stat) in "TS":
                    break
                sleep(0.01)
            assert state(stat) in "TS"
    assert runner.process.poll() is not None


def state(stat: Path) -> str:
    return stat.read_text().rsplit(")", 1)[1].split()[0]


def test_what_goes_wrong_is_said_in_its_own_words(tmp_path: Path) -> None:
    for module, reason in (
        ("nothing", "FileNotFoundError.*pictures.npy"),
        ("gone", "No module named spindle.app.peers.gone"),
    ):
        runner = Runner(module, f"spindle.app.peers.{module}", tmp_path, 1)
        with runner, pytest.raises(Silent, match=reason):
            runner.ready()


def test_a_cold_start_needs_a_label(tmp_path: Path) -> None:
    with pytest.raises(Silent):
        stopwatch.cold("spindle.app.peers.nothing", room(tmp_path), tmp_path / "none.jpg", 1)
