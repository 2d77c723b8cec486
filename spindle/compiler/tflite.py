"""How does a graph read as TensorFlow Lite?  A picture of bytes in, in operators its runtime has.

Written without TensorFlow: a model is a few tables (compiler/flatbuffer.py).  Boxes and peaks
are not among its operators; such an answer is finished outside, from what comes before it.
"""

from __future__ import annotations

from collections.abc import Mapping
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
LEFT_OUT = (Detect, Peaks)  # the ops that it cannot say
SAME, VALID = 0, 1
ACTS: dict[Act, int] = {None: 0, "relu": 1, "relu6": 3}
TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int8": 9}
# each operator's number, the number of its settings' table
KINDS = {
    "ADD": (0, 11),
    "CONCATENATION": (2, 10),
    "CONV_2D": (3, 1),
    "DEPTHWISE_CONV_2D": (4, 2),
    "DEQUANTIZE": (6, 38),
    "L2_NORMALIZATION": (11, 12),
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
    "QUANTIZE": (114, 89),
}
# and the first version of it that knows what is asked of it here, where that is not the first
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
        self.versions = dict(VERSIONS)
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

    def written(self, outputs: list[int], notes: Mapping[str, str]) -> bytes:
        codes = [
            Table({
                0: byte(KINDS[kind][0]), 2: whole(self.versions.get(kind, 1)),
                3: whole(KINDS[kind][0]),
            })
            for kind in self.codes
        ]  # fmt: skip
        told = []
        for name, text in sorted(notes.items()):
            told.append(Table({0: name, 1: Number("I", len(self.buffers))}))
            self.buffers.append(Table({0: np.frombuffer(text.encode(), np.uint8)}))
        main = Table({
            0: self.tensors, 1: ints([0]), 2: ints(outputs), 3: self.operators, 4: "main",
        })  # fmt: skip
        root = Table({
            0: Number("I", 3), 1: codes, 2: [main], 3: "spindle", 4: self.buffers, 6: told,
        })  # fmt: skip
        return flatbuffer.write(root, b"TFL3")


def write(
    graph: Graph, weights: Weights, batch: int = 1, notes: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a .tflite file; `notes` are its metadata."""
    graph, weights = fold(graph, weights)
    model = Model(batch)
    model.tensor("image", (batch, *graph.input.shape), "uint8")
    for op in graph.ops:
        own = {part: weights[f"{op.name}.{part}"] for part in op.weights}
        xs = [model.place[tensor.name] for tensor in op.inputs]
        model.place[op.name] = put(model, op, xs, own)
    return model.written([model.place[tensor.name] for tensor in graph.outputs], notes or {})


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
            return reshaped(model, name, xs[0], shape)
        case Concat():
            axis = 3 if op.axis == "channels" else 1
            return model.put("CONCATENATION", name, xs, shape, Table({0: whole(axis)}))
        case Softmax():
            return model.put("SOFTMAX", name, xs, shape, Table({0: Number("f", 1.0)}))
        case Normalize():
            return model.put("L2_NORMALIZATION", name, xs, shape)
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
    if op.output.shape[:2] != (height * op.stride, width * op.stride) or (
        op.groups > 1 and not op.depthwise
    ):
        raise ValueError(f"TensorFlow Lite has no transposed convolution such as {op.name}")
    if op.depthwise:
        return spaced(model, op, x, w)
    name, shape = op.name, op.output.shape
    size = model.constant(f"{name}_size", ints([model.batch, *shape]))
    inputs = [
        size, model.constant(f"{name}_weight", w["weight"]), x,
        model.constant(f"{name}_bias", w["bias"]),
    ]  # fmt: skip
    settings = {0: byte(SAME), 1: whole(op.stride), 2: whole(op.stride), 3: byte(ACTS[op.act])}
    return model.put("TRANSPOSE_CONV", name, inputs, shape, Table(settings))


def spaced(model: Model, op: Deconv, x: int, w: Weights) -> int:
    """A transposed depthwise convolution: zeros between the pixels, then a plain one backwards."""
    name, (height, width, channels) = op.name, op.inputs[0].shape
    zeros, wide = op.stride - 1, width * op.stride
    after = model.constant(f"{name}_zeros", ints([(0, 0), (0, 0), (0, zeros), (0, 0)]))
    for axis, old, new in (
        ("columns", (height * width, 1, channels), (height * width, op.stride, channels)),
        ("rows", (height, 1, wide * channels), (height, op.stride, wide * channels)),
    ):
        x = reshaped(model, f"{name}_{axis}", x, old)
        x = model.put("PAD", f"{name}_{axis}_apart", [x, after], new)
    high, (before, behind) = height * op.stride, (op.kernel - 1 - op.pads[0][0], op.pads[0][0])
    x = reshaped(model, f"{name}_apart", x, (high, wide, channels))
    edges = model.constant(f"{name}_edges", ints([(0, 0), *[(before, behind)] * 2, (0, 0)]))
    framed = high + op.kernel - 1, wide + op.kernel - 1, channels
    x = model.put("PAD", f"{name}_padded", [x, edges], framed)
    backwards = np.ascontiguousarray(w["weight"][:, ::-1, ::-1].transpose(3, 1, 2, 0))
    inputs = [
        x, model.constant(f"{name}_weight", backwards), model.constant(f"{name}_bias", w["bias"])
    ]  # fmt: skip
    settings = {0: byte(VALID), 1: whole(1), 2: whole(1), 3: whole(1), 4: byte(ACTS[op.act])}
    settings |= {5: whole(1), 6: whole(1)}
    return model.put("DEPTHWISE_CONV_2D", name, inputs, op.output.shape, Table(settings))


def reshaped(model: Model, name: str, x: int, shape: tuple[int, ...]) -> int:
    to = ints([model.batch, *shape])
    return model.put("RESHAPE", name, [x, model.constant(f"{name}_to", to)], shape, Table({0: to}))
