"""A run is watched in a line on a terminal, in silence elsewhere, and leaves its curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as Pillow

from spindle.app.watching import Watcher
from spindle.training.run import ENDED, LEARNING, LOG, Moment

ROW = {"epoch": 1, "step": 4, "time": 1.7e9, "train_loss": 0.5, "top1": 0.75, "top5": 1.0}


def watched(folder: Path, live: bool) -> Watcher:
    (folder / LOG).write_text(json.dumps(ROW) + "\n")
    watcher = Watcher(folder, "classify")
    watcher.bar.live = live
    watcher(Moment(LEARNING, 1, 8, "epoch 1/2, loss 0.5"))
    watcher(Moment(LEARNING, 4, 8, "epoch 1/2, loss 0.5"))
    watcher(Moment("judging", 1, 3))
    watcher(Moment(LEARNING, 1, 2, row=ROW))
    watcher.bar.end()
    return watcher


def test_a_terminal_sees_a_bar_and_a_line_an_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched(tmp_path, live=True)
    out, err = capsys.readouterr()
    assert out == "epoch   1  loss 0.5000  top1 0.7500  top5 1.0000\n"
    assert "learning" in err and "loss 0.5" in err


def test_elsewhere_there_is_silence_and_the_same_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched(tmp_path, live=False)
    assert capsys.readouterr() == ("", "")
    with Pillow.open(tmp_path / "curves.png") as picture:
        assert picture.width > picture.height
    assert (tmp_path / "events.out.tfevents.spindle").stat().st_size > 100


def test_a_run_that_had_ended_is_said_to_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Watcher(tmp_path, "classify")(Moment(ENDED, 1, 1))
    assert "had ended, and is not begun again" in capsys.readouterr().err


def test_a_run_that_goes_on_counts_the_time_of_its_own_steps(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, "classify")
    watcher(Moment(LEARNING, 501, 1000))
    assert watcher.bar.first == 500 and watcher.bar.total == 1000
