"""A lock keeps others out or waiting, and ends with the process that held it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spindle.training.lock import alone

HOLD = """
import sys
from pathlib import Path
from spindle.training.lock import alone
with alone(Path(sys.argv[1])):
    print("inside", flush=True)
    sys.stdin.read()
"""


def test_one_is_inside_the_other_is_told_and_a_killed_one_is_gone(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        try:
            assert other.stdout.readline() == b"inside\n"
            with (
                pytest.raises(ValueError, match="^somebody is here$"),
                alone(place, "somebody is here"),
            ):
                pass
        finally:
            other.kill()
    inside = pytest.raises(ValueError, match="nobody but me")
    with alone(place, "somebody is here"), inside, alone(place, "nobody but me"):
        pass
    with alone(place):
        pass


def test_a_place_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be locked"), alone(tmp_path / "no" / "lock"):
        pass


def test_one_process_at_a_time_is_alone(tmp_path: Path) -> None:
    """Each of four adds one to a number twenty times; none is lost."""
    (tmp_path / "count").write_text("0")
    turn = (
        "import sys; from pathlib import Path\n"
        "from spindle.training.lock import alone\n"
        "folder = Path(sys.argv[1])\n"
        "for _ in range(20):\n"
        "    with alone(folder / 'lock'):\n"
        "        number = int((folder / 'count').read_text())\n"
        "        (folder / 'count').write_text(str(number + 1))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", turn, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert (tmp_path / "count").read_text() == "80"


def test_a_process_that_dies_leaves_no_lock(tmp_path: Path) -> None:
    die = (
        "import os, sys; from pathlib import Path\n"
        "from spindle.training.lock import alone\n"
        "with alone(Path(sys.argv[1])):\n"
        "    os._exit(3)\n"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", die, str(tmp_path / "lock")], check=False)
        assert done.returncode == 3
