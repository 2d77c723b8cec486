"""Whose weights are these?  Somebody else's, as a model of ours: by name, every shape checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.model import tasks
from spindle.model.family import Size, mobilenet_v2
from spindle.model.graph import Graph
from spindle.model.mobilenet import TABLE_2
from spindle.model.ops import Conv, Deconv, Image, Op
from spindle.model.weights import Model, Weights
from spindle.training.namings import NAMINGS, Naming
from spindle.training.sources import Arrays, read_arrays

WIDTHS = sorted((step / 20 for step in range(1, 41)), key=lambda width: abs(width - 1))
EMA = "/ExponentialMovingAverage"
WITH_BACKGROUND = 1001  # ImageNet as TensorFlow counts it: class 0 is "background"


def adopt_weights(
    path: str | Path,
    size: Size | None = None,
    labels: Sequence[str] = (),
    output_stride: int | None = None,
    bgr: bool = False,
    **picture: Any,
) -> Model:
    """Opens weights that torchvision, timm, d-li14, Keras, TF-slim or transformers have written.

    What their shapes do not tell can be said: the picture size, the labels, the output stride,
    `bgr` for a network that was taught with blue first (its first convolution is turned round, so
    that every model here reads RGB), and whatever of `mean`, `std`, `fit`, `fraction` and
    `resample` is not as their project has it (see Image).
    """
    path = Path(path)
    found = read_arrays(path)
    naming, arrays = recognise(averaged(found), path)
    notes = [f"{path.name}, named as {naming.title} names"]
    if len(arrays) < len(found):
        notes.append("the moving averages of the weights were taken")
    if has_background(arrays, naming, labels):
        arrays = without_background(arrays, naming)
        notes.append(f"class 0 (background) of {WITH_BACKGROUND} was left out")
    graph = prepared(draw(naming, arrays, size, output_stride, path), picture)
    notes += [f"pictures as said: {name} {value}" for name, value in picture.items()]
    weights, used = take(graph, naming, arrays, path)
    left = sorted(name for name in set(arrays) - used if not re.search(naming.ignored, name))
    if left:
        raise ValueError(
            f"{path}: named as {naming.title} names, but {len(left)} arrays have no place here: "
            f"{', '.join(left[:5])}{' ...' if len(left) > 5 else ''}"
        )
    if bgr:
        weights["stem.weight"] = np.ascontiguousarray(weights["stem.weight"][..., ::-1])
        notes.append("the first convolution read BGR and was turned round to read RGB")
    task = naming.head.task
    if not labels and len(naming.labels) == tasks.answers(graph, task):
        labels = naming.labels
    tasks.check(graph, task, labels, path)
    return Model(graph, weights, task, tuple(labels), source=tuple(notes))


def prepared(graph: Graph, picture: dict[str, Any]) -> Graph:
    """The graph with its pictures brought into its range as they are said to be."""
    if unknown := set(picture) - {"mean", "std", "fit", "fraction", "resample"}:
        raise ValueError(f"nothing is known of {', '.join(sorted(unknown))} in preparing a picture")
    return graph.map(lambda op: replace(op, **picture) if isinstance(op, Image) else op)


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
    if len(respelt) < len(arrays):
        counts = Counter(respell(name, naming) for name in arrays)
        twice = counts.most_common(1)[0][0]
        raise ValueError(f"{path} holds two arrays that mean {twice}")
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


def logits_spots(naming: Naming) -> dict[str, str]:
    """Where the weight and the bias of the classifier are; a detector has none."""
    graph = mobilenet_v2(head=naming.head, classes=2, family=naming.family)
    return {part: spot for op, part, _, spot in spots(graph, naming) if op.name == "logits"}


def count_classes(naming: Naming, arrays: Arrays) -> int | None:
    """How many classes the classifier tells apart, if it can be seen."""
    weight = arrays.get(logits_spots(naming).get("weight", ""))
    if weight is None or weight.ndim < 2:
        return None
    return weight.shape[-1 if naming.tensorflow else 0] or None


def has_background(arrays: Arrays, naming: Naming, labels: Sequence[str]) -> bool:
    """Whether ImageNet's classes stand behind a class 0 that nobody has named."""
    return (
        naming.background
        and naming.head.task == "classify"
        and count_classes(naming, arrays) == WITH_BACKGROUND != len(labels)
    )


def without_background(arrays: Arrays, naming: Naming) -> Arrays:
    """A classifier of 1001 ImageNet classes as one of 1000."""
    rest = {}
    for part, spot in logits_spots(naming).items():
        axis = -1 if part == "bias" or naming.tensorflow else 0
        if spot in arrays and arrays[spot].ndim:
            rest[spot] = np.delete(arrays[spot], 0, axis)
    return arrays | rest


def draw(
    naming: Naming,
    arrays: Arrays,
    size: Size | None,
    output_stride: int | None,
    path: Path,
) -> Graph:
    """The graph whose every shape these arrays have: its width is found by trying."""
    classes = count_classes(naming, arrays)
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
        elif laid_out(op, part, arrays[spot], naming).shape != shape:
            found = arrays[spot].shape
            if part == "weight" and len(found) == 2:
                shape = shape[0], shape[3]
            theirs = dict(zip(axes(op, len(shape), naming), shape, strict=True))
            should = tuple(theirs[axis] for axis in range(len(shape)))
            yield f"{spot} is {found} where {should} should be"


def take(graph: Graph, naming: Naming, arrays: Arrays, path: Path) -> tuple[Weights, set[str]]:
    """Each array under our name and in our layout, and the names it had."""
    weights: Weights = {}
    used = set()
    for op, part, _, spot in spots(graph, naming):
        if not np.isfinite(arrays[spot]).all():
            raise ValueError(f"{path}: {spot} holds numbers that are not finite")
        weights[f"{op.name}.{part}"] = np.ascontiguousarray(
            laid_out(op, part, arrays[spot], naming)
        )
        used.add(spot)
    return weights, used


def laid_out(op: Op, part: str, array: NDArray[np.float32], naming: Naming) -> NDArray[np.float32]:
    """A kernel as we lay it: out, height, width, in.  Depthwise ones have an in of one."""
    assert isinstance(op, Conv) and not isinstance(op, Deconv)
    if part != "weight" or array.ndim not in (2, 4):
        return array
    array = array.transpose(axes(op, array.ndim, naming))
    return array if array.ndim == 4 else array[:, None, None]  # a classifier that is called dense


def axes(op: Op, ndim: int, naming: Naming) -> tuple[int, ...]:
    """For each axis of ours, which of theirs it is."""
    match ndim:
        case 4 if naming.tensorflow:
            return (2, 0, 1, 3) if isinstance(op, Conv) and op.depthwise else (3, 0, 1, 2)
        case 4:
            return 0, 2, 3, 1
        case 2:
            return (1, 0) if naming.tensorflow else (0, 1)
    return tuple(range(ndim))
