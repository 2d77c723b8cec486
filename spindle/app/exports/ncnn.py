"""How does a model leave for ncnn?  As our own reading, beside it what the caller is to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from spindle.app.exports.form import Form, Leaving
from spindle.app.peers import ncnn as peer
from spindle.app.peers.serving import Run
from spindle.compiler import ncnn
from spindle.model import record


def write(leaving: Leaving, folder: Path) -> None:
    text, data = ncnn.write(leaving.graph, leaving.weights)
    room = folder / "ncnn"
    room.mkdir()
    (room / "model.param").write_text(text)
    (room / "model.bin").write_bytes(data)
    own = {"preprocessing": record.to_json(leaving.graph)["ops"][0]}  # its range is in the weights
    (room / "spindle.json").write_text(json.dumps(json.loads(leaving.notes) | own))
    shutil.copy(folder / "graph.json", room)  # which says what is to be done with the outputs


def load(folder: Path, threads: int, precision: str) -> Run:
    return peer.load(folder / "ncnn", threads, precision)


NCNN = Form("ncnn", "ncnn", write, load, ncnn.LEFT_OUT, most=1)
