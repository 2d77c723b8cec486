"""How many things a network can name, and whether it answers in its task's form."""

from __future__ import annotations

import pytest

from spindle.model import tasks
from spindle.model.family import mobilenet_v2
from spindle.model.heads import HEADS


@pytest.mark.parametrize("head", HEADS)
def test_every_head_knows_how_many_things_it_can_name(head: str) -> None:
    graph, task = mobilenet_v2(0.1, 65, head, 7), HEADS[head].task
    assert tasks.answers(graph, task) == (0 if task == "embed" else 7)
    assert tasks.deciding(graph).output == graph.output
    tasks.check(graph, task, ["word"] * 7)


def test_other_labels_and_other_tasks_are_refused() -> None:
    graph = mobilenet_v2(0.1, 65, classes=7)
    with pytest.raises(ValueError, match="mine knows 7 classes, but has 2 labels"):
        tasks.check(graph, "classify", ["a", "b"], "mine")
    with pytest.raises(ValueError, match="the task of this model is detect, but its answer is"):
        tasks.check(graph, "detect")
