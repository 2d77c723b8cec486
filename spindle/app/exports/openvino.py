"""How does a model leave for OpenVINO?  By its own converter from our ONNX, never in bf16."""

from __future__ import annotations

from pathlib import Path

import openvino

from spindle.app.exports.form import Form, Leaving
from spindle.app.peers.serving import Array, Run
from spindle.compiler import qdq

# by itself it would compute in bf16 wherever the processor can
SETTINGS = {"INFERENCE_PRECISION_HINT": "f32"}


def write(leaving: Leaving, folder: Path) -> None:
    source = folder / "model.onnx"
    source.write_bytes(qdq.write(leaving.graph, leaving.weights, leaving.batch))
    network = openvino.convert_model(source)
    network.set_rt_info(leaving.notes, "spindle")
    (folder / "openvino").mkdir()
    openvino.save_model(network, folder / "openvino" / "model.xml", compress_to_fp16=False)


def load(folder: Path, threads: int, precision: str) -> Run:
    settings = SETTINGS | {"INFERENCE_NUM_THREADS": threads}
    network = openvino.Core().compile_model(folder / "openvino" / "model.xml", "CPU", settings)
    names = [output.get_any_name() for output in network.outputs]

    def run(pixels: Array) -> dict[str, Array]:
        made = network([pixels])
        return {name: made[place].copy() for place, name in enumerate(names)}

    return run


OPENVINO = Form("OpenVINO", "openvino", write, load, free=True, grids="tensor")
