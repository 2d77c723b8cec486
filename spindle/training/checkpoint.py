"""Where was a run when it stopped?  All of its state in one file, whole or not at all."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from spindle.model import atomic

NAME = "state.pt"
State = dict[str, Any]  # tensors, numbers and texts, in dicts and lists


def save(run: Path, state: State) -> None:
    content = BytesIO()
    torch.save(state, content)
    atomic.write(run / NAME, content.getvalue())


def load(run: Path, settings: dict[str, Any]) -> State | None:
    """The state that a run of these settings has left, if it has left one."""
    path = run / NAME
    if not path.exists():
        return None
    try:
        content = path.read_bytes()
        if not content.startswith(b"PK"):  # as torch begins its files
            raise ValueError
        state: State = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        before = state["settings"]
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError):
        raise ValueError(
            f"{path} is damaged: remove it to begin this run anew, or choose another --out"
        ) from None
    for name in sorted(set(before) | set(settings)):
        if before.get(name) != settings.get(name):
            again = "say the same again to go on with it, or choose another --out"
            if "learner" not in state:
                again = "it has ended; choose another --out (to teach it more, also say --weights)"
            raise ValueError(
                f"{run} was begun with {name} {before.get(name)!r}, not {settings.get(name)!r}: "
                f"{again}"
            )
    return state
