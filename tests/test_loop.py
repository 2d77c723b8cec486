"""A run that is stopped goes on to the same bits, and whatever stops it is told in a sentence."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.data.samples import Dataset, Listed, Sample
from spindle.data.synthetic import KINDS
from spindle.model import atomic
from spindle.model.heads import Task
from spindle.model.ops import Conv
from spindle.model.weights import Model, initial
from spindle.training import loop, start
from spindle.training.checkpoint import NAME
from spindle.training.lock import alone
from spindle.training.recipe import RECIPES, Recipe
from spindle.training.run import ENDED, LEARNING, Moment, Watch, quiet
from spindle.training.start import train
from spindle.training.transfer import begin
from tests.test_recipe import TASKS, lessons

Runs = Callable[[Recipe, Task], Path]
SHORT = replace(RECIPES["quick"], epochs=2, batch=4, seed=7, drop=0.3, erase=0.5)


class Killed(BaseException):
    """What nothing in a run can catch."""


def run(folder: Path, recipe: Recipe = SHORT, task: Task = "classify", until: int = 0) -> Model:
    """A run, killed once it has said so many words."""
    said = 0

    def watch(moment: Moment) -> None:
        nonlocal said
        said += 1
        if said == until:
            raise Killed

    return train(
        lessons(task, 16, judged=4), folder, recipe, width=0.1, size=64, device="cpu", watch=watch
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The folder of a run that nobody disturbed, made once for each recipe and task."""

    @cache
    def find(recipe: Recipe, task: Task) -> Path:
        folder = tmp_path_factory.mktemp("whole")
        run(folder, recipe, task)
        return folder

    return find


def bits(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("safe", [0.0, 60.0])
def test_a_killed_run_ends_in_the_same_bits(
    task: Task,
    safe: float,
    whole: Runs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undisturbed = whole(SHORT, task)
    monkeypatch.setattr(loop, "SAFE", safe)  # killed in a first epoch, or in a second
    with pytest.raises(Killed):
        run(tmp_path / "killed", task=task, until=21 if safe else 3)
    run(tmp_path / "killed", task=task)
    assert bits(tmp_path / "killed") == bits(undisturbed)
    logs = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (undisturbed, tmp_path / "killed")
    ]
    for one, other in zip(*logs, strict=True):
        for row in (one, other):
            del row["time"], row["pictures_per_second"]
        assert one == other


def test_a_run_refuses_a_folder_in_which_another_is_at_work(tmp_path: Path) -> None:
    with alone(tmp_path / start.LOCK), pytest.raises(ValueError, match="another run is at work in"):
        run(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [start.LOCK]
    run(tmp_path)


def test_bf16_is_refused_where_it_is_only_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "has_bf16", lambda: False)
    with pytest.raises(ValueError, match="no bf16.*leave --precision at auto"):
        run(tmp_path, replace(SHORT, precision="bf16"))


def test_norms_that_were_counted_once_are_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = begin("classify", KINDS, width=0.1, size=64)[0]
    bare = graph.map(lambda op: replace(op, norm=None) if isinstance(op, Conv) else op)
    model = Model(bare, initial(bare), "classify", KINDS)

    def taught(folder: Path, watch: Watch = quiet) -> str:
        train(lessons("classify", 16), folder, SHORT, model, device="cpu", watch=watch)
        return bits(folder)

    def killed(moment: Moment) -> None:
        if moment.phase == LEARNING and moment.done == 6:
            raise Killed

    with pytest.raises(Killed):
        taught(tmp_path / "killed", killed)
    whole = taught(tmp_path / "whole")
    monkeypatch.setattr(start, "estimate", None)
    assert taught(tmp_path / "killed") == whole


@pytest.mark.parametrize("changes", [
    {"accumulate": 2}, {"sharpness": 0.05}, {"average": 0.0}, {"norms": "estimate"},
    {"norms": "frozen"}, {"freeze": "block06"}, {"mixup": 0.2, "cutmix": 1.0},
    {"optimizer": "rmsprop", "rate": 0.01}, {"optimizer": "sgd"}, {"repeats": 2}, {"patience": 1},
    {"precision": "bf16"},
])  # fmt: skip
def test_whatever_a_recipe_asks_a_killed_run_ends_in_the_same_bits(
    changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(SHORT, **changes)  # type: ignore[arg-type]
    monkeypatch.setattr(start, "has_bf16", lambda: True)
    run(tmp_path / "whole", recipe)
    monkeypatch.setattr(loop, "SAFE", 0.0)
    with pytest.raises(Killed):
        run(tmp_path / "killed", recipe, until=3)
    run(tmp_path / "killed", recipe)
    assert bits(tmp_path / "killed") == bits(tmp_path / "whole")


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b")
    run(tmp_path / "c", replace(SHORT, seed=8))
    assert bits(tmp_path / "a") == bits(tmp_path / "b") != bits(tmp_path / "c")


def test_a_finished_run_is_not_begun_again(tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / "metrics.jsonl").stat().st_mtime_ns
    said: list[Moment] = []
    again = train(
        lessons("classify", 16, judged=4), tmp_path, SHORT, width=0.1, size=64, device="cpu",
        watch=said.append,
    )  # fmt: skip
    assert [moment.phase for moment in said] == [ENDED] and (
        tmp_path / "metrics.jsonl"
    ).stat().st_mtime_ns == before
    assert again.metrics["top1"] >= 0
    with pytest.raises(ValueError, match=r"was begun with seed 7, not 1: .* another --out"):
        run(tmp_path, replace(SHORT, seed=1))


def test_it_stops_early_where_nothing_gets_better(tmp_path: Path) -> None:
    run(tmp_path, replace(SHORT, epochs=20, patience=2, rate=1e-9))
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert 3 <= len(rows) < 20


def test_a_loss_that_is_no_number_keeps_the_last_good_state(tmp_path: Path) -> None:
    recipe = replace(SHORT, optimizer="sgd", rate=1e3, clip=0.0, epochs=50, schedule="constant")
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) in step \d+.*--rate"):
        run(tmp_path, recipe)


def test_a_full_disk_keeps_the_last_good_state(
    whole: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, until=21)  # in the second epoch
    kept = (tmp_path / NAME).read_bytes()

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path)
    assert (tmp_path / NAME).read_bytes() == kept
    run(tmp_path)
    assert bits(tmp_path) == bits(whole(SHORT, "classify"))


