"""Where in a picture did a classifier look?  Grad-CAM, which for this head needs no gradient.

The head is the mean of the last features, then a linear layer.  So the gradient of a class's logit
is, at every pixel, that class's row of weights over the number of pixels: Grad-CAM's weighted sum
of the features is the row times the features, up to that number.  Numpy does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle.compiler import reference
from spindle.data.preprocess import Frame, Picture, prepare
from spindle.model.graph import Graph
from spindle.model.ops import Conv, Mean
from spindle.model.weights import Model, Weights

Array = NDArray[Any]
# dark to bright in equal steps to the eye, also to one that knows fewer colours
RAMP = np.array([(10, 8, 40), (105, 25, 105), (215, 65, 70), (250, 160, 40), (252, 250, 170)])
THIN, THICK = 0.2, 0.75  # how much of the picture the colour covers, where nothing is and most
UNSEEN = 0.6  # what the network does not see lies in the dark


@dataclass(frozen=True)
class Looker:
    """A classifier cut where its features still know where they are."""

    graph: Graph
    weights: Weights
    last: Array  # classes x channels

    def heat(self, pixels: Array, kind: int) -> Array:
        """Grad-CAM of a class over the last features, 0 to 1; `pixels` are the network's own."""
        made = reference.run(self.graph, self.weights, pixels)[self.graph.output.name]
        map_ = np.maximum(made @ self.last[kind], 0)
        return np.asarray(map_ / max(float(map_.max()), 1e-12))

    def shown(self, picture: Picture, kind: int) -> Picture:
        """The picture, the warmer where more speaks for this class."""
        pixels, frame = prepare(picture, self.graph.image)
        return overlaid(picture, self.heat(pixels, kind), frame)


def looker(model: Model) -> Looker | None:
    """None where the head is another than a mean and one linear layer."""
    made = {op.name: op for op in model.graph.ops}
    try:
        linear = made[made[model.graph.output.name].inputs[0].name]
        pool = made[linear.inputs[0].name]
    except (IndexError, KeyError):
        return None
    if not (isinstance(linear, Conv) and isinstance(pool, Mean)):
        return None
    if linear.norm or linear.act or linear.groups > 1:
        return None
    part = model.graph.until(pool.inputs[0].name)
    kept = {name: model.weights[name] for name in part.arrays}
    return Looker(part, kept, model.weights[f"{linear.name}.weight"][:, 0, 0])


def overlaid(picture: Picture, heat: Array, frame: Frame) -> Picture:
    """The heat over the part of the picture that the network saw."""
    wide, high = picture.size
    size = max(round(frame.width * wide), 1), max(round(frame.height * high), 1)
    spread = Pillow.fromarray(heat.astype(np.float32)).resize(size, Pillow.Resampling.BICUBIC)
    corner = round(frame.left * wide), round(frame.top * high)
    warm, seen = Pillow.new("F", picture.size), Pillow.new("1", picture.size)
    warm.paste(spread, corner)
    seen.paste(1, (*corner, corner[0] + size[0], corner[1] + size[1]))
    warmth = np.asarray(warm).clip(0, 1)
    steps = np.linspace(0, 1, len(RAMP))
    colours = np.stack([np.interp(warmth, steps, channel) for channel in RAMP.T], axis=-1)
    cover = np.where(np.asarray(seen), THIN + (THICK - THIN) * warmth, UNSEEN)[..., None]
    mixed = np.asarray(picture, np.float32) * (1 - cover) + colours * cover
    return Pillow.fromarray(mixed.astype(np.uint8))
