"""The model file: the arrays of a network, and in its header all that is known of them.

A `.safetensors` file whose metadata holds one JSON text under "spindle": format, task,
preprocessing, graph, labels, metrics, recipe, source, versions and hash.
"""

from __future__ import annotations

import hashlib
import json
import platform
import struct
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import inf
from pathlib import Path
from typing import Any, get_args

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from spindle.model import atomic, grids, record
from spindle.model.graph import Graph
from spindle.model.heads import Task
from spindle.model.ops import Conv

FORMAT = 1
LARGEST_HEADER = 4 << 20
Weights = dict[str, NDArray[np.float32]]


class NotAModel(ValueError):
    """A sound file, but of somebody else's weights."""


@dataclass(frozen=True)
class Model:
    """A network with its numbers, and what they are for."""

    graph: Graph
    weights: Weights
    task: Task
    labels: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    source: tuple[str, ...] = ()  # where the numbers came from, and what was changed on the way
    versions: dict[str, str] = field(default_factory=dict)
    hash: str = field(default="", compare=False)  # of the file it was read from


def initial(graph: Graph, seed: int = 0) -> Weights:
    """What the paper's code begins with: truncated normals, norms that change nothing."""
    rng = np.random.default_rng(seed)
    ones = {"gamma", "var"}
    weights: Weights = {}
    for op in graph.ops:
        for part, shape in (op.weights | op.statistics).items():
            if part == "weight":
                assert isinstance(op, Conv)
                values = truncated_normal(rng, shape, op.spread)
            else:
                values = np.full(shape, float(part in ones), np.float32)
            weights[f"{op.name}.{part}"] = values
    return weights


def truncated_normal(
    rng: np.random.Generator, shape: tuple[int, ...], spread: float
) -> NDArray[np.float32]:
    values = rng.standard_normal(shape, np.float32)
    while (far := np.abs(values) > 2).any():
        values[far] = rng.standard_normal(int(far.sum()), np.float32)
    return values * np.float32(spread)


def save(model: Model, path: str | Path) -> str:
    """Writes the model file, whole or not at all; gives its hash."""
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"{path}: the name of a model file ends in .safetensors")
    wrong = mismatch(model.graph, {name: array.shape for name, array in model.weights.items()})
    if wrong:
        raise ValueError(f"these weights do not fit the network: {wrong}")
    weights = {
        name: np.ascontiguousarray(a, np.float32) for name, a in sorted(model.weights.items())
    }
    kept = grids.written(model.graph, weights)
    header = written(model)
    header["hash"] = digest(header, kept)
    opened(header, kept)  # what is written can be opened again
    content = safetensors.numpy.save(kept, {"spindle": json.dumps(header)})
    if int.from_bytes(content[:8], "little") > LARGEST_HEADER:
        raise ValueError(f"labels and recipe are more than the {LARGEST_HEADER} bytes of a header")
    atomic.write(Path(path), content)
    return str(header["hash"])


