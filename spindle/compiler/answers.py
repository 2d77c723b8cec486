"""What must C be told of a detector, and how much memory does it take?"""

from __future__ import annotations

from spindle.model.answers import Detect


def detect_scratch(op: Detect, threads: int = 1) -> int:
    """The bytes kernels/boxes.h works in: planes of an odd number of cache lines, and tiles."""
    anchors, _, classes = op.inputs[1].shape
    pitch = ((anchors + 15) // 16 | 1) * 16
    return 4 * ((classes + 4) * pitch + (2 + 16 * threads) * (classes + 15))


def initializer(op: Detect) -> str:
    """The `struct detector` of kernels/boxes.h, as C text."""
    anchors, _, classes = op.inputs[1].shape
    if anchors > 1 << 24:
        raise ValueError(f"{anchors} anchors are more than C counts; make the pictures smaller")
    variances = ", ".join(map(number, op.variances))
    sizes = f"{anchors}, {classes}, {op.most}, {int(op.score == 'softmax')}"
    return f"{{{sizes}, {{{variances}}}, {number(op.threshold)}, {number(op.overlap)}}}"


def number(value: float) -> str:
    """A float of C; to its last bit."""
    return f"{float(value).hex()}f"
