"""ONNX Runtime reckons with bytes what the definition says, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.app.bench import noise
from spindle.compiler import onnx, qdq, reference
from spindle.compiler.uniform import uniform
from spindle.model.graph import Graph
from spindle.model.grids import grids, steps
from spindle.model.ops import Conv, Image
from tests.small import small
from tests.test_uniform import TASKS, quantized

onnxruntime = pytest.importorskip("onnxruntime")
Array = NDArray[Any]
CPU = ["CPUExecutionProvider"]


def asked(content: bytes, seen: Array, quick: bool = True) -> list[Array]:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    if not quick:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    made: list[Array] = onnxruntime.InferenceSession(content, settings, CPU).run(
        None, {"image": seen}
    )
    return made


def near(graph: Graph, want: dict[str, Array], got: list[Array]) -> None:
    for tensor, array in zip(graph.outputs, got, strict=True):
        true = want[tensor.name]
        assert array.shape == true.shape and array.dtype == true.dtype
        np.testing.assert_allclose(array, true, rtol=0, atol=1e-5 * np.abs(true).max())


@pytest.mark.parametrize("batch", [2, None])
@pytest.mark.parametrize("task", TASKS)
def test_every_task(task: Any, batch: int | None) -> None:
    model = quantized(task)
    seen = noise(model.graph, 2)
    for pictures in (None, seen):
        graph, weights = uniform(model.graph, model.weights, pictures)
        content = qdq.write(graph, weights, batch)
        want = reference.run(graph, weights, seen)
        near(graph, want, asked(content, seen, quick=False))  # as the format means it
        near(graph, want, asked(content, seen))  # as its kernels reckon


def test_every_byte_is_the_same() -> None:
    """Of all tensors, not only of the answers."""
    model = quantized("pose")
    graph, weights = uniform(model.graph, model.weights)
    seen, known = noise(graph, 1), grids(graph, weights)
    inner = [op.output for op in graph.ops if op.grid and not isinstance(op, Image)]
    assert len(inner) >= 6
    for tensor in inner:
        told = Graph(graph.ops, (tensor,))
        want = reference.run(told, weights, seen)[tensor.name]
        (got,) = asked(qdq.write(told, weights), seen)
        apart = known[tensor.name].bytes(got).astype(int) - want
        assert np.abs(apart).max() <= 1 and (apart != 0).mean() < 0.01, tensor.name
        assert len(np.unique(want)) > 8


def test_its_kernels_are_those_of_bytes(tmp_path: Path) -> None:
    """What ran is in its profile: no convolution of floats, and nothing between two of bytes."""
    model = quantized("classify")
    settings = onnxruntime.SessionOptions()
    settings.enable_profiling, settings.profile_file_prefix = True, str(tmp_path / "ran")
    session = onnxruntime.InferenceSession(qdq.write(model.graph, model.weights), settings, CPU)
    session.run(None, {"image": noise(model.graph, 1)})
    events = json.loads(Path(session.end_profiling()).read_text())
    ran = [e["args"]["op_name"] for e in events if e["name"].endswith("_kernel_time")]
    convolutions = sum(isinstance(op, Conv) for op in model.graph.ops)
    assert ran.count("QLinearConv") == convolutions - 1 and "Conv" not in ran
    assert ran.count("QLinearAdd") == 1 and ran.count("MatMulIntegerToFloat") == 1
    assert ran.count("DequantizeLinear") <= 1 and "QuantizeLinear" not in ran


def test_weights_are_bytes_in_the_file() -> None:
    """A file holds each weight as one byte, so that its bytes lie in it as they are."""
    model = quantized("classify")
    graph, weights = uniform(model.graph, model.weights)
    content, known = qdq.write(graph, weights), grids(graph, weights)
    for op in graph.ops:
        if isinstance(op, Conv):
            weight, bias = (weights[f"{op.name}.{part}"] for part in ("weight", "bias"))
            planes = steps(op, weights, known).transpose(0, 3, 1, 2)
            turned = planes.T if op.name == "logits" else planes
            assert np.ascontiguousarray(turned).tobytes() in content and weight.nbytes > 100
            assert weight.tobytes() not in content and bias.tobytes() not in content


def test_numbers_are_written_as_ever() -> None:
    model = small("detect")
    assert qdq.write(model.graph, model.weights) == onnx.write(model.graph, model.weights)


def test_openvino_reads_it_too() -> None:
    openvino = pytest.importorskip("openvino")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    for task in ("classify", "embed"):
        model = quantized(task)
        graph, weights = uniform(model.graph, model.weights)
        seen, core = noise(graph, 1), openvino.Core()
        network = core.compile_model(core.read_model(qdq.write(graph, weights)), "CPU", settings)
        want = reference.run(graph, weights, seen)
        for tensor, array in zip(graph.outputs, network([seen]).values(), strict=True):
            apart = np.abs(array - want[tensor.name]).max()
            assert apart < 0.03 * np.abs(want[tensor.name]).max()  # it rounds sums elsewhere
        kinds = {
            (op.get_rt_info()["layerType"].astype(str), str(op.get_output_element_type(0)))
            for op in network.get_runtime_model().get_ordered_ops()
        }
        assert ("Convolution", "<Type: 'uint8_t'>") in kinds
