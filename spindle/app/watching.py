"""How does a run go on?  A bar while it lasts, and its curves as a picture and for TensorBoard."""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from spindle.app import curves, tensorboard
from spindle.app.progress import Bar
from spindle.data.metrics import HEADLINE
from spindle.model import atomic
from spindle.model.heads import Task
from spindle.training.run import ENDED, LEARNING, LOG, Moment

BESIDE: dict[Task, tuple[str, ...]] = {  # the headline, worth a look
    "classify": ("top5",),
    "detect": ("ap50", "ap75"),
    "segment": ("pixel_accuracy",),
    "pose": ("oks_ap50",),
    "embed": ("rank1", "rank5"),
}


class Watcher:
    """Shows a run, one phase after the other, and draws what `metrics.jsonl` says."""

    def __init__(self, folder: Path, task: Task):
        self.folder, self.metrics = folder, (HEADLINE[task], *BESIDE[task])
        self.bar = self.learning = Bar(LEARNING, 0)

    def __call__(self, moment: Moment) -> None:
        if moment.phase == ENDED:
            print(
                f"spindle: the run in {self.folder} had ended, and is not begun again; "
                f"to learn anew, choose another --out",
                file=sys.stderr,
            )
            return
        if moment.phase != self.bar.title:
            self.bar.end()
            self.bar = self.learning if moment.phase == LEARNING else Bar(moment.phase, 0)
        if moment.row is None:
            if not self.bar.total:
                self.bar.total, self.bar.first = moment.total, max(moment.done - 1, 0)
            self.bar.show(moment.done, moment.said)
            return
        self.bar.end()
        if self.bar.live and self.metrics[0] in moment.row:
            print(self.line(moment.row), flush=True)
        text = (self.folder / LOG).read_text("utf-8")
        self.draw([json.loads(line) for line in text.splitlines()])

    def line(self, row: dict[str, Any]) -> str:
        """An epoch in a line."""
        scores = "  ".join(f"{name} {row[name]:.4f}" for name in self.metrics if name in row)
        return f"epoch {row['epoch']:>3}  loss {row['train_loss']:.4f}  {scores}"

    def draw(self, rows: list[dict[str, Any]]) -> None:
        """The whole run so far, as a picture and as TensorBoard's file."""
        png = BytesIO()
        curves.draw_curves(rows, self.metrics).save(png, "png")
        atomic.write(self.folder / "curves.png", png.getvalue())
        atomic.write(self.folder / "events.out.tfevents.spindle", tensorboard.events(rows))
