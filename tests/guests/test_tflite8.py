"""LiteRT reckons with bytes what the definition says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spindle.app.bench import noise
from spindle.app.peers.finish import parted
from spindle.compiler import reference, tflite, tflite8
from spindle.compiler.uniform import uniform
from spindle.model import record
from spindle.model.ops import Conv
from spindle.model.weights import Model
from tests.small import small
from tests.test_uniform import TASKS, quantized

pytest.importorskip("ai_edge_litert")
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

from spindle.app.peers import litert  # noqa: E402


def written(model: Model, folder: Path, batch: int = 1) -> bytes:
    first, _ = parted(model.graph, tflite.LEFT_OUT)
    (folder / "graph.json").write_text(json.dumps(record.to_json(model.graph)))
    own = {name: model.weights[name] for name in first.arrays}
    content = tflite8.write(first, own, batch)
    (folder / "model.tflite").write_bytes(content)
    return content


@pytest.mark.parametrize("task", TASKS)
def test_every_task(task: Any, tmp_path: Path) -> None:
    model = quantized(task)
    seen = noise(model.graph, 2)
    for pictures in (None, seen):
        graph, weights = uniform(model.graph, model.weights, pictures)
        written(Model(graph, weights, task), tmp_path, 2)
        got = litert.load(tmp_path, 1, "int8")(seen)
        for name, true in reference.run(graph, weights, seen).items():
            assert got[name].shape == true.shape and got[name].dtype == true.dtype
            apart = np.abs(got[name] - true)
            assert (apart > 0.02 * np.abs(true).max()).mean() < 0.01


def test_all_that_can_be_is_bytes(tmp_path: Path) -> None:
    """Its own list of tensors says so: one grid each, and one for each channel of weights."""
    model = quantized("classify")
    graph, weights = uniform(model.graph, model.weights, noise(model.graph, 2))
    engine = Interpreter(model_content=written(Model(graph, weights, "classify"), tmp_path))
    tensors = {each["name"]: each for each in engine.get_tensor_details()}
    for op in graph.ops:
        assert tensors[op.name]["dtype"] == (np.int8 if op.grid else np.float32), op.name
        if isinstance(op, Conv):
            weight = tensors[f"{op.name}_weight"]
            assert weight["dtype"] == np.int8
            assert len(weight["quantization_parameters"]["scales"]) == op.channels
            assert tensors[f"{op.name}_bias"]["dtype"] == np.int32
    assert sum(op.grid for op in graph.ops) == len(graph.ops) - 1


def test_numbers_are_written_as_ever() -> None:
    model = small("segment")
    assert tflite8.write(model.graph, model.weights) == tflite.write(model.graph, model.weights)
