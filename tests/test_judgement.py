"""A judgement is read from the top: the headline, the other measures, the classes, the worst."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.app.judgement import MEANINGS, show_scores
from spindle.data.metrics import HEADLINE, judge
from spindle.data.results import Classification
from spindle.data.samples import Sample
from spindle.model.heads import Task
from tests.test_metrics import LABELS, TASKS, case


@pytest.mark.parametrize("task", TASKS)
def test_every_score_and_class_is_shown_with_its_meaning(task: Task) -> None:
    rng, judged = np.random.default_rng(0), judge(task, LABELS)
    for number in range(20):
        judged.see(*case(task, rng, number), (40, 30))
    lines = show_scores(judged).splitlines()
    scores, first = judged.scores(), HEADLINE[task]
    assert lines[0] == f"{first} {scores.pop(first):.4f}  {MEANINGS[first]}"
    for line, (key, score) in zip(lines[2:], scores.items(), strict=False):
        assert line.split()[:2] == [key, f"{score:.4f}"] and line.endswith(MEANINGS[key])
    for label, known in judged.per_class().items():
        line = next(line for line in lines if line.startswith(f"  {label} "))
        assert f"{next(iter(known.values())):.4f}" in line
    for truth, said, count in judged.confusions():
        wrong = [line.split() for line in lines if line.strip().startswith(truth)]
        assert any(words[1:5] == ["taken", "for", said, f"{count:,}"] for words in wrong)
    assert max(map(len, lines)) <= 100


def test_a_label_cannot_speak_to_the_terminal() -> None:
    judged = judge("classify", ["\x1b[2Jcat", "dog"])
    judged.see(Sample(b"", "a", kind=0), Classification((("dog", 1.0),)), (1, 1))
    shown = show_scores(judged)
    assert "\x1b" not in shown and "?[2Jcat" in shown