def written(model: Model) -> dict[str, Any]:
    """The header as a reader will find it: JSON knows neither tuples nor keys that are numbers."""
    try:
        header: dict[str, Any] = json.loads(json.dumps(describe(model), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"labels, metrics and recipe must be plain JSON: {error}") from None
    if read_graph(header) != model.graph:
        raise ValueError("this graph would not come back as it is: its settings are not plain")
    return header


def describe(model: Model) -> dict[str, Any]:
    """The header of a model, without its hash.  The graph's first op is the preprocessing."""
    graph = record.to_json(model.graph)
    preprocessing, *graph["ops"] = graph["ops"]
    return {
        "format": FORMAT,
        "task": model.task,
        "preprocessing": preprocessing,
        "graph": graph,
        "labels": list(model.labels),
        "metrics": model.metrics,
        "recipe": model.recipe,
        "source": list(model.source),
        "versions": model.versions or versions(),
    }


def versions() -> dict[str, str]:
    try:
        own = version("spindle")
    except PackageNotFoundError:
        own = "source"
    return {"spindle": own, "python": platform.python_version(), "numpy": np.__version__}


def digest(header: dict[str, Any], kept: dict[str, NDArray[Any]]) -> str:
    said = {key: value for key, value in header.items() if key != "hash"}
    total = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, array in sorted(kept.items()):
        total.update(f"{name}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def load(path: str | Path) -> Model:
    """Opens a model file; nothing in it is believed before it is checked."""
    path = Path(path)
    try:
        header, arrays = read_header(path)
        wrong = mismatch(read_graph(header), arrays)
        if wrong:
            raise ValueError(f"its arrays do not fit its graph: {wrong}")
        kept = safetensors.numpy.load_file(path)
        if header.get("hash") != digest(header, kept):
            raise ValueError("its contents do not match its hash; fetch or make it again")
        return opened(header, kept)
    except NotAModel as error:
        raise NotAModel(f"{path}: {error}") from None
    except (ValueError, SafetensorError, RecursionError) as error:
        raise ValueError(f"{path} is no model file I can open: {short(error)}") from None


def opened(header: dict[str, Any], kept: dict[str, NDArray[Any]]) -> Model:
    """The model of this header, every value in it of the type that it must have."""
    graph = read_graph(header)
    weights = grids.read(graph, kept)
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
        if name.endswith(".var") and array.min() < 0:
            raise ValueError(f"{name} holds a variance below zero")
    task, metrics = expect(header, "task", str), expect(header, "metrics", dict)
    if task not in get_args(Task):
        raise ValueError(f"its task is {task!r}; I know {', '.join(get_args(Task))}")
    if not all(type(value) in (int, float) and abs(value) < inf for value in metrics.values()):
        raise ValueError("its metrics are not all numbers")
    texts = {name: expect(header, name, list) for name in ("labels", "source")}
    texts["versions"] = list(expect(header, "versions", dict).values())
    for name, values in texts.items():
        if not all(isinstance(value, str) and value.isprintable() for value in values):
            raise ValueError(f"its {name} are not all plain text")
    return Model(
        graph,
        weights,
        task,
        labels=tuple(texts["labels"]),
        metrics=metrics,
        recipe=expect(header, "recipe", dict),
        source=tuple(texts["source"]),
        versions=header["versions"],
        hash=header["hash"],
    )


def short(error: Exception) -> str:
    """What is wrong as one line, however long the file would have it."""
    line = " ".join(str(error).split())
    return line if len(line) <= 300 else f"{line[:300]}..."


def read_header(path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """The JSON header, and the shape of each array; reads no array and trusts no length."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (0,)
        if not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise ValueError("it does not begin as a .safetensors file does, or was cut short")
        table = json.loads(file.read(length), object_pairs_hook=once)
    if not isinstance(table, dict):
        raise ValueError("its header is no table")
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not isinstance(metadata.get("spindle"), str):
        raise NotAModel("these are weights without a Spindle header")
    spans = {name: span(name, entry) for name, entry in table.items()}
    whole = 8 + length + max((end for _, end in spans.values()), default=0)
    if whole != size:
        raise ValueError(f"it was cut short or grew: {size} bytes, its header speaks of {whole}")
    header = json.loads(metadata["spindle"], object_pairs_hook=once)
    made = header.get("format") if isinstance(header, dict) else None
    if type(made) is not int or made != FORMAT:
        newer = type(made) is int and made > FORMAT
        raise ValueError(
            f"its format is {made}, this Spindle reads {FORMAT}; "
            + ("upgrade Spindle" if newer else "make it again with this Spindle")
        )
    return header, {name: shape for name, (shape, _) in spans.items()}


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON table; of two values under one name, nobody knows which is meant."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("its header gives two values under one name")
    return table


def span(name: str, entry: Any) -> tuple[tuple[int, ...], int]:
    """The shape of an array, and where in the file it ends."""
    match entry:
        case {"dtype": "F32" | "I8", "shape": [*shape], "data_offsets": [int(), int(end)]} if all(
            type(side) is int for side in shape
        ):
            return tuple(shape), end
    raise ValueError(f"{name!r} is no array of float32 or int8")


def read_graph(header: dict[str, Any]) -> Graph:
    graph = expect(header, "graph", dict)
    ops = [expect(header, "preprocessing", dict), *expect(graph, "ops", list)]
    return record.from_json(graph | {"ops": ops})


def expect(header: dict[str, Any], key: str, kind: type) -> Any:
    if not isinstance(header.get(key), kind):
        raise ValueError(f"its header has no {key!r}")
    return header[key]


def mismatch(graph: Graph, arrays: dict[str, tuple[int, ...]]) -> str:
    """What is wrong with arrays of these shapes for this graph, or nothing."""
    for name, shape in graph.arrays.items():
        if arrays.get(name) != shape:
            return f"{name} should be {shape}, is {arrays.get(name, 'absent')}"
    extra = set(arrays) - set(graph.arrays)
    return f"{min(extra)} belongs to no op" if extra else ""
