"""How do features become an answer?  The ops that end a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spindle.model.ops import Op, Shape, Tensor, one, require


@dataclass(frozen=True)
class Softmax(Op):
    """Over the channels of each pixel."""

    def shape(self) -> Shape:
        return one(self)


@dataclass(frozen=True)
class ArgMax(Op):
    """The channel that is largest at each pixel, the first of equals."""

    def shape(self) -> Shape:
        return *one(self)[:2], 1


@dataclass(frozen=True)
class Normalize(Op):
    """Each pixel's channels as a vector of length one."""

    def shape(self) -> Shape:
        return one(self)


@dataclass(frozen=True)
class Peaks(Op):
    """Where each channel is largest, a quarter pixel towards its larger neighbour: x, y, value.

    One row a channel; x and y are shares of the width and the height.
    """

    def shape(self) -> Shape:
        return one(self)[2], 1, 3


@dataclass(frozen=True)
class Detect(Op):
    """From box deltas and class scores of every anchor to boxes: decoded, then thinned by NMS.

    Each output row is left, top, right, bottom (shares of the picture), score, class; rows left
    over hold score 0 and class -1, and a box wholly outside the picture is nothing.  Class 0 of the
    scores is the background and is never given.
    """

    image: Tensor  # whose sides the anchors are shares of
    maps: tuple[Tensor, ...]  # the feature maps whose pixels carry the anchors
    anchors: tuple[tuple[tuple[float, float], ...], ...]  # for each map: scale, ratio
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    score: Literal["sigmoid", "softmax"] = "sigmoid"
    threshold: float = 1e-8
    overlap: float = 0.6
    most: int = 100

    def shape(self) -> Shape:
        require(self, len(self.inputs) == 2, "takes box deltas and class scores")
        require(self, len(self.maps) == len(self.anchors), "wants anchors for each of its maps")
        require(
            self,
            all(min(pair) > 0 for pairs in self.anchors for pair in pairs),
            "anchors have a size",
        )
        boxes, scores = (tensor.shape for tensor in self.inputs)
        count = sum(
            m.shape[0] * m.shape[1] * len(a) for m, a in zip(self.maps, self.anchors, strict=True)
        )
        require(
            self,
            boxes == (count, 1, 4) and scores[:2] == (count, 1) and scores[2] > 1,
            f"{count} anchors do not go with boxes {boxes} and scores {scores}",
        )
        return self.most, 1, 6

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return *self.inputs, self.image, *self.maps
