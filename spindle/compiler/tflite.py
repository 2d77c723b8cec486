"""How does a graph read as TensorFlow Lite?  A picture of bytes in, in operators its runtime has.

Written without TensorFlow: a model is a few tables (compiler/flatbuffer.py).  Boxes, peaks and
lengths are not among its operators; such an answer is finished outside, from what comes before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.compiler import flatbuffer
from spindle.compiler.flatbuffer import Number, Table
from spindle.compiler.fold import fold
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import Graph
from spindle.model.ops import Act, Add, Concat, Conv, Deconv, Image, Mean, Op, Resize, Rows
from spindle.model.weights import Weights

Array = NDArray[Any]
LEFT_OUT = (Detect, Normalize, Peaks)  # the ops that it cannot say
SAME, VALID = 0, 1
ACTS: dict[Act, int] = {None: 0, "relu": 1, "relu6": 3}
TYPES = {"float32": 0, "int32": 2, "uint8": 3}
# each operator's number, the number of its settings' table
KINDS = {
    "ADD": (0, 11),
    "CONCATENATION": (2, 10),
    "CONV_2D": (3, 1),
    "DEPTHWISE_CONV_2D": (4, 2),
    "MUL": (18, 21),
    "RESHAPE": (22, 17),
    "RESIZE_BILINEAR": (23, 15),
    "SOFTMAX": (25, 9),
    "PAD": (34, 22),
    "MEAN": (40, 27),
    "SUB": (41, 28),
    "CAST": (53, 37),
    "ARG_MAX": (56, 40),
    "TRANSPOSE_CONV": (67, 49),
}
VERSIONS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "RESIZE_BILINEAR": 3, "TRANSPOSE_CONV": 4}


def byte(value: int) -> Number:
    return Number("b", value)


def ints(values: Any) -> Array:
    return np.array(values, np.int32)


def whole(value: int) -> Number:
    return Number("i", value)


class Model:
    """Tensors, buffers and operators as they are put down."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.tensors: list[Table] = []
        self.buffers = [Table()]  # the first is for tensors that hold no numbers of their own
        self.operators: list[Table] = []
        self.codes: dict[str, int] = {}
        self.place: dict[str, int] = {}  # of each of the graph's tensors

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str = "float32") -> int:
        self.tensors.append(
            Table({0: ints(shape), 1: byte(TYPES[dtype]), 2: Number("I", 0), 3: name})
        )
        return len(self.tensors) - 1

    def constant(self, name: str, array: Array) -> int:
        place = self.tensor(name, array.shape, array.dtype.name)
        self.tensors[place][2] = Number("I", len(self.buffers))
        self.buffers.append(Table({0: np.frombuffer(array.tobytes(), np.uint8)}))
        return place

    def put(
        self, kind: str, name: str, inputs: list[int], shape: tuple[int, ...],
        settings: Table | None = None, dtype: str = "float32",
    ) -> int:  # fmt: skip
        """An operator and the one tensor it makes."""
        made = self.tensor(name, (self.batch, *shape), dtype)
        code = self.codes.setdefault(kind, len(self.codes))
        self.operators.append(
            Table({
                0: Number("I", code), 1: ints(inputs), 2: ints([made]),
                3: Number("B", KINDS[kind][1]), 4: settings if settings is not None else Table(),
            })
        )  # fmt: skip
        return made

    def written(self, outputs: list[int]) -> bytes:
        codes = [
            Table({0: byte(KINDS[kind][0]), 2: whole(version(kind)), 3: whole(KINDS[kind][0])})
            for kind in self.codes
        ]
        main = Table({
            0: self.tensors, 1: ints([0]), 2: ints(outputs), 3: self.operators, 4: "main",
        })  # fmt: skip
        root = Table({0: Number("I", 3), 1: codes, 2: [main], 3: "spindle", 4: self.buffers})
        return flatbuffer.write(root, b"TFL3")


def version(kind: str) -> int:
    """Of an operator: the first that knows what is asked of it here."""
    return {"RESIZE_BILINEAR": 3, "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "TRANSPOSE_CONV": 4}.get(
        kind, 1
    )


def write(graph: Graph, weights: Weights, batch: int = 1) -> bytes:
    """The bytes of a .tflite file."""
    graph, weights = fold(graph, weights)
    model = Model(batch)
    model.tensor("image", (batch, *graph.input.shape), "uint8")
    for op in graph.ops:
        own = {part: weights[f"{op.name}.{part}"] for part in op.weights}
        xs = [model.place[tensor.name] for tensor in op.inputs]
        model.place[op.name] = put(model, op, xs, own)
    return model.written([model.place[tensor.name] for tensor in graph.outputs])


