"""How does a graph read as ONNX?  A picture of bytes in, answers out, preparation and NMS inside.

Written without the onnx package: a model is a few numbered fields, and the same graph makes the
same bytes.  Pictures and answers are batch x height x width x channels, as everywhere in this
house; between them lie planes, batch x channels x height x width, which is what ONNX convolves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.sheet import PIXELS, PLANES, Sheet, Side, outside
from spindle.model import boxes
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
)  # fmt: skip
from spindle.model.tasks import dtype
from spindle.model.weights import Weights

Floats = NDArray[np.float32]


def write(
    graph: Graph, weights: Weights, batch: int | None = 1, notes: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of an .onnx file; `batch` None leaves it free, `notes` are its metadata."""
    sheet = Sheet(frozenset(tensor.name for tensor in graph.outputs))
    for op in graph.ops:
        own = {part: weights[f"{op.name}.{part}"] for part in op.weights | op.statistics}
        sheet.keep(op.name, PIXELS if in_pixels(op) else PLANES, node(sheet, op, own))
    return written(sheet, graph, batch, notes)


def written(
    sheet: Sheet, graph: Graph, batch: int | None, notes: Mapping[str, str] | None
) -> bytes:
    """What is on the sheet, with the ways in and out."""
    first: Side = "batch" if batch is None else batch
    ins = [outside("image", "uint8", (first, *graph.input.shape))]
    outs = []
    for tensor in graph.outputs:
        sheet.answer(tensor.name)
        outs.append(outside(tensor.name, dtype(graph, tensor), (first, *tensor.shape)))
    return sheet.model("spindle", ins, outs, notes or {})


def in_pixels(op: Op) -> bool:
    """Whether ONNX makes this op's output as pixels: what has lost its height and width."""
    return isinstance(op, Rows | Peaks | Detect) or (isinstance(op, Concat) and op.axis == "rows")


def node(sheet: Sheet, op: Op, w: Weights) -> str:
    """The nodes of one op; gives the name of what they make."""
    name = op.name
    if isinstance(op, Image):
        return image(sheet, op)
    if isinstance(op, Rows):
        shape = np.array([0, *op.output.shape])
        return sheet.put("Reshape", name, sheet.pixels(op.inputs[0].name), shape)
    if isinstance(op, Concat) and op.axis == "rows":
        return sheet.put("Concat", name, *(sheet.pixels(t.name) for t in op.inputs), axis=1)
    if isinstance(op, Detect):
        return detect(sheet, op)
    xs = [sheet.planes(tensor.name) for tensor in op.inputs]
    match op:
        case Conv():
            return convolution(sheet, op, xs[0], w)
        case BatchNorm():
            return batch_norm(sheet, name, xs[0], op.norm, w)
        case Add():
            return sheet.put("Add", name, *xs)
        case Mean():
            return sheet.put("GlobalAveragePool", name, xs[0])
        case Resize():
            return resize(sheet, op, xs[0])
        case Concat():
            return sheet.put("Concat", name, *xs, axis=1)
        case Softmax():
            return sheet.put("Softmax", name, xs[0], axis=1)
        case ArgMax():
            best = sheet.put("ArgMax", f"{name}.index", xs[0], axis=1, keepdims=1)
            return sheet.put("Cast", name, best, to=6)
        case Normalize():
            length = sheet.put("ReduceL2", f"{name}.length", xs[0], np.array([1]), keepdims=1)
            safe = sheet.put("Max", f"{name}.safe", length, single(1e-12))
            return sheet.put("Div", name, xs[0], safe)
        case Peaks():
            return peaks(sheet, op, xs[0])
    raise NotImplementedError(op)


def single(value: float) -> Floats:
    return np.array(value, np.float32)


def image(sheet: Sheet, op: Image) -> str:
    """Bytes as planes of floats, in the network's range; a mean of 0, a std of 1 cost nothing."""
    turned = sheet.put("Transpose", "image.planes", "image", perm=PLANES)
    made = sheet.put("Cast", f"{op.name}.float", turned, to=1)
    for kind, values, idle in (("Sub", op.mean, 0), ("Div", op.std, 1)):
        if any(value != idle for value in values):
            numbers = np.array(values, np.float32).reshape(1, -1, 1, 1)
            made = sheet.put(kind, f"{op.name}.{kind.lower()}", made, numbers)
    return made


