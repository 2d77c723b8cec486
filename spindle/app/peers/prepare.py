"""What must lie on the disk before a runtime can be asked?  The network in each one's own form."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.app.building import compile_model
from spindle.app.peers.finish import Kinds, parted
from spindle.compiler import ncnn, qdq, stamp, tflite, tflite8
from spindle.compiler.fold import fold
from spindle.model import atomic, cache, record, weights
from spindle.model.graph import Graph
from spindle.model.ops import Conv, Image, Op
from spindle.model.weights import Model, Weights

Facts = dict[str, Any]
Write = Callable[[Model, Path, int, int, str], Facts]  # model, folder, batch, threads, precision


@dataclass(frozen=True)
class Peer:
    """A runtime: what pip calls it, what Python does, how its file is written, what it can."""

    package: str
    guest: str
    write: Write
    precisions: tuple[str, ...] = ("float32",)

    @property
    def here(self) -> bool:
        return find_spec(self.guest) is not None


def prepare(model: Model, folder: Path, pictures: NDArray[np.uint8], batch: int) -> None:
    """What every runtime finds in the folder: the pictures, the graph, the model file."""
    folder.mkdir(parents=True)
    np.save(folder / "pictures.npy", pictures)
    (folder / "graph.json").write_text(json.dumps(record.to_json(model.graph)))
    weights.save(model, folder / "model.safetensors")


def lightened(model: Model) -> Model:
    """Folded as any user of a runtime would: norms into weights, the picture's range likewise."""
    graph, values = fold(model.graph, model.weights)
    readers = [op for op in graph.ops if graph.input in op.inputs]
    if all(isinstance(op, Conv) and op.groups == 1 for op in readers):
        std = np.asarray(graph.image.std, np.float32)
        changed = {f"{op.name}.weight": values[f"{op.name}.weight"] / std for op in readers}
        return replace(model, graph=graph.map(unscaled), weights=values | changed)
    return replace(model, graph=graph, weights=values)


def unscaled(op: Op) -> Op:
    return replace(op, std=(1.0,) * len(op.std)) if isinstance(op, Image) else op


def part(model: Model, left_out: Kinds) -> tuple[Graph, Weights]:
    """The graph as far as a runtime can say it, and the weights it then needs."""
    graph, _ = parted(model.graph, left_out)
    return graph, {name: model.weights[name] for name in graph.arrays}


def write_spindle(model: Model, folder: Path, batch: int, threads: int, precision: str) -> Facts:
    made = compile_model(model, folder / "model.so", threads=threads, bf16=precision == "bf16")
    return {"arena_bytes": stamp.read(made)["arena"]}


def write_onnx(model: Model, folder: Path, batch: int, threads: int, precision: str) -> Facts:
    (folder / "model.onnx").write_bytes(qdq.write(model.graph, model.weights, batch))
    return {}


def write_tflite(model: Model, folder: Path, batch: int, threads: int, precision: str) -> Facts:
    (folder / "model.tflite").write_bytes(tflite8.write(*part(model, tflite.LEFT_OUT), batch))
    return {}


def write_ncnn(model: Model, folder: Path, batch: int, threads: int, precision: str) -> Facts:
    text, data = ncnn.write(*part(model, ncnn.LEFT_OUT))
    (folder / "model.param").write_text(text)
    (folder / "model.bin").write_bytes(data)
    return {}


def write_nothing(model: Model, folder: Path, batch: int, threads: int, precision: str) -> Facts:
    return {}


def write_executorch(model: Model, folder: Path, batch: int, threads: int, precision: str) -> Facts:
    """Half a minute of torch.export: kept for the next time, by the hash of the model."""
    whole = weights.load(folder / "model.safetensors").hash
    kept = cache.cache() / "bench" / f"{whole[:32]}-{batch}.pte"
    made = folder / "model.pte"
    if kept.exists():
        shutil.copyfile(kept, made)
    else:
        module = "spindle.app.peers.executorch_file"
        done = subprocess.run(
            [sys.executable, "-m", module, str(folder), str(batch)],
            capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        if done.returncode:
            raise ValueError((done.stderr.strip().splitlines() or ["it was not written"])[-1])
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(kept, made.read_bytes())  # it may lie on another disk
    return {}


PEERS = {
    "spindle": Peer("'spindle[compile]'", "spindle", write_spindle, ("float32", "bf16", "int8")),
    "onnxruntime": Peer("onnxruntime", "onnxruntime", write_onnx, ("float32", "int8")),
    "openvino": Peer("openvino", "openvino", write_onnx, ("float32", "bf16", "int8")),
    "litert": Peer("ai-edge-litert", "ai_edge_litert", write_tflite, ("float32", "int8")),
    "ncnn": Peer("ncnn", "ncnn", write_ncnn, ("float32", "bf16")),
    "executorch": Peer("executorch", "executorch", write_executorch),
    "torch": Peer("torch", "torch", write_nothing, ("float32", "bf16")),
}
