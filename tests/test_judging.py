"""A network is judged while it learns exactly as its model file is afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spindle.app.predictor import Predictor
from spindle.data.metrics import evaluate
from spindle.model.heads import Task
from spindle.model.weights import Model
from spindle.training.judging import judged
from spindle.training.machines import Machine
from spindle.training.run import Moment
from spindle.training.transfer import begin
from tests.scramble import scrambled
from tests.test_recipe import TASKS, lessons


@pytest.mark.parametrize("task", TASKS)
def test_the_judgement_is_the_predictors(task: Task, tmp_path: Path) -> None:
    data = lessons(task, 6, judged=6)
    graph, _, _ = begin(task, data.labels, width=0.1, size=64)
    graph = graph.until(graph.output.name)
    weights, said = scrambled(graph), list[Moment]()
    ours = judged(graph, weights, data, Machine(torch.device("cpu")), said.append)
    labels = () if task == "embed" else data.labels
    predictor = Predictor(Model(graph, weights, task, labels))
    theirs = evaluate(
        lambda picture: predictor(picture, threshold=0.0), data.splits["val"], task, data.labels
    )
    assert ours.scores() == pytest.approx(theirs.scores(), abs=1e-4)
    assert [moment.done for moment in said] == [1, 2, 3, 4, 5, 6]