def convolution(sheet: Sheet, op: Conv, x: str, w: Weights) -> str:
    (above, below), (left, right) = op.pads
    weight = w["weight"].transpose(0, 3, 1, 2)
    if isinstance(op, Deconv):  # in, out / groups, h, w
        out, in_, high, wide = weight.shape
        grouped = weight.reshape(op.groups, out // op.groups, in_, high, wide).swapaxes(1, 2)
        weight = grouped.reshape(in_ * op.groups, out // op.groups, high, wide)
    inputs = [x, sheet.constant(f"{op.name}.weight", weight)]
    if not op.norm:
        inputs.append(sheet.constant(f"{op.name}.bias", w["bias"]))
    made = sheet.put(
        "ConvTranspose" if isinstance(op, Deconv) else "Conv",
        f"{op.name}.sums" if op.norm or op.act else op.name,
        *inputs,
        kernel_shape=(op.kernel, op.kernel),
        strides=(op.stride, op.stride),
        dilations=(op.dilation, op.dilation),
        pads=(above, left, below, right),
        group=op.groups,
    )
    if op.norm:
        made = batch_norm(sheet, f"{op.name}.norm" if op.act else op.name, made, op.norm, w)
    return bent(sheet, op, made)


def bent(sheet: Sheet, op: Conv, made: str) -> str:
    """After its activation."""
    match op.act:
        case "relu6":
            return sheet.put("Clip", op.name, made, single(0), single(6))
        case "relu":
            return sheet.put("Relu", op.name, made)
    return made


def batch_norm(sheet: Sheet, name: str, x: str, norm: Norm, w: Weights) -> str:
    parts = [sheet.constant(f"{name}.{part}", w[part]) for part in ("gamma", "beta", "mean", "var")]
    return sheet.put("BatchNormalization", name, x, *parts, epsilon=norm.eps)


def resize(sheet: Sheet, op: Resize, x: str) -> str:
    height, width, _ = op.output.shape
    kept = sheet.put("Shape", f"{op.name}.kept", x, start=0, end=2)
    # all four sides, since ONNX Runtime loses its way where it turns a resize of two
    sides = sheet.put("Concat", f"{op.name}.sides", kept, np.array([height, width]), axis=0)
    return sheet.put(
        "Resize", op.name, x, "", "", sides, mode="linear",
        coordinate_transformation_mode="align_corners" if op.corners else "half_pixel",
    )  # fmt: skip


def peaks(sheet: Sheet, op: Peaks, x: str) -> str:
    """Batch x points x 1 x 3: the best place of each plane, its neighbours looked up beside it."""
    height, width, points = op.inputs[0].shape
    name, put = op.name, sheet.put
    flat = put("Reshape", f"{name}.flat", x, np.array([0, points, height * width]))
    best = put("ArgMax", f"{name}.best", flat, axis=2, keepdims=1)
    column = put("Mod", f"{name}.column", best, np.array([width]))
    row = put("Div", f"{name}.row", best, np.array([width]))

    def moved(label: str, index: str, step: int, size: int) -> str:
        """A quarter of a pixel towards the larger neighbour, none at an edge; then as a share."""
        at_edge = np.array([0]), np.array([size - 1])
        seen = []
        for side, edge in zip((-1, 1), at_edge, strict=True):
            label_ = f"{name}.{label}{'below' if side < 0 else 'above'}"
            inside = put("Equal", f"{label_}.edge", index, edge)
            stay = put("Cast", f"{label_}.stay", inside, to=7)
            go = put("Sub", f"{label_}.go", np.array([1]), stay)
            far = put("Mul", f"{label_}.far", go, np.array([side * step]))
            place = put("Add", f"{label_}.place", best, far)
            seen.append((put("GatherElements", f"{label_}.value", flat, place, axis=2), go))
        (below, inner), (above, outer) = seen
        slope = put("Sign", f"{name}.{label}slope", put("Sub", f"{name}.{label}up", above, below))
        both = put("Mul", f"{name}.{label}both", inner, outer)
        inside = put("Cast", f"{name}.{label}inside", both, to=1)
        quarter = put("Mul", f"{name}.{label}quarter", slope, single(0.25))
        move = put("Mul", f"{name}.{label}move", quarter, inside)
        start = put("Cast", f"{name}.{label}float", index, to=1)
        middle = put("Add", f"{name}.{label}middle", start, single(0.5))
        place = put("Add", f"{name}.{label}at", middle, move)
        return put("Div", f"{name}.{label}", place, single(size))

    x_, y_ = moved("x", column, 1, width), moved("y", row, width, height)
    value = put("GatherElements", f"{name}.value", flat, best, axis=2)
    joined = put("Concat", f"{name}.joined", x_, y_, value, axis=2)
    return put("Unsqueeze", name, joined, np.array([2]))


def detect(sheet: Sheet, op: Detect) -> str:
    """Batch x most x 1 x 6: all pictures through one NMS, whose choices are ranked for each."""
    put, name = sheet.put, op.name
    count, _, classes = op.inputs[1].shape
    deltas, scores = (
        put("Reshape", f"{name}.{label}", sheet.pixels(tensor.name), np.array([0, count, width]))
        for tensor, width, label in zip(op.inputs, (4, classes), ("deltas", "scores"), strict=True)
    )
    corners = decode(sheet, op, deltas, f"{name}.box")  # batch x anchors x 4
    seen = put("Clip", f"{name}.seen", corners, single(0), single(1))
    if op.score == "sigmoid":
        chances = put("Sigmoid", f"{name}.chances", scores)
    else:
        chances = put("Softmax", f"{name}.chances", scores, axis=2)
    begin, end = np.array([1]), np.array([classes])
    chances = put("Slice", f"{name}.named", chances, begin, end, np.array([2]))
    visible = put("Mul", f"{name}.visible", chances, has_area(sheet, seen, f"{name}.area"))
    by_class = put("Transpose", f"{name}.by_class", visible, perm=(0, 2, 1))
    kept = put(
        "NonMaxSuppression", f"{name}.kept", corners, by_class, np.array([op.most]),
        np.array([op.overlap], np.float32), np.array([op.threshold], np.float32),
    )  # fmt: skip
    return ranked(sheet, op, kept, seen, by_class)


def ranked(sheet: Sheet, op: Detect, kept: str, seen: str, by_class: str) -> str:
    """The best of what was kept for each picture, as rows, and fillers where there are too few.

    kept: rows of picture, class, anchor.
    """
    put, name, last = sheet.put, op.name, np.array([1])
    picture, kind = (
        put("Slice", f"{name}.{label}", kept, np.array([at]), np.array([at + 1]), last)
        for at, label in enumerate(("picture", "kind"))
    )
    box = put("Gather", f"{name}.whose", kept, np.array([0, 2]), axis=1)
    score = put("GatherND", f"{name}.score", by_class, kept)
    columns = [
        put("GatherND", f"{name}.corners", seen, box),
        put("Unsqueeze", f"{name}.score_column", score, last),
        put("Cast", f"{name}.kind_column", kind, to=1),
    ]
    rows = put("Concat", f"{name}.rows", *columns, axis=1)
    filler = np.array([(0, 0, 0, 0, 0, -1)] * op.most, np.float32)
    enough = put("Concat", f"{name}.enough", rows, filler, axis=0)

    # batch x kept: the score where it is this picture's, less than any filler's where it is not
    shape = put("Slice", f"{name}.batch", put("Shape", f"{name}.shape", seen), np.array([0]), last)
    ones = put("Expand", f"{name}.ones", np.array([1]), shape)
    own = put("CumSum", f"{name}.own", ones, np.array(0), exclusive=1)
    mine = put(
        "Equal", f"{name}.mine", put("Unsqueeze", f"{name}.own_column", own, last),
        put("Transpose", f"{name}.picture_row", picture, perm=(1, 0)),
    )  # fmt: skip
    mine = put("Where", f"{name}.mine_score", mine, score, single(-1))
    none = put("Expand", f"{name}.none", np.zeros((1, op.most), np.float32),
               put("Concat", f"{name}.none_shape", shape, last, axis=0))  # fmt: skip
    put("TopK", f"{name}.best", put("Concat", f"{name}.ranked", mine, none, axis=1),
        np.array([op.most]), outputs=2)  # fmt: skip
    chosen = put("Gather", f"{name}.chosen", enough, f"{name}.best.1", axis=0)
    return put("Unsqueeze", name, chosen, np.array([2]))


def decode(sheet: Sheet, op: Detect, deltas: str, name: str) -> str:
    """Corners of the boxes, as boxes.decode has them; what is constant is multiplied beforehand."""
    put, around = sheet.put, boxes.anchors(op)
    shift, grow = np.array(op.variances, np.float32).reshape(2, 2)
    axis = np.array([2])
    moved = put("Slice", f"{name}.shift", deltas, np.array([0]), np.array([2]), axis)
    grown = put("Slice", f"{name}.growth", deltas, np.array([2]), np.array([4]), axis)
    moved = put("Mul", f"{name}.moved", moved, around[:, 2:] * shift)
    centre = put("Add", f"{name}.centre", moved, around[:, :2])
    grown = put("Mul", f"{name}.grown", grown, grow)
    grown = put("Min", f"{name}.bounded", grown, single(boxes.LARGEST_GROWTH))
    half = put("Mul", f"{name}.half", put("Exp", f"{name}.times", grown), around[:, 2:] / 2)
    low, high = put("Sub", f"{name}.low", centre, half), put("Add", f"{name}.high", centre, half)
    return put("Concat", f"{name}.corners", low, high, axis=2)


def has_area(sheet: Sheet, seen: str, name: str) -> str:
    """1 for each box of which something is in the picture, else 0, as a column of floats."""
    put, axis = sheet.put, np.array([2])
    low = put("Slice", f"{name}.low", seen, np.array([0]), np.array([2]), axis)
    high = put("Slice", f"{name}.high", seen, np.array([2]), np.array([4]), axis)
    sides = put("Sub", f"{name}.sides", high, low)
    least = put("ReduceMin", f"{name}.least", sides, axis, keepdims=1)
    return put("Cast", name, put("Greater", f"{name}.positive", least, single(0)), to=1)
