"""A picture in, a result out: a model behind any of its readings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle import training
from spindle.app import later
from spindle.compiler.library import Library
from spindle.compiler.targets import LIBRARIES
from spindle.data import preprocess
from spindle.data.reading import names, read_mask, read_output
from spindle.data.results import Classification, Mask, Result
from spindle.model.graph import Graph
from spindle.model.ops import Image, Tensor

Array = NDArray[Any]
Run = Callable[[Graph, Array], dict[str, Array]]
READINGS = ("numpy", "torch", "c")
MOST_NETWORKS = 8  # that a predictor keeps, one for each size a segmenter looks at
LONG = 1 << 14  # a side of a picture that Pillow makes small, whoever runs the network
MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # the paper's, for segmentation


def load(
    source: str | Path, reading: str | None = None, threads: int = 1, **unsaid: Any
) -> Predictor:
    """A model by its file, by somebody else's weights, or by a published name; or a compiled one.

    The reading is numpy if none is said.  `unsaid` is what a foreign file does not tell: `size`,
    `labels` and the rest that `adopt_weights` knows.  `threads` are for compiled models, and for
    the reading "c", which compiles.
    """
    path = Path(source)
    if path.suffix not in LIBRARIES:
        return Predictor(later.open_model(source, **unsaid), reading or "numpy", threads)
    if reading not in (None, "c"):
        raise ValueError(f"{path} is compiled: its reading is c, it has no {reading}")
    if unsaid:
        raise ValueError(f"{path} says itself what it is: {', '.join(unsaid)} cannot be changed")
    return Predictor(Library(path, threads))


def outside(info: dict[str, Any]) -> Graph:
    """Of a compiled network what can be seen: its picture and its outputs."""
    said = {name: value for name, value in info["preprocessing"].items() if name != "kind"}
    lists = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
    outputs = (Tensor(o["name"], tuple(o["shape"])) for o in info["outputs"])
    return Graph((Image(**said | lists),), tuple(outputs))


class Predictor:
    """A model, ready to be shown pictures."""

    def __init__(
        self, model: later.Model | Library, reading: str = "numpy", threads: int = 1
    ) -> None:
        if reading not in READINGS:
            raise ValueError(f"there is no reading {reading!r}: choose {', '.join(READINGS)}")
        self._model = model
        if isinstance(model, Library):
            info = model.info
            self.task, self.graph, labels = info["task"], outside(info), tuple(info["labels"])
            count = info["classes"]
            self.run: Run = lambda _, pixels: model.picture(pixels)
        else:
            self.task, self.graph, labels = model.task, model.graph, model.labels
            later.check(self.graph, self.task, labels)
            count = later.answers(self.graph, self.task)
            self.run = self._numpy if reading == "numpy" else self._made(reading, threads)
        self.fits = isinstance(model, Library) or reading == "c"  # a picture to its size, itself
        self.names = names(self.task, count, labels)

    @property
    def model(self) -> later.Model:
        """The network and its numbers, which a compiled model keeps to itself."""
        if isinstance(self._model, Library):
            raise ValueError(f"{self._model.path} is compiled: load what it was compiled from")
        return self._model

    def __call__(
        self,
        picture: Any,
        threshold: float = 0.3,
        scales: Sequence[float] = (),
        flip: bool = False,
        top: int | None = None,
    ) -> Result:
        """What the network says of one picture: a path, bytes, a Pillow picture or an array.

        A JPEG given as a path or bytes is decoded at a half, a quarter or an eighth where that
        leaves it at least twice as large as the network wants it; the pixels of a picture that is
        open already are taken as they are.  Any number of threads may ask at once.

        Boxes under the threshold are not given, nor classes after the first `top`.  `scales` and
        `flip` let a segmenter look several times and average what it sees.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold {threshold} is no score: scores are 0 to 1")
        if scales or flip:
            seen = preprocess.read_picture(picture)
            return self._look_again(seen, scales or (1.0,), flip)
        opened = preprocess.open_picture(picture)
        seen, place = preprocess.glance(opened, self.graph.image)
        pixels, frame = self._fitted(seen)
        output = self._answer(self.graph, pixels)
        result = read_output(
            self.task, output, place.part(frame), opened.size, self.names, threshold
        )
        if isinstance(result, Classification):
            return Classification(result.classes[:top])
        return result

    def save(self, path: str | Path) -> str:
        """Writes the model file; gives its hash."""
        return later.save(self.model, path)

    def compile(self, path: str | Path, **options: Any) -> Path:
        """Writes a library of it: `target`, `threads`, `memory` and `tune` as in the command."""
        return later.compile_model(self.model, path, **options)

    def _fitted(self, picture: preprocess.Picture) -> tuple[Array, preprocess.Frame]:
        """The picture at the network's size, or at its own where the reading fits it in C."""
        image = self.graph.image
        if self.fits and picture.size != (image.width, image.height) and max(picture.size) < LONG:
            return np.asarray(picture), preprocess.seen(picture.size, image)
        return preprocess.prepare(picture, image)

    def _answer(self, graph: Graph, pixels: Array) -> Array:
        """The first output of the network, which must be numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            output = self.run(graph, pixels)[graph.output.name]
        if not np.isfinite(output).all():
            raise ValueError("this network's answer is not finite: its weights are broken")
        return output

    def _numpy(self, graph: Graph, pixels: Array) -> dict[str, Array]:
        return later.run(graph, self.model.weights, pixels)

    def _made(self, reading: str, threads: int) -> Run:
        """Networks that are made once for each size they look at."""

        def run(graph: Graph, pixels: Array) -> dict[str, Array]:
            with lock:
                if graph not in made:
                    if len(made) == MOST_NETWORKS:
                        made.clear()
                    made[graph] = (
                        training.reader(graph, self.model.weights)
                        if reading == "torch"
                        else later.built(replace(self.model, graph=graph), threads).picture
                    )
                network = made[graph]
            return network(pixels)

        lock = threading.Lock()
        made: dict[Graph, Callable[[Array], dict[str, Array]]] = {}
        return run

    def _look_again(self, picture: preprocess.Picture, scales: Sequence[float], flip: bool) -> Mask:
        """The chances of each pixel's class, averaged over several sizes and both hands."""
        if self.task != "segment":
            raise ValueError("several scales and flips are for segmenters")
        graph = self.model.graph
        if not all(0.1 <= scale <= 10 for scale in scales):
            raise ValueError(f"scales are 0.1 to 10: {', '.join(map(str, scales))}")
        high, wide, _ = graph.input.shape
        scores = later.deciding(graph).inputs[0]
        total: Array = np.zeros((high, wide, scores.shape[2]), np.float32)
        for scale in scales:
            # a size of 16 k + 1 keeps its corners when it is scaled so
            other = graph.until(scores.name).resized(
                int((high - 1) * scale) + 1, int((wide - 1) * scale) + 1
            )
            pixels, _ = preprocess.prepare(picture, other.image)
            for turn in (1, -1) if flip else (1,):
                logits = self._answer(other, np.ascontiguousarray(pixels[:, ::turn]))
                chances = np.exp(logits - logits.max(axis=2, keepdims=True))
                chances = (chances / chances.sum(axis=2, keepdims=True))[None, :, ::turn]
                for axis, extent in ((1, high), (2, wide)):
                    chances = later.resize(chances, axis, extent, corners=True)
                total += chances[0]
        _, frame = preprocess.prepare(picture, graph.image)
        return read_mask(total.argmax(axis=2), frame, picture.size, self.names)
