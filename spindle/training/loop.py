"""How does a network learn?  Epoch by epoch, judged as it goes, and always safe to be stopped."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from threading import current_thread, main_thread

from spindle.data.metrics import HEADLINE
from spindle.model import atomic, weights
from spindle.model.weights import Model, Weights
from spindle.training import checkpoint
from spindle.training.checkpoint import State
from spindle.training.judging import judged
from spindle.training.learner import Learner
from spindle.training.run import LEARNING, LOG, MODEL, Moment, Row, Run

SAFE = 60.0  # seconds of work that a killed run loses at most


class Stopped(KeyboardInterrupt):
    """A run that was asked to stop, and has kept what it learnt."""


@dataclass
class Progress:
    """What a run knows of itself between two steps; with the learner's state, all there is."""

    epoch: int = 0
    step: int = 0  # steps done of this epoch
    total: float = 0.0  # the sum of their losses
    best: float | None = None
    stale: int = 0  # judgings since the best
    rows: list[Row] = field(default_factory=list)


def teach(
    run: Run, first: Weights, teacher: Model | None = None, state: State | None = None
) -> Model:
    """Runs to the end, from the beginning or from a state in which it was left; gives the best."""
    recipe, folder = run.recipe, run.folder
    learner = Learner(run.graph, first, run.data.task, recipe, run.machine, run.steps, teacher)
    progress = Progress()
    if state:
        learner.restore(state["learner"])
        progress = Progress(**state["progress"])
    saved = time.monotonic()

    def keep() -> None:
        if run.machine.first:
            known = {"learner": learner.state(), "progress": asdict(progress)}
            checkpoint.save(folder, {"settings": run.settings} | known)

    with listening() as asked:
        lessons = run.lessons(progress.epoch, progress.step)
        while progress.epoch < recipe.epochs:
            began, first_step, speed = time.monotonic(), progress.step, 0.0
            for batches in islice(lessons, run.steps - progress.step):
                progress.total += learner.step(batches)
                progress.step += 1
                pictures = (progress.step - first_step) * recipe.batch * recipe.accumulate
                speed = pictures * run.machine.world / max(time.monotonic() - began, 1e-9)
                said(run, progress, speed)
                if run.machine.agreed(bool(asked), progress.step):
                    keep()
                    raise Stopped(
                        f"stopped in epoch {progress.epoch + 1} of {recipe.epochs}; "
                        f"what was learnt is kept in {folder}: run the same command to go on"
                    )
                if time.monotonic() - saved > SAFE:
                    keep()
                    saved = time.monotonic()
            close(run, learner, progress, speed)
            if 0 < recipe.patience <= progress.stale:
                break
            keep()
            saved = time.monotonic()
    if not run.machine.first:
        return run.model(learner.weights(), {})
    checkpoint.save(folder, {"settings": run.settings})  # all that a finished run needs
    return weights.load(folder / MODEL)


def said(run: Run, progress: Progress, speed: float) -> None:
    """A word to whoever watches."""
    done, total = progress.epoch * run.steps + progress.step, run.recipe.epochs * run.steps
    words = f"epoch {progress.epoch + 1}/{run.recipe.epochs}, {speed:.0f} pictures/s"
    words += f", loss {progress.total / progress.step:.3f}"
    if progress.best is not None:
        words += f", best {HEADLINE[run.data.task]} {progress.best:.3f}"
    run.watch(Moment(LEARNING, done, total, words))


def close(run: Run, learner: Learner, progress: Progress, speed: float) -> None:
    """The end of an epoch: judged, written down, and kept where it is the best so far."""
    recipe, mean = run.recipe, progress.total / max(progress.step, 1)
    epoch = progress.epoch + 1
    row: Row = {"epoch": epoch, "step": epoch * run.steps, "time": time.time(), "train_loss": mean}
    row |= {"rate": learner.rate, "pictures_per_second": round(speed, 1)}
    if epoch % recipe.judge_every == 0 or epoch == recipe.epochs:
        learnt = learner.weights(run.counted if run.counts_anew else None)
        judge = judged(run.graph, learnt, run.data, run.machine, run.watch)
        scores = judge.scores()
        row |= scores
        score = scores.get(HEADLINE[run.data.task], 0.0)
        progress.stale += 1
        if progress.best is None or score > progress.best:
            progress.best, progress.stale = score, 0
            if run.machine.first:
                weights.save(run.model(learnt, scores), run.folder / MODEL)
    progress.rows.append(row)
    if run.machine.first:
        text = "".join(json.dumps(row) + "\n" for row in progress.rows)
        atomic.write(run.folder / LOG, text.encode())
    run.watch(Moment(LEARNING, epoch, recipe.epochs, row=row))
    progress.epoch, progress.step, progress.total = epoch, 0, 0.0


@contextmanager
def listening() -> Iterator[list[int]]:
    """The signals that have asked this process to stop; a second one does so at once."""
    asked: list[int] = []
    if current_thread() is not main_thread():
        yield asked
        return

    def hear(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {name: signal.signal(name, hear) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