def test_a_disk_that_is_too_small_is_told_and_once_it_is_larger_the_run_goes_on(
    whole: Runs, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        with pytest.raises(OSError, match="No space left"):
            run(disk / "run")
        assert not list((disk / "run").glob("*.part"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        run(disk / "run")
        assert bits(disk / "run") == bits(whole(SHORT, "classify"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_picture_deleted_half_way_is_named_and_the_run_goes_on_once_it_is_back(
    tmp_path: Path,
) -> None:
    files = []
    for number, sample in enumerate(lessons("classify", 8).splits["train"]):
        files.append(tmp_path / f"{number}.png")
        Pillow.fromarray(np.asarray(sample.picture)).save(files[-1])
    listed = Listed(Sample(path, path.name, n % 3) for n, path in enumerate(files))
    data = Dataset(tmp_path, "drawn", "classify", ("a", "b", "c"), {"train": listed, "val": listed})
    content = files[3].read_bytes()

    def gone(moment: Moment) -> None:
        if moment.row and moment.row["epoch"] == 1:
            files[3].unlink()

    def go(folder: str, watch: object = lambda moment: None) -> None:
        train(data, tmp_path / folder, SHORT, width=0.1, size=64, device="cpu", watch=watch)  # type: ignore[arg-type]

    go("whole")
    with pytest.raises(ValueError, match=r"3\.png.*No such file"):
        go("run", gone)
    files[3].write_bytes(content)
    go("run")
    assert bits(tmp_path / "run") == bits(tmp_path / "whole")


@pytest.mark.parametrize("recipe", [SHORT, RECIPES["frozen"]])
def test_a_picture_that_was_broken_before_is_told_with_its_cure(
    tmp_path: Path, recipe: Recipe
) -> None:
    data = lessons("classify", 16, judged=4)
    broken = [*data.splits["train"], Sample(b"<html>", "web.jpg", 0)]
    data = replace(data, splits=data.splits | {"train": Listed(broken)})
    with pytest.raises(ValueError, match=r"^web\.jpg: .* any kind I know; put it right, or leave"):
        train(data, tmp_path, recipe, width=0.1, size=64, device="cpu")


@pytest.mark.parametrize(("part", "words"), [("train", "to learn"), ("val", "to be judged by")])
def test_boxes_of_which_there_are_none_are_told_of_at_once(
    tmp_path: Path, part: str, words: str
) -> None:
    data = lessons("detect", 4)
    empty = Listed(replace(sample, objects=None) for sample in data.splits[part])
    data = replace(data, splits=data.splits | {part: empty})
    with pytest.raises(ValueError, match=f"marks nothing in its part {part}, .* nothing {words}"):
        train(data, tmp_path / "run", SHORT, width=0.1, size=64, device="cpu")
    assert not (tmp_path / "run").exists()


CHILD = """
import sys
from pathlib import Path
from dataclasses import replace
import torch
from tests.test_loop import SHORT, run
torch.set_num_threads(1)  # as the tests do: other threads add up in another order
run(Path(sys.argv[1]), replace(SHORT, epochs=8))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_real_process_loses_nothing(number: int, whole: Runs, tmp_path: Path) -> None:
    longer = replace(SHORT, epochs=8)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "run")], stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / "run" / "metrics.jsonl"
    while not log.exists() and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(number)
    _, errors = child.communicate()
    assert child.returncode != 0
    if number != signal.SIGKILL:
        assert "run the same command to go on" in errors
    run(tmp_path / "run", longer)
    assert bits(tmp_path / "run") == bits(whole(longer, "classify"))
