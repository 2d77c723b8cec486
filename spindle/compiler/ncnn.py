"""How does a graph read as ncnn?  A list of layers as text, and their weights one after the other.

The picture's preparation is ncnn's own call, outside the network; what ends in rows, boxes or
places is finished outside as well.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.fold import fold
from spindle.model.answers import ArgMax, Detect, Normalize, Peaks, Softmax
from spindle.model.graph import Graph
from spindle.model.ops import Act, Add, Concat, Conv, Deconv, Image, Mean, Op, Resize, Rows
from spindle.model.weights import Weights

LEFT_OUT = (ArgMax, Detect, Normalize, Peaks, Rows)  # the ops that it cannot say, or not so
MAGIC = "7767517"
FLAT = ("InnerProduct", "Pooling")  # make a vector, where other layers want one pixel
PLAIN = bytes(4)  # before a layer's weights: they are float32 as they stand
ACTS: dict[Act, str] = {None: "", "relu": " 9=1", "relu6": " 9=3 -23310=2,0.0,6.0"}


def write(graph: Graph, weights: Weights) -> tuple[str, bytes]:
    """The text of a .param file and the bytes of its .bin."""
    graph, weights = fold(graph, weights)
    readers = Counter(tensor.name for op in graph.ops for tensor in op.inputs)
    lines, blobs, data = [], 0, b""
    copies: dict[str, list[str]] = {}  # of a tensor with several readers: a name for each
    for op in graph.ops:
        kind, settings = layer(op)
        ins = [copies[t.name].pop(0) if t.name in copies else t.name for t in op.inputs]
        flat = kind in FLAT
        made = f"{op.name}.flat" if flat else op.name
        lines.append(" ".join([kind, made, f"{len(ins)} 1", *ins, made]) + settings)
        if flat:
            lines.append(f"Reshape {op.name} 1 1 {made} {op.name} 0=1 1=1 2={op.output.shape[2]}")
        blobs += 1 + flat
        if isinstance(op, Conv):
            data += b"" if kind == "Scale" else PLAIN
            data += in_order(weights[f"{op.name}.weight"]) + in_order(weights[f"{op.name}.bias"])
        if (wanted := readers[op.name]) > 1:
            copies[op.name] = [f"{op.name}.{number}" for number in range(wanted)]
            each = " ".join(copies[op.name])
            lines.append(f"Split {op.name}.split 1 {wanted} {op.name} {each}")
            blobs += wanted
    return "\n".join([MAGIC, f"{len(lines)} {blobs}", *lines, ""]), data


def in_order(array: NDArray[np.float32]) -> bytes:
    """Out, in, height, width, of a deconvolution as well."""
    turned = np.moveaxis(array, -1, 1) if array.ndim == 4 else array
    return np.ascontiguousarray(turned, "<f4").tobytes()


def convolution(op: Conv) -> tuple[str, str]:
    """One pixel is a vector to ncnn, which it multiplies or scales, but does not convolve."""
    (above, below), (left, right) = op.pads
    size, act = int(np.prod(op.weights["weight"])), ACTS[op.act]
    if op.inputs[0].shape[:2] == (1, 1) == op.output.shape[:2] and op.kernel == 1:
        if op.groups == 1:
            return "InnerProduct", f" 0={op.channels} 1=1 2={size}{act}"
        if op.depthwise and not op.act:
            return "Scale", f" 0={op.channels} 1=1"
    kind = "Deconvolution" if isinstance(op, Deconv) else "Convolution"
    kind, groups = (f"{kind}DepthWise", f" 7={op.groups}") if op.groups > 1 else (kind, "")
    return kind, (
        f" 0={op.channels} 1={op.kernel} 2={op.dilation} 3={op.stride} 4={left} 5=1 6={size}"
        f" 14={above} 15={right} 16={below}{groups}{act}"
    )


def layer(op: Op) -> tuple[str, str]:
    """Its kind, and its settings by their numbers."""
    match op:
        case Image():
            return "Input", ""
        case Conv():
            return convolution(op)
        case Add():
            return "BinaryOp", " 0=0"
        case Mean():
            return "Pooling", " 0=1 4=1"
        case Resize():
            height, width, _ = op.output.shape
            return "Interp", f" 0=2 3={height} 4={width} 6={int(op.corners)}"
        case Concat() if op.axis == "channels":
            return "Concat", " 0=0"
        case Softmax():
            return "Softmax", " 0=0 1=1"
    raise NotImplementedError(op)
