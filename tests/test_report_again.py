"""The command that a page tells is read back as what was asked."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from spindle.app.lessons import eval_, train
from spindle.app.report.again import command
from spindle.app.verbs import run

SAID: dict[str, Any] = {}


def lesson(data: str, out: str = "run", split: float = 0.2, flip: bool = False) -> int:
    """A verb.

    data: what
    out: where
    split: share
    flip: so
    """
    SAID.update(data=data, out=out, split=split, flip=flip)
    return 0


@pytest.mark.parametrize(
    "given",
    [
        {"data": "my photos", "out": "run", "split": 0.2, "flip": False},
        {"data": "a'b;rm -rf", "out": "x y", "split": 0.25, "flip": True},
    ],
)
def test_it_asks_for_the_same(given: dict[str, Any]) -> None:
    SAID.clear()
    spindle, *words = shlex.split(command(lesson, given))
    assert spindle == "spindle"
    assert run([lesson], "", "0", words) == 0
    assert given == SAID


def test_what_was_left_as_usual_is_not_said() -> None:
    usual = {"model": "m", "data": "d", "task": None, "format": None, "part": "val", "split": 0.2,
             "seed": 0, "reading": None, "scales": None, "flip": False, "shared": True,
             "report": None, "json": False}  # fmt: skip
    assert command(eval_, usual) == "spindle eval m d --shared"


def test_the_recipe_is_said_as_flags() -> None:
    names = ("task", "format", "weights", "model", "width", "size", "head", "family",
             "output_stride", "teacher", "recipe")  # fmt: skip
    given = dict.fromkeys(names) | {"data": "d", "out": "run", "split": 0.2, "device": "auto",
                                    "int8": False, "json": False}  # fmt: skip
    changed = {"rate": 0.1, "judge_every": 2, "cached": False}
    said = command(train, given | {"changed": changed})
    assert said == "spindle train d --rate 0.1 --judge-every 2 --no-cached"
