"""What can be asked about time in a terminal?  The verb bench, for running and for learning."""

from __future__ import annotations

import json as jsonlib
from io import BytesIO
from pathlib import Path
from typing import Any

from spindle import app
from spindle.app.progress import Bar
from spindle.app.quantizing import gathered, samples_at
from spindle.app.typed import sides
from spindle.model import atomic
from spindle.model.family import NETWORKS, point
from spindle.model.graph import Graph
from spindle.model.heads import HEADS, Task
from spindle.model.weights import Model, Weights

PICTURES = 32  # that set ranges


def bench(
    model: str = "mobilenetv2-1.0-224",
    /,
    precision: list[str] | None = None,
    threads: list[int] | None = None,
    against: list[str] | None = None,
    batch: int | None = None,
    rounds: int | None = None,
    start: bool = False,
    layers: bool = False,
    plot: str | None = None,
    width: float | None = None,
    size: str | None = None,
    head: str | None = None,
    train: bool = False,
    calibrate: str | None = None,
    json: bool = False,
) -> int:
    """How quick a network is here, beside every runtime installed, in interleaved rounds.

    model: a model file, or mobilenetv2, mobilenetv1 or a published point with random weights
    precision: float32, bf16, int8, or several (that of the model)
    threads: one number, or several to measure each (1)
    against: onnxruntime, openvino, litert, ncnn, executorch, torch (all of them)
    batch: pictures at a time (1; a training step 32)
    rounds: in each of which every runtime has its turn (10; of training 5)
    start: the time from a process's start to its first label as well
    layers: what each group of layers takes here, and the least that the core's peak allows
    plot: a .png file for the result as bars
    width: the width multiplier (1.0)
    size: of the picture (the head's own)
    head: as in `info`
    train: what a training step costs instead, in torch's layouts and ours
    calibrate: pictures to set an int8 network's ranges by (else drawn: good enough for times)
    json: all of it as JSON
    Example: spindle bench mobilenetv2-1.0-224 --threads 1 2
    """
    if train:
        print(
            app.bench_training(
                width or 1.0, sides(size), batch or 32, head or "classifier",
                threads[0] if threads else None, rounds or 5, json,
            )
        )  # fmt: skip
        return 0
    if plot and Path(plot).suffix != ".png":
        raise ValueError(f"{plot} is no name for a picture of bars: let it end in .png")
    given: dict[str, Any] = {"width": width, "size": sides(size), "head": head}
    title, found = described(model, {name: v for name, v in given.items() if v is not None})
    usual, seen = ["int8" if found.graph.of_bytes else "float32"], None
    if calibrate:
        samples = samples_at(calibrate, found.task)[:PICTURES]
        seen = gathered(samples, found.graph.image, calibrate)
    bar = Bar("measuring", 0)
    try:
        done = app.measure(
            title, found, precision or usual, threads or (1,), batch or 1, rounds or 10,
            against or tuple(app.PEERS), start, lambda said: bar.show(0, said), seen, layers,
        )  # fmt: skip
    finally:
        bar.end()
    print(jsonlib.dumps(done.to_json(), indent=1) if json else app.show_bench(done))
    if plot:
        png = BytesIO()
        app.draw_bench(done).save(png, "png")
        atomic.write(Path(plot), png.getvalue())
    return 0 if done.results else 1


def described(model: str, said: dict[str, Any]) -> tuple[str, Model]:
    """A title, and the model of this file or, its weights drawn by lot, of this name."""
    variant = None if Path(model).exists() else point(model)
    if not variant and model not in NETWORKS:
        if said:
            raise ValueError(f"{model} says itself what it is: {', '.join(said)} cannot be changed")
        opened = app.open_model(model)
        return titled(Path(model).name, opened.graph), opened
    if variant:
        said = {"width": variant.width, "size": variant.size} | said
    graph = NETWORKS["mobilenetv2" if variant else model](**said)
    task: Task = HEADS[said.get("head", "classifier")].task
    name = " ".join([model, *(str(said[key]) for key in ("head",) if key in said)])
    weights: Weights = app.lively(graph)
    return titled(name, graph), Model(graph, weights, task)


def titled(name: str, graph: Graph) -> str:
    height, width, _ = graph.input.shape
    return f"{name}, {height} x {width}, {graph.madds / 1e6:,.1f} million multiply-adds"
