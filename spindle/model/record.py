"""How is a graph written down?  As plain JSON, read back with every value checked."""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import Graph
from spindle.model.ops import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    Deconv,
    Image,
    Mean,
    Norm,
    Op,
    Resize,
    Rows,
    Tensor,
)  # fmt: skip

KINDS: tuple[type[Op], ...] = (
    Image, Conv, Deconv, BatchNorm, Add, Mean, Resize, Rows, Concat,
    Softmax, ArgMax, Normalize, Peaks, Detect,
)  # fmt: skip

MOST_OPS = 10_000
Json = Any


def to_json(graph: Graph) -> Json:
    return {
        "ops": [{"kind": type(op).__name__} | settings(op) for op in graph.ops],
        "outputs": [tensor.name for tensor in graph.outputs],
    }


def settings(record: Op | Norm) -> dict[str, Json]:
    """Every field of a record, defaults too: a file must not change its meaning with a default."""
    return {field.name: plain(getattr(record, field.name)) for field in fields(record)}


def plain(value: object) -> Json:
    match value:
        case Tensor():
            return value.name
        case Norm():
            return settings(value)
        case tuple():
            return [plain(item) for item in value]
    return value


def from_json(data: Json) -> Graph:
    """The graph that `data` describes, or a ValueError that says what is wrong with it."""
    if not (
        isinstance(data, dict)
        and isinstance(data.get("ops"), list)
        and isinstance(data.get("outputs"), list)
    ):
        raise ValueError("a graph is a list of ops and a list of outputs")
    if not 1 <= len(data["ops"]) <= MOST_OPS:
        raise ValueError(f"{len(data['ops'])} ops: a graph has 1 to {MOST_OPS}")
    kinds = {kind.__name__: kind for kind in KINDS}
    made: dict[str, Tensor] = {}
    ops: list[Op] = []
    for number, item in enumerate(data["ops"]):
        kind = kinds.get(str(item.get("kind"))) if isinstance(item, dict) else None
        if kind is None:
            raise ValueError(f"op {number} is of no known kind")
        op = read(kind, {k: v for k, v in item.items() if k != "kind"}, made, f"op {number}")
        if op.name in made:
            raise ValueError(f"two ops are called {op.name!r}")
        if isinstance(op, Image) != (number == 0):
            raise ValueError("a graph begins with its picture, and has one")
        made[op.name] = op.output
        ops.append(op)
    outputs = tuple(convert(Tensor, name, made, "the outputs") for name in data["outputs"])
    if not outputs:
        raise ValueError("a graph has an output")
    return Graph(tuple(ops), outputs)


def read(
    kind: type[Op] | type[Norm], item: dict[str, Json], made: dict[str, Tensor], where: str
) -> Any:
    """A record of this kind from its settings."""
    hints: dict[str, Any] = types(kind)  # type: ignore[arg-type]
    if strange := set(item) - set(hints):
        raise ValueError(
            f"{where} ({kind.__name__}) has settings it should not have: {sorted(strange)}"
        )
    missing = {f.name for f in fields(kind) if f.default is MISSING} - set(item)
    if missing:
        raise ValueError(f"{where} ({kind.__name__}) lacks {', '.join(sorted(missing))}")
    return kind(
        **{name: convert(hints[name], v, made, f"{where} {name}") for name, v in item.items()}
    )


@cache
def types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def convert(hint: Any, value: Json, made: dict[str, Tensor], where: str) -> Any:
    """The value as the type a field asks for."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Tensor and isinstance(value, str):
        if value not in made:
            raise ValueError(f"{where}: {value!r} is made by no earlier op")
        return made[value]
    if origin in (Union, UnionType):
        for choice in args:
            try:
                return convert(choice, value, made, where)
            except ValueError:
                pass
    elif origin is Literal:
        if any(value is choice or (isinstance(value, str) and value == choice) for choice in args):
            return value
    elif origin is tuple and isinstance(value, list):
        each = [args[0]] * len(value) if args[-1] is Ellipsis else args
        if len(each) == len(value):
            return tuple(convert(h, v, made, where) for h, v in zip(each, value, strict=True))
    elif hint is Norm and isinstance(value, dict):  # never a Tensor: those are made by ops
        return read(Norm, value, made, where)
    elif hint is NoneType and value is None:
        return None
    elif (
        hint is float and type(value) in (int, float) and abs(value) < 1e9
    ):  # NaN is not below either
        return float(value)
    elif hint in (int, bool, str) and type(value) is hint:
        return value
    raise ValueError(f"{where} cannot be {str(value)[:40]!r}")
