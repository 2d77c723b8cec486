"""How does a model leave as ONNX?  As our own reading of its graph, whole: NMS is in the file."""

from __future__ import annotations

from pathlib import Path

from spindle.app.exports.form import Form, Leaving
from spindle.app.peers.onnxruntime import load
from spindle.compiler import qdq
from spindle.model import atomic


def write(leaving: Leaving, folder: Path) -> None:
    notes = {"spindle": leaving.notes}
    content = qdq.write(leaving.graph, leaving.weights, leaving.batch, notes)
    atomic.write(folder / "model.onnx", content)


ONNX = Form("ONNX", "model.onnx", write, load, free=True, grids="tensor")
