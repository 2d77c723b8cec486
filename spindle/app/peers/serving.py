"""How is a runtime commanded?  From a process of its own: a line of JSON in, a line of JSON out.

The runtime is loaded from files that were written before, so that its memory and its start are its
own.  `{"runs": n}` answers with the milliseconds of n runs and the most memory held so far;
`{"answer": path}` writes what the runtime says of the picture.  Started with the word `once`, it
says the first label of one picture file and is gone: what a cold start costs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

Array = NDArray[Any]
Run = Callable[[Array], dict[str, Array]]  # pictures of bytes in, the graph's outputs out
Load = Callable[[Path, int, str], Run]  # folder of files, threads, precision


def serve(load: Load, share: Load | None = None) -> None:
    """The life of such a process: ready, then a command after the other, until nobody asks."""
    how, folder, threads, precision = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    if how == "once":
        return once(load(folder, threads, precision), Path(sys.argv[5]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a runtime prints is no answer
    try:
        if how == "share":
            load = share or partial(shared, load)
        run = load(folder, threads, precision)
        pictures = np.load(folder / "pictures.npy")
        pictures = pictures[0] if len(pictures) == 1 else pictures
        run(pictures)
        answers.write('{"ready": true}\n')
        for line in sys.stdin:
            answers.write(json.dumps(obey(json.loads(line), run, pictures)) + "\n")
    except Exception as error:  # of any kind: whose runtime it is does not matter to the others
        with suppress(BrokenPipeError):
            said = " ".join(f"{type(error).__name__}: {error}".split())
            answers.write(json.dumps({"error": said[:300]}) + "\n")


def obey(command: dict[str, Any], run: Run, pictures: Array) -> dict[str, Any]:
    match command:
        case {"runs": int(count)}:
            return {"ms": [timed(run, pictures) for _ in range(count)], "peak": peak_memory()}
        case {"answer": str(path)}:
            np.savez(path, **run(pictures))  # type: ignore[arg-type]
            return {}
    raise ValueError(f"no command: {command}")


def timed(run: Run, pictures: Array) -> float:
    start = time.perf_counter_ns()
    run(pictures)
    return (time.perf_counter_ns() - start) / 1e6


def peak_memory() -> int:
    """The most bytes this process has held in memory; 0 where the system does not tell."""
    told = Path("/proc/self/status")
    lines = told.read_text().splitlines() if told.exists() else []
    return 1024 * int(next((x.split()[1] for x in lines if x.startswith("VmHWM")), 0))


def shared(load: Load, folder: Path, threads: int, precision: str) -> Run:
    """A batch in the other way: each thread has a runtime for itself and every n-th picture."""
    each = [load(folder, 1, precision) for _ in range(threads)]

    def some(number: int, pictures: Array, rows: list[dict[str, Array]]) -> None:
        for i in range(number, len(pictures), threads):
            rows[i] = {name: out.copy() for name, out in each[number](pictures[i]).items()}

    def run(pictures: Array) -> dict[str, Array]:
        rows: list[dict[str, Array]] = [{}] * len(pictures)
        others = [Thread(target=some, args=(i, pictures, rows)) for i in range(1, threads)]
        for thread in others:
            thread.start()
        some(0, pictures, rows)
        for thread in others:
            thread.join()
        if not all(rows):
            raise ValueError("one of its threads failed")
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    return run


def once(run: Run, picture: Path) -> None:
    """The place of the largest of the first output, for one picture file."""
    height, width = np.load(picture.parent / "pictures.npy", mmap_mode="r").shape[1:3]
    with Pillow.open(picture) as opened:
        pixels = np.asarray(opened.convert("RGB").resize((width, height)))
    print(int(next(iter(run(pixels).values())).argmax()), flush=True)
    os._exit(0)  # the answer is out; how tidily a runtime leaves is not asked
