"""The whole chain on one small network: a graph, two readings, a file, and the same answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import spindle
from spindle.compiler import reference
from spindle.data.synthetic import KINDS, scene
from spindle.model import weights
from spindle.model.family import mobilenet_v2
from spindle.model.graph import TORCH
from spindle.model.ops import Conv
from spindle.model.weights import Model
from spindle.training.loop import teach
from tests.scramble import scrambled

TINY = mobilenet_v2(0.1, 48, classes=len(KINDS))


def test_a_network_drawn_taught_kept_and_opened_says_the_same(tmp_path: Path) -> None:
    scenes = [scene(seed, 48, 48, most=1) for seed in range(40)]
    pictures = np.stack([each.picture for each in scenes])
    classes = np.array([each.shapes[0].kind for each in scenes])
    before = scrambled(TINY)
    taught = teach(TINY, pictures, classes, steps=3, batch=8)
    assert any((taught[name] != before[name]).any() for name in taught)

    path = tmp_path / "tiny.safetensors"
    made = weights.save(Model(TINY, taught, "classify", KINDS, recipe={"steps": 3}), path)
    opened = spindle.open_model(path)
    assert opened.graph == TINY and opened.labels == KINDS and len(made) == 64
    assert all((opened.weights[name] == taught[name]).all() for name in taught)

    for picture in pictures[:5]:
        numpy_says = spindle.load(path)(picture)
        torch_says = spindle.load(path, reading="torch")(picture)
        assert isinstance(numpy_says, spindle.Classification)
        assert isinstance(torch_says, spindle.Classification)
        scores = [dict(says.classes) for says in (numpy_says, torch_says)]
        assert all(abs(scores[0][kind] - scores[1][kind]) < 1e-5 for kind in KINDS)


def test_the_same_seed_teaches_the_same() -> None:
    pictures = np.stack([scene(seed, 48, 48).picture for seed in range(16)])
    classes = np.arange(16) % 3
    first, second = (teach(TINY, pictures, classes, steps=2, batch=8, seed=5) for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_it_can_learn_a_handful_by_heart() -> None:
    scenes = [scene(seed, 48, 48, most=1) for seed in range(12)]
    pictures = np.stack([each.picture for each in scenes])
    classes = np.array([each.shapes[0].kind for each in scenes])
    graph = mobilenet_v2(0.1, 48, classes=len(KINDS), family=TORCH).map(
        lambda op: replace(op, drop=0.0) if isinstance(op, Conv) else op
    )
    taught = teach(graph, pictures, classes, steps=80, batch=12)
    logits = reference.run(graph.until("logits"), taught, pictures)["logits"]
    assert (logits[:, 0, 0].argmax(axis=1) == classes).mean() > 0.9
