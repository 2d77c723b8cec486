"""What must be typed to have it again?  A verb with all that was not left as usual."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from typing import Any


def command(verb: Callable[..., int], given: Mapping[str, Any]) -> str:
    """The line for a terminal; `given` are the verb's parameters by name."""
    words = ["spindle", verb.__name__.rstrip("_")]
    flags: list[str] = []
    for parameter in inspect.signature(verb).parameters.values():
        value = given[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            for name, one in value.items():
                flags += flag(name, one)
        elif parameter.default is parameter.empty:
            words.append(str(value))
        elif value != parameter.default:
            flags += flag(parameter.name, value)
    return shlex.join([*words, *flags])


def flag(name: str, value: object) -> list[str]:
    dashed = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{dashed}"]
    return [f"--{dashed}", str(value)]
