"""Whose weights are these?  Somebody else's, as a model of ours: by name, every shape checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spindle.model.family import mobilenet_v2
from spindle.model.graph import Graph
from spindle.model.mobilenet import TABLE_2
from spindle.model.ops import Conv, Deconv, Op
from spindle.model.weights import Model, Weights
from spindle.training.namings import NAMINGS, Naming
from spindle.training.sources import Arrays, read_arrays

WIDTHS = sorted(
    {*(step / 20 for step in range(1, 41)), 0.1, 0.35}, key=lambda width: abs(width - 1)
)
EMA = "/ExponentialMovingAverage"
WITH_BACKGROUND = 1001  # ImageNet as TensorFlow counts it: class 0 is "background"


def adopt_weights(
    path: str | Path,
    size: int | tuple[int, int] | None = None,
    labels: Sequence[str] = (),
    output_stride: int | None = None,
    bgr: bool = False,
) -> Model:
    """Opens weights that torchvision, timm, d-li14, Keras, TF-slim or transformers have written.

    What their shapes do not tell can be said: the picture size, the labels, the output stride, and
    `bgr` for a network that was taught with blue first (its first convolution is turned round, so
    that every model here reads RGB).
    """
    path = Path(path)
    arrays = averaged(read_arrays(path))
    naming, arrays = recognise(arrays, path)
    notes = [f"{path.name}, named as {naming.title} names"]
    arrays, dropped = without_background(arrays, naming)
    if dropped:
        notes.append(f"class 0 (background) of {WITH_BACKGROUND} was left out")
    graph = draw(naming, arrays, size, output_stride, path)
    weights, used = take(graph, naming, arrays)
    left = sorted(name for name in set(arrays) - used if not re.search(naming.ignored, name))
    if left:
        raise ValueError(
            f"{path}: named as {naming.title} names, but {len(left)} arrays have no place here: "
            f"{', '.join(left[:5])}{' ...' if len(left) > 5 else ''}"
        )
    if bgr:
        weights["stem.weight"] = np.ascontiguousarray(weights["stem.weight"][..., ::-1])
        notes.append("the first convolution read BGR and was turned round to read RGB")
    labels = tuple(labels) or naming.labels
    check_labels(labels, graph, naming, path)
    return Model(graph, weights, naming.head.task, labels, source=tuple(notes))


def averaged(arrays: Arrays) -> Arrays:
    """With the moving average of a weight in place of the weight, where the file holds one."""
    means = {name.removesuffix(EMA): array for name, array in arrays.items() if name.endswith(EMA)}
    return {name: array for name, array in arrays.items() if not name.endswith(EMA)} | means


def recognise(arrays: Arrays, path: Path) -> tuple[Naming, Arrays]:
    """The naming that places most of these arrays, and the arrays respelt as it spells them."""
    best: tuple[float, Naming, Arrays] | None = None
    for naming in NAMINGS:
        respelt = {respell(name, naming): array for name, array in arrays.items()}
        graph = mobilenet_v2(head=naming.head, classes=2, family=naming.family)
        wanted = [spot for _, _, _, spot in spots(graph, naming)]
        found = sum(spot in respelt for spot in wanted) / len(wanted)
        if best is None or found > best[0]:
            best = found, naming, respelt
    assert best is not None
    share, naming, respelt = best
    if share < 0.5:
        some = ", ".join(sorted(arrays)[:3]) or "nothing"
        titles = ", ".join(naming.title for naming in NAMINGS)
        raise ValueError(
            f"{path}: these are no weights of a MobileNetV2 I know ({some} ...); I know {titles}"
        )
    return naming, respelt


def respell(name: str, naming: Naming) -> str:
    for pattern, spelling in naming.respell:
        name = re.sub(pattern, spelling, name)
    return name


def spots(graph: Graph, naming: Naming) -> Iterator[tuple[Op, str, tuple[int, ...], str]]:
    """Every array of the graph: its op, its part, its shape, and its name in the other project."""
    blocks = [(stage, repeat) for stage, (_, _, n, _) in enumerate(TABLE_2) for repeat in range(n)]
    number = 0
    for op in graph.ops:
        if not isinstance(op, Conv):
            continue
        block = re.fullmatch(r"block(\d\d)_(\w+)", op.name)
        row = naming.places.get(op.name) or naming.places.get(f"block_{block[2]}" if block else "")
        if row is None:
            raise ValueError(f"{naming.title} has no name for {op.name}")
        n = int(block[1]) if block else 1
        stage, repeat = blocks[n - 1]
        row = row.format(n=n, n1=n - 1, n2=n - 2, stage=stage, repeat=repeat, place=number)
        conv, _, norm = row.partition(" ")
        for part, shape in (op.weights | op.statistics).items():
            yield op, part, shape, naming.parts[part].format(conv=conv, norm=norm)
        number += 1


def logits_spot(naming: Naming) -> str | None:
    """Where the classifier's weight is."""
    graph = mobilenet_v2(head=naming.head, classes=2, family=naming.family)
    return next(
        (
            spot
            for op, part, _, spot in spots(graph, naming)
            if (op.name, part) == ("logits", "weight")
        ),
        None,
    )


