"""What was said of which picture before?  A file of JSON lines, gone on with where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from spindle.model import atomic

Key = tuple[str, int | None]  # a picture's path, or a video's and the number of a frame
BEGIN = b'{"image": "'


class Journal:
    """A line a picture, each whole on the disk before the next: only the last can be torn."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.is_dir():
            raise ValueError(f"{path} is a folder: name a file such as results.jsonl")
        self.done: set[Key] = set()
        whole = self.read() if atomic.placed(self.path).exists() else 0
        self.file = self.path.open("ab")
        if self.path.is_file():  # a pipe has no end to be mended
            self.file.truncate(whole)

    def read(self) -> int:
        """Learns what is done; gives the bytes of whole lines.  What is not ours is left alone."""
        whole = 0
        with self.path.open("rb") as file:
            for line in file if self.path.is_file() else ():
                if not line.endswith(b"\n") and (line.startswith(BEGIN) or BEGIN.startswith(line)):
                    break  # the line that was being written
                self.done.add(self.key(line))
                whole += len(line)
        return whole

    def key(self, line: bytes) -> Key:
        try:
            said = json.loads(line)
            return key(said)
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{self.path} is there already and holds other things than results: "
                "choose another name"
            ) from None

    def write(self, said: dict[str, Any]) -> None:
        self.file.write(json.dumps(said).encode() + b"\n")
        self.file.flush()
        self.done.add(key(said))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def key(said: dict[str, Any]) -> Key:
    """Which picture these words are about."""
    return str(said["image"]), said.get("frame")
