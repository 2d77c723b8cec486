"""How good is a model on this data, whatever runs it: each task's judge, and one way to ask it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from spindle.data.augment import look
from spindle.data.judges.confusion import ClassifyJudge, SegmentJudge
from spindle.data.judges.finding import DetectJudge
from spindle.data.judges.judge import Judge
from spindle.data.judges.posing import PoseJudge
from spindle.data.judges.retrieval import EmbedJudge
from spindle.data.judges.wording import worded
from spindle.data.preprocess import Picture
from spindle.data.results import Boxes, Pose, Result
from spindle.data.samples import Sample
from spindle.model.heads import Task

JUDGES: dict[Task, type[Judge]] = {
    each.task: each for each in (ClassifyJudge, DetectJudge, SegmentJudge, PoseJudge, EmbedJudge)
}
HEADLINE: dict[Task, str] = {  # the measure that a model is chosen by: more is better
    "classify": "top1",
    "detect": "ap",
    "segment": "miou",
    "pose": "oks_ap",
    "embed": "map",
}


def judge(task: Task, labels: Collection[str], only: Collection[str] | None = None) -> Judge:
    """Nobody was seen yet.  `labels` are the data's; with `only`, no other classes are judged."""
    if not labels and task != "embed":
        raise ValueError(f"to {task} is judged by labels, and this data has none; give it labels")
    return JUDGES[task](worded(labels, only))


def evaluate(
    predict: Callable[[Picture], Result],
    samples: Iterable[Sample],
    task: Task,
    labels: Collection[str],
    show: Callable[[int], None] | None = None,
    only: Collection[str] | None = None,
) -> Judge:
    """The judge, once it has seen all samples; `show` is told how many it has seen.

    `predict` must not hold back what it is unsure of: average precision wants every box.
    """
    judging = judge(task, labels, only)
    for count, sample in enumerate(samples, start=1):
        picture, offset = look(sample)
        judging.see(sample, moved(predict(picture), *offset), picture.size)
        if show:
            show(count)
    return judging


def moved(result: Result, right: float, down: float) -> Result:
    """What was said of a part that begins there, said of the whole picture."""
    match result:
        case Boxes(boxes):
            return Boxes(
                tuple(
                    replace(
                        box,
                        left=box.left + right,
                        top=box.top + down,
                        right=box.right + right,
                        bottom=box.bottom + down,
                    )
                    for box in boxes
                )
            )
        case Pose(points):
            return Pose(tuple((name, x + right, y + down, score) for name, x, y, score in points))
    return result


def from_json(said: Mapping[str, Any]) -> Judge:
    """The judge whose `to_json` this is."""
    try:
        task, only = said["task"], said["only"]
        return judge(task, said["labels"], only).restore(said)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"these are no sums of a judge ({type(error).__name__}: {error}); "
            "give what an evaluation wrote"
        ) from None
