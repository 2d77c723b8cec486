"""ONNX Runtime and OpenVINO say of our file what the definition says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spindle.compiler import onnx, reference
from spindle.compiler.fold import fold
from spindle.model.family import mobilenet_v2
from spindle.model.graph import FAMILIES, Builder, Graph
from spindle.model.heads import HEADS
from spindle.model.ops import Deconv, Tensor
from spindle.model.weights import Weights
from tests.scramble import scrambled

onnxruntime = pytest.importorskip("onnxruntime")
Array = NDArray[Any]


def asked(graph: Graph, weights: Weights, pictures: Array, batch: int | None) -> list[Array]:
    content = onnx.write(graph, weights, batch)
    made: list[Array] = onnxruntime.InferenceSession(content).run(None, {"image": pictures})
    return made


def pictures(graph: Graph, batch: int) -> Array:
    rng = np.random.default_rng(batch)
    return rng.integers(0, 256, (batch, *graph.input.shape), np.uint8)


def same(graph: Graph, want: dict[str, Array], got: list[Array]) -> None:
    for tensor, array in zip(graph.outputs, got, strict=True):
        true = want[tensor.name]
        assert array.shape == true.shape and array.dtype == true.dtype
        if true.dtype == np.int32:
            assert (array != true).mean() < 1e-3  # of scores as good as equal, either may win
        else:
            np.testing.assert_allclose(array, true, rtol=0, atol=1e-4 * np.abs(true).max())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", HEADS)
def test_every_head(head: str, family: str) -> None:
    size = {"segment": (33, 49), "detect": (96, 64)}.get(HEADS[head].task, (64, 48))
    graph = mobilenet_v2(0.1, size, head, 5, family=FAMILIES[family])
    weights, seen = scrambled(graph), pictures(graph, 2)
    same(graph, reference.run(graph, weights, seen), asked(graph, weights, seen, 2))
    folded = fold(graph, weights)
    same(graph, reference.run(graph, weights, seen[:1]), asked(*folded, seen[:1], 1))


@pytest.mark.parametrize("score", ["sigmoid", "softmax"])
@pytest.mark.parametrize("threshold", [0.3, 0.9999])
def test_boxes_with_few_or_none_above_the_threshold(score: str, threshold: float) -> None:
    graph = mobilenet_v2(0.1, 64, "ssdlite", 3)
    from_old: dict[str, Any] = {"score": score, "threshold": threshold, "most": 7}
    graph = graph.map(lambda op: changed(op, from_old))
    weights, seen = scrambled(graph), pictures(graph, 1)
    want = reference.run(graph, weights, seen)
    same(graph, want, asked(graph, weights, seen, 1))


def changed(op: Any, settings: dict[str, Any]) -> Any:
    return type(op)(**(vars(op) | settings)) if op.name == "detections" else op


def every_kind() -> Graph:
    """What no head has: groups, an odd deconvolution, a resize downwards, channels side by side."""
    g = Builder((17, 22))

    def deconv(x: Tensor, name: str, **settings: int) -> Tensor:
        return g.add(Deconv(name, (x,), **{"channels": 8, "kernel": 3} | settings))  # type: ignore[arg-type]

    x = g.conv(g.image, "first", 8, 3, stride=2, padding=2)
    grouped = g.conv(x, "grouped", 12, 3, groups=4, dilation=2)
    up = deconv(grouped, "up", stride=3, padding=1, groups=4)
    down = g.resize(up, "down", like=x)
    both = g.concat([x, g.sum(down, x, "shortcut")], "both")
    return g.graph(g.conv(both, "last", 3, act="relu", norm=None), g.rows(both, "rows", 4))


def test_what_no_head_has_and_a_free_batch() -> None:
    graph = every_kind()
    weights = scrambled(graph)
    for batch in (1, 3):
        seen = pictures(graph, batch)
        same(graph, reference.run(graph, weights, seen), asked(graph, weights, seen, None))


@pytest.mark.parametrize("score", ["sigmoid", "softmax"])
def test_boxes_of_a_free_batch_are_those_of_each_picture(score: str) -> None:
    """Also where one picture has few or none, and another more than are asked for."""
    graph = mobilenet_v2(0.1, 64, "ssdlite", 3)
    graph = graph.map(lambda op: changed(op, {"score": score, "most": 30}))
    weights, seen = scrambled(graph), pictures(graph, 4)
    seen[1], seen[2] = 255, seen[2] // 9
    found = reference.run(graph, weights, seen)["detections"][..., 0, 4]
    last, next_ = np.sort(found.ravel())[[-50, -51]]
    few_of_some = {"threshold": float(last + next_) / 2, "most": 14}
    graph = graph.map(lambda op: changed(op, few_of_some))
    want = reference.run(graph, weights, seen)
    counts = {int((rows[..., 5] >= 0).sum()) for rows in want["detections"]}
    assert min(counts) < 14 == max(counts)
    for batch in (1, 4):
        few = {name: array[:batch] for name, array in want.items()}
        same(graph, few, asked(graph, weights, seen[:batch], None))


def test_what_goes_in_and_out_is_called_as_in_the_graph() -> None:
    graph = mobilenet_v2(0.1, 64, "embedding", 5)
    session = onnxruntime.InferenceSession(onnx.write(graph, scrambled(graph), None))
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", ["batch", 64, 64, 3])
    outs = [(out.name, tuple(out.shape[1:])) for out in session.get_outputs()]
    assert outs == [(tensor.name, tensor.shape) for tensor in graph.outputs]


def test_the_same_graph_makes_the_same_bytes_and_notes_travel() -> None:
    graph = mobilenet_v2(0.1, 32)
    weights, notes = scrambled(graph), {"labels": "cat, dog", "a": "b"}
    content = onnx.write(graph, weights, 1, notes)
    assert content == onnx.write(graph, weights, 1, dict(reversed(notes.items())))
    session = onnxruntime.InferenceSession(content)
    assert session.get_modelmeta().custom_metadata_map == notes


def test_openvino_reads_it_too() -> None:
    openvino = pytest.importorskip("openvino")
    for head in ("classifier", "ssdlite", "deeplab", "pose"):
        graph = mobilenet_v2(0.1, 64, head, 5)
        weights, seen = scrambled(graph), pictures(graph, 1)
        core = openvino.Core()
        network = core.compile_model(
            core.read_model(onnx.write(graph, weights)), "CPU",
            {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1},
        )  # fmt: skip
        same(graph, reference.run(graph, weights, seen), list(network([seen]).values()))


def test_openvino_takes_a_free_batch_of_pictures_with_boxes() -> None:
    openvino = pytest.importorskip("openvino")
    graph = mobilenet_v2(0.1, 64, "ssdlite", 3)
    weights, seen = scrambled(graph), pictures(graph, 3)
    core = openvino.Core()
    network = core.compile_model(
        core.read_model(onnx.write(graph, weights, None)), "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1},
    )  # fmt: skip
    same(graph, reference.run(graph, weights, seen), list(network([seen]).values()))