def put(model: Model, op: Op, xs: list[int], w: Weights) -> int:
    name, shape = op.name, op.output.shape
    match op:
        case Image():
            made = model.put("CAST", f"{name}_float", [0], shape, Table({0: byte(3), 1: byte(0)}))
            scale = 1 / np.array(op.std, np.float32)
            for kind, values, idle in (
                ("SUB", np.array(op.mean, np.float32), 0),
                ("MUL", scale, 1),
            ):
                if (values != idle).any():
                    numbers = model.constant(f"{name}_{kind}_by", values)
                    made = model.put(kind, f"{name}_{kind}", [made, numbers], shape)
            return made
        case Deconv():
            return deconvolution(model, op, xs[0], w)
        case Conv():
            return convolution(model, op, xs[0], w)
        case Add():
            return model.put("ADD", name, xs, shape)
        case Mean():
            axes = model.constant(f"{name}_axes", ints([1, 2]))
            return model.put("MEAN", name, [xs[0], axes], shape, Table({0: Number("?", True)}))
        case Resize():
            size = model.constant(f"{name}_size", ints(shape[:2]))
            settings = {2: Number("?", op.corners), 3: Number("?", not op.corners)}
            return model.put("RESIZE_BILINEAR", name, [xs[0], size], shape, Table(settings))
        case Rows():
            to = ints([model.batch, *shape])
            return model.put(
                "RESHAPE", name, [xs[0], model.constant(f"{name}_to", to)], shape, Table({0: to})
            )
        case Concat():
            axis = 3 if op.axis == "channels" else 1
            return model.put("CONCATENATION", name, xs, shape, Table({0: whole(axis)}))
        case Softmax():
            return model.put("SOFTMAX", name, xs, shape, Table({0: Number("f", 1.0)}))
        case ArgMax():
            axis_ = model.constant(f"{name}_axis", ints(3))
            settings = {0: byte(TYPES["int32"])}
            return model.put("ARG_MAX", name, [xs[0], axis_], shape[:2], Table(settings), "int32")
    raise NotImplementedError(op)


def convolution(model: Model, op: Conv, x: int, w: Weights) -> int:
    name, shape = op.name, op.output.shape
    weight = w["weight"]
    if op.depthwise:
        weight = np.ascontiguousarray(weight.transpose(3, 1, 2, 0))  # 1, h, w, channels
    x, padding = padded(model, op, x)
    inputs = [
        x, model.constant(f"{name}_weight", weight), model.constant(f"{name}_bias", w["bias"])
    ]  # fmt: skip
    settings = {0: byte(padding), 1: whole(op.stride), 2: whole(op.stride)}
    act, rate = byte(ACTS[op.act]), whole(op.dilation)
    if op.depthwise:
        more = {3: whole(1), 4: act, 5: rate, 6: rate}
        return model.put("DEPTHWISE_CONV_2D", name, inputs, shape, Table(settings | more))
    return model.put("CONV_2D", name, inputs, shape, Table(settings | {3: act, 4: rate, 5: rate}))


def padded(model: Model, op: Conv, x: int) -> tuple[int, int]:
    """What the convolution reads, and how it pads: as TensorFlow does, or not at all."""
    if not any(sum(op.pads, ())):
        return x, VALID
    height, width, channels = op.inputs[0].shape
    if op.padding == "same" or op.pads == Conv("", op.inputs, 1, op.kernel, op.stride,
                                               op.dilation, padding="same").pads:  # fmt: skip
        return x, SAME
    (above, below), (left, right) = op.pads
    edges = ints([(0, 0), (above, below), (left, right), (0, 0)])
    shape = (height + above + below, width + left + right, channels)
    edge = model.constant(f"{op.name}_edges", edges)
    return model.put("PAD", f"{op.name}_padded", [x, edge], shape), VALID


def deconvolution(model: Model, op: Deconv, x: int, w: Weights) -> int:
    """Only the kind that TensorFlow's own padding says: the output is stride times the input."""
    height, width, _ = op.inputs[0].shape
    if op.groups > 1 or op.output.shape[:2] != (height * op.stride, width * op.stride):
        raise ValueError(f"TensorFlow Lite has no transposed convolution such as {op.name}")
    name, shape = op.name, op.output.shape
    size = model.constant(f"{name}_size", ints([model.batch, *shape]))
    inputs = [
        size, model.constant(f"{name}_weight", w["weight"]), x,
        model.constant(f"{name}_bias", w["bias"]),
    ]  # fmt: skip
    settings = {0: byte(SAME), 1: whole(op.stride), 2: whole(op.stride), 3: byte(ACTS[op.act])}
    return model.put("TRANSPOSE_CONV", name, inputs, shape, Table(settings))
