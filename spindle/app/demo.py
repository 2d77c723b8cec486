"""The whole of it on pictures drawn on the spot: draw a network, teach it, keep it, use it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle import training
from spindle.app import table
from spindle.app.draw import contact_sheet, draw_result
from spindle.app.predictor import Predictor, load
from spindle.app.progress import Bar
from spindle.compiler import reference
from spindle.data.results import Classification
from spindle.data.synthetic import KINDS, Scene, scene
from spindle.model import atomic
from spindle.model.family import mobilenet_v2
from spindle.model.graph import TORCH
from spindle.model.heads import HEADS
from spindle.model.ops import Conv, Op
from spindle.model.weights import Model, initial, save

LESSONS, EXAM, STEPS, SIZE = 4000, 200, 300, 64


def demonstrate(folder: Path) -> int:
    """Runs the demo and leaves its files in `folder`; 0 if everything held."""
    teach = training.teach  # before anything is drawn: torch may be absent
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    graph = mobilenet_v2()
    said("the paper's network", f"{graph.madds:,} multiply-adds, {graph.params:,} parameters")

    small = mobilenet_v2(0.35, SIZE, classes=len(KINDS), family=TORCH)
    said(
        "a small one",
        f"width 0.35 at {SIZE} px, {small.madds:,} multiply-adds, {small.params:,} parameters",
    )
    lessons, exam = drawn(range(LESSONS)), drawn(range(10**6, 10**6 + EXAM))
    bar = Bar("learning", STEPS, "steps")
    weights = teach(small.map(quiet), *arrays(lessons), STEPS, bar.show)
    bar.end()
    path = folder / "shapes.safetensors"
    save(
        Model(small, weights, "classify", KINDS, recipe={"steps": STEPS, "lessons": LESSONS}), path
    )

    predictor = load(path)
    results = [predictor(scene.picture) for scene in exam]
    right = sum(
        named(result) == KINDS[scene.shapes[0].kind]
        for result, scene in zip(results, exam, strict=True)
    )
    usual = Counter(scene.shapes[0].kind for scene in exam).most_common(1)[0][1]
    said(
        "it learned",
        f"{right / EXAM:.1%} of {EXAM} unseen shapes right (guessing: {usual / EXAM:.1%})",
    )
    shown = [
        draw_result(Pillow.fromarray(scene.picture).resize((256, 256)), result)
        for scene, result in zip(exam[:12], results, strict=False)
    ]
    png = BytesIO()
    contact_sheet(shown, columns=6, side=270).save(png, "png")
    atomic.write(folder / "shapes.png", png.getvalue())

    twin = Predictor(predictor.model, "torch")
    same = sum(
        named(twin(scene.picture)) == named(result)
        for scene, result in zip(exam, results, strict=True)
    )
    said("one graph, two readings", f"numpy and torch agree on {same} of {EXAM}")
    apart = 0.0
    for name in HEADS:
        apart = max(apart, disagreement(name))
    said(
        f"all {len(HEADS)} heads",
        f"numpy and torch apart by {apart:.0e} at most, of the largest number",
    )
    said("left behind", f"{path}, {folder / 'shapes.png'} ({time.monotonic() - began:.0f} s)")
    return 0 if right / EXAM > 0.8 and same == EXAM and apart < 1e-4 else 1


def quiet(op: Op) -> Op:
    """A classifier that begins near zero and drops nothing: a short lesson has no time for more."""
    return (
        replace(op, spread=0.01, drop=0.0) if isinstance(op, Conv) and op.name == "logits" else op
    )


def said(what: str, how: str) -> None:
    print(f"{table.bold(f'{what:<24}')} {how}", flush=True)


def drawn(seeds: range) -> list[Scene]:
    bar = Bar("drawing", len(seeds), "pictures")
    scenes = []
    for number, seed in enumerate(seeds, 1):
        scenes.append(scene(seed, SIZE, SIZE, most=1))
        bar.show(number)
    bar.end()
    return scenes


def arrays(scenes: list[Scene]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return np.stack([s.picture for s in scenes]), np.array([s.shapes[0].kind for s in scenes])


def named(result: object) -> str:
    assert isinstance(result, Classification)
    return result.classes[0][0]


def disagreement(head: str) -> float:
    """How far numpy and torch are apart on the last numbers of a head, before it decides."""
    last = {
        "detect": ("boxes", "classes"),
        "segment": ("logits",),
        "pose": ("heatmaps",),
        "embed": ("embedding",),
    }
    graph = mobilenet_v2(0.35, 97, head).until(*last.get(HEADS[head].task, ("logits",)))
    weights, picture = initial(graph), scene(0, 97, 97).picture
    ours, theirs = reference.run(graph, weights, picture), training.reader(graph, weights)(picture)
    return max(
        float(np.abs(ours[name] - theirs[name]).max() / np.abs(ours[name]).max()) for name in ours
    )
