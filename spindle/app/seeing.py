"""What does a network say of a picture, whoever runs it?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.data import preprocess
from spindle.data.reading import read_output
from spindle.data.results import Result
from spindle.model.graph import Graph

Array = NDArray[Any]
Run = Callable[[Graph, Array], dict[str, Array]]  # it may say that it `fits` any picture itself
LONG = 1 << 14  # a side of a picture that Pillow makes small, whoever runs the network


class Sight:
    """From a picture through a network to a result in the picture's own pixels and words."""

    task: Any  # a Task, of which a built file is believed

    def __init__(self, task: str, graph: Graph, names: tuple[str, ...], run: Run) -> None:
        self.task, self.graph, self.names, self.run = task, graph, names, run

    @property
    def fits(self) -> bool:
        """Whether whoever runs it brings a picture to the network's size as well."""
        return getattr(self.run, "fits", False)

    def see(self, picture: Any, threshold: float = 0.0) -> Result:
        """Of one picture, of which no more is decoded than the network can make use of."""
        opened = preprocess.open_picture(picture)
        seen, place = preprocess.glance(opened, self.graph.image)
        pixels, frame = self.fitted(seen)
        output = self.answer(self.graph, pixels)
        return read_output(self.task, output, place.part(frame), opened.size, self.names, threshold)

    def fitted(self, picture: preprocess.Picture) -> tuple[Array, preprocess.Frame]:
        """The picture at the network's size, or at its own where that is fitted in C."""
        image = self.graph.image
        if picture.size != (image.width, image.height) and max(picture.size) < LONG and self.fits:
            return np.asarray(picture), preprocess.seen(picture.size, image)
        return preprocess.prepare(picture, image)

    def answer(self, graph: Graph, pixels: Array) -> Array:
        """The first output of a network, which must be numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            output = self.run(graph, pixels)[graph.output.name]
        if not np.isfinite(output).all():
            raise ValueError("this network's answer is not finite: its weights are broken")
        return output
