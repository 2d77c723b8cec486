"""How does a floor open?  By name, when asked: `import spindle` stays light, and torch outside.

A floor whose rooms hold heavy guests says its public names once, in `__init__.pyi`, as imports;
editors and mypy read them there, and so does this door.  Nothing else in the house imports late.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

Opener = Callable[[str], object]


def door(init: str, extra: str = "") -> tuple[list[str], Opener, Callable[[], list[str]]]:
    """`__all__`, `__getattr__` and `__dir__` of the floor whose `__init__.py` this is."""
    floor = Path(init).parent
    tree = ast.parse((floor / "__init__.pyi").read_text("utf-8"))
    rooms = {
        alias.asname or alias.name: str(node.module)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spindle")
        for alias in node.names
    }

    def open_room(name: str) -> object:
        if name not in rooms:
            raise AttributeError(f"{floor.name} has no {name!r}")
        try:
            return getattr(import_module(rooms[name]), name)
        except ModuleNotFoundError as error:
            if not extra or (error.name or "").startswith("spindle"):
                raise
            raise ModuleNotFoundError(
                f"{name} needs {error.name}, which is not here: pip install 'spindle[{extra}]'",
                name=error.name,
            ) from None

    names = sorted(rooms)
    return names, open_room, lambda: names
