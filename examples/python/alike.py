"""Which pictures of a folder show the same as one picture?  python alike.py MODEL PICTURE FOLDER

The model must embed: pictures of one identity then lie near each other, as `spindle train` has
taught it from data like Market-1501.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import spindle

SHOWN = 5


def main(model: str, asked: str, folder: str) -> None:
    network = spindle.load(model)

    def vector(picture: str | Path) -> NDArray[np.float32]:
        result = network(picture)
        if not isinstance(result, spindle.Embedding):
            raise SystemExit(f"{model} does not embed: its task is to {network.task}")
        return result.vector

    pictures = [path for path in sorted(Path(folder).iterdir()) if path != Path(asked)]
    vectors = np.stack([vector(path) for path in pictures])
    alike = vectors @ vector(asked)  # of length one each: this is the cosine
    for i in np.argsort(-alike, kind="stable")[:SHOWN]:
        print(f"{alike[i]:.3f} {pictures[i].name}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
