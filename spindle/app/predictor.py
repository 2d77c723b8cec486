"""A picture in, a result out: a model behind any of its readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle import training
from spindle.app import hub
from spindle.compiler import reference
from spindle.data import preprocess
from spindle.data.reading import names, read_mask, read_output
from spindle.data.results import Classification, Mask, Result
from spindle.model import tasks, weights
from spindle.model.graph import Graph
from spindle.model.weights import Model, NotAModel

Array = NDArray[Any]
Run = Callable[[Graph, Array], dict[str, Array]]
MOST_NETWORKS = 8  # that torch keeps, one for each size a segmenter looks at
MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # the paper's, for segmentation


def load(source: str | Path, reading: str = "numpy", **unsaid: Any) -> Predictor:
    """A model by its file, by somebody else's weights, or by a published name.

    `unsaid` is what a foreign file does not tell: `size`, `labels` and the rest that
    `adopt_weights` knows.
    """
    return Predictor(open_model(source, **unsaid), reading)


def open_model(source: str | Path, **unsaid: Any) -> Model:
    path = Path(source)
    if not path.exists() and hub.known(str(source)):
        path = hub.fetch(str(source))
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it")
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        raise ValueError(
            f"there is no file {path}, nor a published model of that name; "
            f"published are {', '.join(hub.PUBLISHED)}"
        )
    if path.suffix == ".safetensors":
        try:
            return told(weights.load(path), path, **unsaid)
        except NotAModel:
            pass
    return training.adopt_weights(path, **unsaid)


def told(model: Model, path: Path, labels: Sequence[str] = (), **unsaid: Any) -> Model:
    """A model file with the labels it lacks; nothing else that it says can be changed."""
    if unsaid:
        raise ValueError(f"{path} says itself what it is: {', '.join(unsaid)} cannot be changed")
    if labels and model.labels:
        raise ValueError(f"{path} has labels of its own: {', '.join(model.labels[:3])} ...")
    tasks.check(model.graph, model.task, labels, path)
    return replace(model, labels=tuple(labels)) if labels else model


class Predictor:
    """A model, ready to be shown pictures."""

    def __init__(self, model: Model, reading: str = "numpy"):
        if reading not in ("numpy", "torch"):
            raise ValueError(f"there is no reading {reading!r}: choose numpy or torch")
        tasks.check(model.graph, model.task, model.labels)
        self.model = model
        count = tasks.answers(model.graph, model.task)
        self.names = names(model.task, count, model.labels)
        self.run: Run = self._numpy if reading == "numpy" else self._torch()

    def __call__(
        self,
        picture: Any,
        threshold: float = 0.3,
        scales: Sequence[float] = (),
        flip: bool = False,
        top: int | None = None,
    ) -> Result:
        """What the network says of one picture: a path, bytes, a Pillow picture or an array.

        Boxes under the threshold are not given, nor classes after the first `top`.  `scales` and
        `flip` let a segmenter look several times and average what it sees.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold {threshold} is no score: scores are 0 to 1")
        seen = preprocess.read_picture(picture)
        if scales or flip:
            return self._look_again(seen, scales or (1.0,), flip)
        pixels, frame = preprocess.prepare(seen, self.model.graph.image)
        output = self._answer(self.model.graph, pixels)
        result = read_output(self.model.task, output, frame, seen.size, self.names, threshold)
        if isinstance(result, Classification):
            return Classification(result.classes[:top])
        return result

    def save(self, path: str | Path) -> str:
        """Writes the model file; gives its hash."""
        return weights.save(self.model, path)

    def _answer(self, graph: Graph, pixels: Array) -> Array:
        """The first output of the network, which must be numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            output = self.run(graph, pixels)[graph.output.name]
        if not np.isfinite(output).all():
            raise ValueError("this network's answer is not finite: its weights are broken")
        return output

    def _numpy(self, graph: Graph, pixels: Array) -> dict[str, Array]:
        return reference.run(graph, self.model.weights, pixels)

    def _torch(self) -> Run:
        def run(graph: Graph, pixels: Array) -> dict[str, Array]:
            if graph not in networks:
                if len(networks) == MOST_NETWORKS:
                    networks.clear()
                networks[graph] = training.reader(graph, self.model.weights)
            return networks[graph](pixels)

        networks: dict[Graph, Callable[[Array], dict[str, Array]]] = {}
        return run

    def _look_again(self, picture: preprocess.Picture, scales: Sequence[float], flip: bool) -> Mask:
        """The chances of each pixel's class, averaged over several sizes and both hands."""
        graph = self.model.graph
        if self.model.task != "segment":
            raise ValueError("several scales and flips are for segmenters")
        if not all(0.1 <= scale <= 10 for scale in scales):
            raise ValueError(f"scales are 0.1 to 10: {', '.join(map(str, scales))}")
        high, wide, _ = graph.input.shape
        scores = tasks.deciding(graph).inputs[0]
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
                    chances = reference.resize(chances, axis, extent, corners=True)
                total += chances[0]
        _, frame = preprocess.prepare(picture, graph.image)
        return read_mask(total.argmax(axis=2), frame, picture.size, self.names)
