"""Several processes together learn what one would have, and count as one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spindle.model.heads import Task
from spindle.model.weights import load
from spindle.training.machines import Machine, SharedNorm, joined
from spindle.training.recipe import RECIPES, Recipe
from spindle.training.start import train
from tests.test_recipe import TASKS, lessons

PLAIN = replace(
    RECIPES["quick"], epochs=2, batch=8, drop=0.0, colour=0.0, average=0.0, norms="train",
    optimizer="sgd", rate=0.05,
)  # fmt: skip
CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from tests.test_machines import PLAIN, begin
torch.set_num_threads(1)
begin(Path(sys.argv[1]), replace(PLAIN, batch=4), sys.argv[2])
"""


def begin(folder: Path, recipe: Recipe, task: Task) -> None:
    train(lessons(task, 16, judged=5), folder, recipe, width=0.1, size=64, device="cpu")


def together(folder: Path, task: Task, number: int = 2) -> None:
    """The same on as many processes, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(number)}
    path = str(Path(__file__).parents[1])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), task],
            env=place | {"RANK": str(rank), "PATH": "", "PYTHONPATH": path},
        )
        for rank in range(number)
    ]
    assert [child.wait(300) for child in children] == [0] * number


@pytest.mark.xfail(reason="not yet equal: see LOG.md; the gradients of two processes are unproved")
@pytest.mark.parametrize("task", [task for task in TASKS if task != "embed"])
def test_two_processes_learn_what_one_learns_with_the_doubled_batch(
    task: Task, tmp_path: Path
) -> None:
    begin(tmp_path / "one", PLAIN, task)
    together(tmp_path / "two", task)
    rows = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for one, two in zip(*rows, strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-3)
    one, two = (load(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one.metrics.keys() == two.metrics.keys()
    apart = max(float(abs(one.weights[name] - two.weights[name]).max()) for name in one.weights)
    assert apart < 1e-2  # two sums of the same numbers in another order, after a few steps


def test_one_process_is_alone() -> None:
    with joined("cpu") as machine:
        assert machine == Machine(torch.device("cpu")) and machine.first
        assert machine.gathered("word") == ["word"]
        assert machine.agreed(True, 3) and not machine.agreed(False, 10)
        assert float(machine.across(torch.tensor(3.0))) == 3.0


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="there is no device 'abacus' here"), joined("abacus"):
        pass


def test_a_shared_norm_judges_as_any_other() -> None:
    norm, other = torch.nn.BatchNorm2d(5), SharedNorm(5)
    norm(torch.randn(4, 5, 3, 3) * 2 + 1)
    other.load_state_dict(norm.state_dict())
    x = torch.randn(2, 5, 4, 4)
    assert torch.equal(norm.eval()(x), other.eval()(x))
