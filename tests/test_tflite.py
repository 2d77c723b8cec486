"""LiteRT says of our file what the definition says."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spindle.app.peers.finish import parted
from spindle.compiler import reference, tflite
from spindle.model import record
from spindle.model.family import mobilenet_v2
from spindle.model.graph import FAMILIES, Builder
from spindle.model.heads import HEADS
from spindle.model.ops import Deconv
from tests.scramble import scrambled

pytest.importorskip("ai_edge_litert")
from spindle.app.peers import litert  # noqa: E402


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", HEADS)
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


def test_notes_travel() -> None:
    """Read by the library that the format's makers give to Python: field 6 holds the metadata."""
    flatbuffers = pytest.importorskip("flatbuffers")
    graph = mobilenet_v2(0.1, 32)
    notes = {"spindle": "of here", "labels": "cat"}
    content = bytearray(tflite.write(graph, scrambled(graph), 1, notes))
    (at,) = struct.unpack_from("<I", content)
    root = flatbuffers.table.Table(content, at)

    def each(place: int) -> list[Any]:
        start = root.Vector(root.Offset(4 + 2 * place))
        tables = range(start, start + 4 * root.VectorLen(root.Offset(4 + 2 * place)), 4)
        return [flatbuffers.table.Table(content, root.Indirect(one)) for one in tables]

    found = {}
    for note in each(6):
        kind = flatbuffers.number_types
        number = note.Get(kind.Uint32Flags, note.Pos + note.Offset(6))
        buffer = each(4)[number]
        array = buffer.GetVectorAsNumpy(kind.Uint8Flags, buffer.Offset(4))
        found[note.String(note.Pos + note.Offset(4)).decode()] = array.tobytes().decode()
    assert found == notes


def test_what_it_cannot_say_is_refused() -> None:
    g = Builder((8, 8))
    x = g.conv(g.image, "first", 4)
    graph = g.graph(g.add(Deconv("up", (x,), 4, 3, 2, 1, 2, 1)))
    with pytest.raises(ValueError, match="no transposed convolution such as up"):
        tflite.write(graph, scrambled(graph))