def without_background(arrays: Arrays, naming: Naming) -> tuple[Arrays, bool]:
    """A classifier of 1001 ImageNet classes as one of 1000."""
    spot = logits_spot(naming)
    if spot not in arrays or naming.head.task != "classify":
        return arrays, False
    axis = -1 if naming.tensorflow else 0
    if arrays[spot].shape[axis] != WITH_BACKGROUND:
        return arrays, False
    bias = next(
        name
        for name in arrays
        if name.startswith(spot.rsplit("/", 1)[0].rsplit(".", 1)[0]) and "bias" in name
    )
    rest = np.arange(1, WITH_BACKGROUND)
    return arrays | {spot: arrays[spot].take(rest, axis), bias: arrays[bias][1:]}, True


def draw(
    naming: Naming,
    arrays: Arrays,
    size: int | tuple[int, int] | None,
    output_stride: int | None,
    path: Path,
) -> Graph:
    """The graph whose every shape these arrays have: its width is found by trying."""
    spot = logits_spot(naming)
    classes = naming.head.classes
    if spot in arrays:
        classes = arrays[spot].shape[-1 if naming.tensorflow else 0]
    wrong: list[list[str]] = []
    for width in WIDTHS:
        graph = mobilenet_v2(width, size, naming.head, classes, output_stride, naming.family)
        wrong.append(list(misfits(graph, naming, arrays)))
        if not wrong[-1]:
            return graph
    least = min(wrong, key=len)
    raise ValueError(
        f"{path}: named as {naming.title} names, but of no width this fits: {least[0]}"
        + (f" (and {len(least) - 1} more)" if len(least) > 1 else "")
    )


def misfits(graph: Graph, naming: Naming, arrays: Arrays) -> Iterable[str]:
    for op, part, shape, spot in spots(graph, naming):
        if spot not in arrays:
            yield f"{spot} is absent"
        elif (found := laid_out(op, part, arrays[spot], naming).shape) != shape:
            yield f"{spot} is {found} where {shape} should be"


def take(graph: Graph, naming: Naming, arrays: Arrays) -> tuple[Weights, set[str]]:
    weights: Weights = {}
    used = set()
    for op, part, _, spot in spots(graph, naming):
        weights[f"{op.name}.{part}"] = np.ascontiguousarray(
            laid_out(op, part, arrays[spot], naming)
        )
        used.add(spot)
    return weights, used


def laid_out(op: Op, part: str, array: NDArray[np.float32], naming: Naming) -> NDArray[np.float32]:
    """A kernel as we lay it: out, height, width, in.  Depthwise ones have an in of one."""
    assert isinstance(op, Conv) and not isinstance(op, Deconv)
    if part != "weight":
        return array
    if array.ndim == 2:  # a classifier that its project calls dense
        return (array.T if naming.tensorflow else array)[:, None, None]
    if array.ndim != 4:
        return array
    if naming.tensorflow:
        return array.transpose(2, 0, 1, 3) if op.depthwise else array.transpose(3, 0, 1, 2)
    return array.transpose(0, 2, 3, 1)


def check_labels(labels: Sequence[str], graph: Graph, naming: Naming, path: Path) -> None:
    counts = {"classify": "logits", "segment": "logits", "detect": "classes"}
    if labels and naming.head.task in counts:
        count = graph[counts[naming.head.task]].shape[2] - (naming.head.task == "detect")
        if len(labels) != count:
            raise ValueError(f"{path} knows {count} classes, but {len(labels)} labels were given")
