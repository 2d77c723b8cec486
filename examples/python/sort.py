"""Copies pictures into folders by what a model sees in them: python sort.py MODEL FROM TO

What it is not sure of goes to the folder "unsure", to be looked at by a person.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

import spindle

SURE = 0.8


def main(model: str, source: str, to: str) -> None:
    network = spindle.load(model)
    found: Counter[str] = Counter()
    for picture in sorted(Path(source).iterdir()):
        result = network(picture)
        if not isinstance(result, spindle.Classification):
            raise SystemExit(f"{model} does not classify: its task is to {network.task}")
        label, score = result.classes[0]
        folder = Path(to) / (label if score >= SURE else "unsure")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(picture, folder)
        found[folder.name] += 1
    for name, number in sorted(found.items()):
        print(f"{number:6} {name}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
