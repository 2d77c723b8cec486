"""How does a model leave as TensorFlow Lite?  As our own reading; boxes and peaks are left out."""

from __future__ import annotations

from pathlib import Path

from spindle.app.exports.form import Form, Leaving
from spindle.app.peers.litert import load
from spindle.compiler import tflite, tflite8
from spindle.model import atomic


def write(leaving: Leaving, folder: Path) -> None:
    assert leaving.batch
    notes = {"spindle": leaving.notes}
    content = tflite8.write(leaving.graph, leaving.weights, leaving.batch, notes)
    atomic.write(folder / "model.tflite", content)


TFLITE = Form("TensorFlow Lite", "model.tflite", write, load, tflite.LEFT_OUT, grids="tensor")
