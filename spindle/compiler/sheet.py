"""What is an ONNX model made of?  Nodes, constants, ins and outs, put on one sheet and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.protobuf import message

Array = NDArray[Any]
Side = int | str  # of a tensor; a name where it is free
OPSET, IR_VERSION = 18, 8  # of 2022: what every importer reads today
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}  # onnx.TensorProto.DataType
PLANES, PIXELS = (0, 3, 1, 2), (0, 2, 3, 1)


class Sheet:
    """A model as it grows.  Each value may lie as planes, as pixels or both, turned only once.

    The names of the answers are kept for what goes out: where they are made they are called else.
    """

    def __init__(self, answers: frozenset[str] = frozenset()) -> None:
        self.answers = answers
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []
        self.values: dict[tuple[str, tuple[int, ...]], str] = {}  # by name and layout

    def put(self, kind: str, name: str, *inputs: str | Array, outputs: int = 1, **said: Any) -> str:
        """A node that makes the value `name`; an array among its inputs becomes a constant."""
        names = [
            self.constant(f"{name}.{kind}{place}", value)
            if isinstance(value, np.ndarray)
            else value
            for place, value in enumerate(inputs)
        ]
        name = f"{name}.made" if name in self.answers else name
        made = [name, *(f"{name}.{place}" for place in range(1, outputs))]
        self.nodes.append(
            message(
                (1, names), (2, made), (3, name), (4, kind),
                (5, [attribute(key, value) for key, value in said.items()]),
            )
        )  # fmt: skip
        return name

    def constant(self, name: str, array: Array) -> str:
        raw = np.ascontiguousarray(array)
        raw = raw.astype(raw.dtype.newbyteorder("<"))
        self.constants.append(
            message((1, array.shape), (2, TYPES[raw.dtype.name]), (8, name), (9, raw.tobytes()))
        )
        return name

    def keep(self, name: str, layout: tuple[int, ...], value: str) -> None:
        """Says under which name the graph's tensor lies here, and how."""
        self.values[name, layout] = value

    def answer(self, name: str) -> None:
        """Gives the graph's tensor out under its own name, as pixels."""
        value = self.pixels(name)
        self.nodes.append(message((1, [value]), (2, [name]), (3, name), (4, "Identity")))

    def planes(self, name: str) -> str:
        return self._laid(name, PLANES, PIXELS)

    def pixels(self, name: str) -> str:
        return self._laid(name, PIXELS, PLANES)

    def _laid(self, name: str, wanted: tuple[int, ...], other: tuple[int, ...]) -> str:
        if (name, wanted) not in self.values:
            label = "planes" if wanted is PLANES else "pixels"
            turned = self.put("Transpose", f"{name}.{label}", self.values[name, other], perm=wanted)
            self.keep(name, wanted, turned)
        return self.values[name, wanted]

    def model(
        self, name: str, ins: Sequence[bytes], outs: Sequence[bytes], notes: Mapping[str, str]
    ) -> bytes:
        """The whole as the bytes of a ModelProto."""
        graph = message((1, self.nodes), (2, name), (5, self.constants), (11, ins), (12, outs))
        props = [message((1, key), (2, value)) for key, value in sorted(notes.items())]
        opset = message((1, ""), (2, OPSET))
        return message((1, IR_VERSION), (2, "spindle"), (7, graph), (8, opset), (14, props))


def attribute(name: str, value: Any) -> bytes:
    match value:
        case int():
            return message((1, name), (3, value), (20, 2))
        case float():
            return message((1, name), (2, value), (20, 1))
        case str():
            return message((1, name), (4, value), (20, 3))
    return message((1, name), (8, value), (20, 7))


def outside(name: str, dtype: str, shape: Sequence[Side]) -> bytes:
    """A ValueInfoProto: the name, type and shape of what goes in or comes out."""
    sides = [message((2 if isinstance(side, str) else 1, side)) for side in shape]
    tensor = message((1, TYPES[dtype]), (2, message((1, sides))))
    return message((1, name), (2, message((1, tensor))))
