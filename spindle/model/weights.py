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
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from spindle.model import atomic, record
from spindle.model.graph import Graph
from spindle.model.ops import Conv

FORMAT = 1
LARGEST_HEADER = 16 << 20
Weights = dict[str, NDArray[np.float32]]


class NotAModel(ValueError):
    """A sound file, but of somebody else's weights."""


@dataclass(frozen=True)
class Model:
    """A network with its numbers, and what they are for."""

    graph: Graph
    weights: Weights
    task: str
    labels: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    source: tuple[str, ...] = ()  # where the numbers came from, and what was changed on the way
    versions: dict[str, str] = field(default_factory=dict)


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
    wrong = mismatch(model.graph, {name: array.shape for name, array in model.weights.items()})
    if wrong:
        raise ValueError(f"these weights do not fit the network: {wrong}")
    weights = {
        name: np.ascontiguousarray(a, np.float32) for name, a in sorted(model.weights.items())
    }
    header = describe(model)
    header["hash"] = digest(header, weights)
    content = safetensors.numpy.save(weights, {"spindle": json.dumps(header)})
    atomic.write(Path(path), content)
    return str(header["hash"])


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


def digest(header: dict[str, Any], weights: Weights) -> str:
    said = {key: value for key, value in header.items() if key != "hash"}
    total = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, array in sorted(weights.items()):
        total.update(f"{name}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def load(path: str | Path) -> Model:
    """Opens a model file; nothing in it is believed before it is checked."""
    path = Path(path)
    try:
        header, arrays = read_header(path)
        graph = read_graph(header)
        wrong = mismatch(graph, arrays)
        if wrong:
            raise ValueError(f"its arrays do not fit its graph: {wrong}")
        weights: Weights = safetensors.numpy.load_file(path)
        if header.get("hash") != digest(header, weights):
            raise ValueError("its contents do not match its hash; fetch or make it again")
        for name, array in weights.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds numbers that are not finite")
        return Model(
            graph,
            weights,
            task=expect(header, "task", str),
            labels=tuple(map(str, expect(header, "labels", list))),
            metrics=expect(header, "metrics", dict),
            recipe=expect(header, "recipe", dict),
            source=tuple(map(str, expect(header, "source", list))),
            versions=expect(header, "versions", dict),
        )
    except (ValueError, SafetensorError, RecursionError) as error:
        raise (
            type(error)(f"{path}: {error}")
            if isinstance(error, NotAModel)
            else ValueError(f"{path} is no model file I can open: {error}")
        ) from None


def read_header(path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """The JSON header, and the shape of each array; reads no array and trusts no length."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (0,)
        if not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise ValueError("it does not begin as a .safetensors file does, or was cut short")
        table = json.loads(file.read(length))
    if not isinstance(table, dict):
        raise ValueError("its header is no table")
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not isinstance(metadata.get("spindle"), str):
        raise NotAModel("these are weights without a Spindle header")
    ends = [entry["data_offsets"][1] for entry in table.values()]
    if max(ends, default=0) != size - 8 - length:
        raise ValueError(
            f"it was cut short or grew: {size} bytes, its header speaks of {8 + length + max(ends)}"
        )
    if any(entry["dtype"] != "F32" for entry in table.values()):
        raise ValueError("an array is not float32")
    header = json.loads(metadata["spindle"])
    made = header.get("format") if isinstance(header, dict) else None
    if made != FORMAT:
        newer = isinstance(made, int) and made > FORMAT
        raise ValueError(
            f"its format is {made}, this Spindle reads {FORMAT}; "
            + ("upgrade Spindle" if newer else "make it again with this Spindle")
        )
    return header, {name: tuple(entry["shape"]) for name, entry in table.items()}


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
