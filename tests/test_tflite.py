"""LiteRT says of our file what the definition says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spindle.app.peers.finish import parted
from spindle.compiler import reference, tflite
from spindle.model import record
from spindle.model.family import mobilenet_v2
from spindle.model.graph import FAMILIES
from spindle.model.heads import HEADS
from tests.scramble import scrambled

pytest.importorskip("ai_edge_litert")
from spindle.app.peers import litert  # noqa: E402


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", [head for head in HEADS if head != "pose-light"])
def test_every_head(head: str, family: str, tmp_path: Path) -> None:
    size = {"segment": (33, 49), "detect": (96, 64)}.get(HEADS[head].task, (64, 48))
    graph = mobilenet_v2(0.1, size, head, 5, family=FAMILIES[family])
    weights = scrambled(graph)
    seen = np.random.default_rng(1).integers(0, 256, (2, *graph.input.shape), np.uint8)
    first, _ = parted(graph, tflite.LEFT_OUT)
    own = {name: weights[name] for name in first.arrays}
    (tmp_path / "graph.json").write_text(json.dumps(record.to_json(graph)))
    (tmp_path / "model.tflite").write_bytes(tflite.write(first, own, 2))
    got = litert.load(tmp_path, 1, "float32")(seen)
    for name, true in reference.run(graph, weights, seen).items():
        assert got[name].shape == true.shape and got[name].dtype == true.dtype
        if true.dtype == np.int32:
            assert (got[name] != true).mean() < 1e-3
        else:
            np.testing.assert_allclose(got[name], true, rtol=0, atol=1e-4 * np.abs(true).max())


def test_the_same_graph_makes_the_same_bytes() -> None:
    graph = mobilenet_v2(0.1, 32)
    weights = scrambled(graph)
    assert tflite.write(graph, weights) == tflite.write(graph, weights)


def test_what_it_cannot_say_is_refused() -> None:
    graph = mobilenet_v2(0.1, (64, 48), "pose-light", 5)
    first, _ = parted(graph, tflite.LEFT_OUT)
    weights = scrambled(graph)
    with pytest.raises(ValueError, match="no transposed convolution such as up1_filter"):
        tflite.write(first, {name: weights[name] for name in first.arrays})
