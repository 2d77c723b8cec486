"""Several processes together learn what one would have, and count as one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.weights import Weights, load
from spindle.training import judging, learner, run
from spindle.training.machines import Machine, SharedNorm, joined
from spindle.training.network import Network
from spindle.training.recipe import RECIPES, Recipe
from spindle.training.start import train
from tests.test_recipe import lessons

PLAIN = replace(
    RECIPES["quick"], epochs=2, batch=8, drop=0.0, colour=0.0, average=0.0, norms="train",
    optimizer="sgd", rate=0.005,
)  # fmt: skip
CHILD = """
import os, sys
from dataclasses import replace
from pathlib import Path
import torch
from tests.test_machines import PLAIN, begin
torch.set_num_threads(1)
folder, *rest = sys.argv[1:]
for task, os.environ["MASTER_PORT"] in zip(rest[::2], rest[1::2]):
    begin(Path(folder) / task, replace(PLAIN, batch=4), task)
"""
ALIKE: tuple[Task, ...] = ("classify", "detect", "segment", "pose")  # a triplet is one machine's
Rows = list[dict[str, float]]


class Doubled(Network):
    """In double precision: some fifty norms over a handful of values make of float32's last bit,
    which two machines round otherwise, a thousandth of the gradient."""

    def __init__(self, graph: Graph, weights: Weights):
        super().__init__(graph, weights)
        self.double()


def begin(folder: Path, recipe: Recipe, task: Task) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "Network", Doubled)
        for room in (run, judging):  # so few lessons are prepared sooner than a worker is there
            patch.setattr(room, "workers", lambda machine: 0)
        train(lessons(task, 16, judged=5), folder, recipe, width=0.1, size=64, device="cpu")


def together(folder: Path, number: int = 2) -> None:
    """All tasks on as many processes, as torchrun would start them; a warning ends a process."""
    with ExitStack() as bound:
        free = [bound.enter_context(socket.socket()) for _ in ALIKE]
        for one in free:
            one.bind(("127.0.0.1", 0))
        ports = [str(one.getsockname()[1]) for one in free]
    told = [word for pair in zip(ALIKE, ports, strict=True) for word in pair]
    place = {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": str(number), "PATH": ""}
    place |= {"PYTHONPATH": str(Path(__file__).parents[1])}
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", CHILD, str(folder), *told],
            env=place | {"RANK": str(rank)},
        )
        for rank in range(number)
    ]
    try:
        assert [child.wait(900) for child in children] == [0] * number
    finally:
        for child in children:
            child.kill()
            child.wait()


def rows(folder: Path) -> Rows:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    together(folder)
    return folder


@pytest.mark.parametrize("task", ALIKE)
def test_two_processes_learn_what_one_learns_with_the_doubled_batch(
    task: Task, two: Path, tmp_path: Path
) -> None:
    begin(tmp_path, PLAIN, task)
    alone, shared = rows(tmp_path), rows(two / task)
    assert len(alone) == len(shared) == PLAIN.epochs
    for one, other in zip(alone, shared, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-7)
    before, after = (load(each / "model.safetensors") for each in (tmp_path, two / task))
    assert before.metrics == pytest.approx(after.metrics, rel=1e-5)
    apart = max(float(abs(before.weights[n] - after.weights[n]).max()) for n in before.weights)
    assert apart < 1e-6  # of weights up to 1, that are kept as float32


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
