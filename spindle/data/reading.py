"""What does a network's output say of a picture, in the picture's own pixels and words?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.data.labels import KEYPOINTS
from spindle.data.preprocess import Frame
from spindle.data.results import Box, Boxes, Classification, Embedding, Mask, Pose, Result

Array = NDArray[Any]


def read_output(
    task: str,
    output: Array,
    frame: Frame,
    size: tuple[int, int],
    names: tuple[str, ...],
    threshold: float = 0.0,
) -> Result:
    """The first output of a network that saw this frame of a picture of this width and height."""
    wide, high = size
    match task:
        case "classify":
            order = np.argsort(-output.ravel(), kind="stable").tolist()
            scores = output.ravel().tolist()
            return Classification(tuple((names[i], scores[i]) for i in order))
        case "detect":
            boxes = []
            for left, top, right, bottom, score, kind in output[:, 0].tolist():
                if score >= threshold and kind >= 0:
                    (x0, y0), (x1, y1) = frame.outside(left, top), frame.outside(right, bottom)
                    x0, x1 = np.clip((x0, x1), 0, 1).tolist()  # padding is no part of it
                    y0, y1 = np.clip((y0, y1), 0, 1).tolist()
                    place = x0 * wide, y0 * high, x1 * wide, y1 * high
                    boxes.append(Box(names[int(kind)], score, *place))
            return Boxes(tuple(boxes))
        case "segment":
            return read_mask(output[..., 0], frame, size, names)
        case "pose":
            points = []
            for name, (x, y, score) in zip(names, output[:, 0].tolist(), strict=True):
                x, y = frame.outside(x, y)
                points.append((name, x * wide, y * high, score))
            return Pose(tuple(points))
        case "embed":
            return Embedding(output.ravel())
    raise ValueError(f"no result is known for the task {task!r}")


def names(task: str, count: int, labels: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The words for all that a network can name: its labels, or what stands in for them."""
    if labels or (task == "pose" and count == len(KEYPOINTS)):
        return labels or KEYPOINTS
    return tuple(f"{'point' if task == 'pose' else 'class'} {number}" for number in range(count))


def read_mask(classes: Array, frame: Frame, size: tuple[int, int], names: tuple[str, ...]) -> Mask:
    """The mask of the whole picture; what the network did not see keeps class 0."""
    # the row and the column of the network that each of the picture's pixels lies in
    rows = places(size[1], frame.top, frame.bottom, classes.shape[0])
    columns = places(size[0], frame.left, frame.right, classes.shape[1])
    edged = np.pad(classes.astype(np.int32), 1)
    return Mask(edged[rows + 1][:, columns + 1], names)


def places(pixels: int, start: float, end: float, extent: int) -> NDArray[np.int64]:
    """For the centre of each pixel along a side, which of `extent` parts of a frame it is in.

    Those before the frame are in -1, those behind it in `extent`.
    """
    share = ((np.arange(pixels) + 0.5) / pixels - start) / (end - start)
    return np.floor(share * extent).clip(-1, extent).astype(np.int64)
