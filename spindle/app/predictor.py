"""A picture in, a result out: a model behind any of its readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle import training
from spindle.app import hub
from spindle.app.results import Box, Boxes, Classification, Embedding, Mask, Pose, Result
from spindle.compiler import reference
from spindle.data import preprocess
from spindle.data.labels import KEYPOINTS
from spindle.model import weights
from spindle.model.graph import Graph
from spindle.model.weights import Model, NotAModel

Array = NDArray[Any]
Run = Callable[[Graph, Array], dict[str, Array]]
MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # the paper's, for segmentation


def load(source: str | Path, reading: str = "numpy", **unsaid: Any) -> Predictor:
    """A model by its file, by somebody else's weights, or by a published name.

    `unsaid` is what a foreign file does not tell: `size`, `labels`, `output_stride`, `bgr`.
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
    if path.suffix == ".safetensors" and not unsaid:
        try:
            return weights.load(path)
        except NotAModel:
            pass
    return training.adopt_weights(path, **unsaid)


class Predictor:
    """A model, ready to be shown pictures."""

    def __init__(self, model: Model, reading: str = "numpy"):
        if reading not in ("numpy", "torch"):
            raise ValueError(f"there is no reading {reading!r}: choose numpy or torch")
        self.model = model
        self.run: Run = self._numpy if reading == "numpy" else self._torch()

    def __call__(
        self, picture: Any, threshold: float = 0.3, scales: Sequence[float] = (), flip: bool = False
    ) -> Result:
        """What the network says of one picture: a path, bytes, a Pillow picture or an array.

        Boxes under the threshold are not given.  `scales` and `flip` let a segmenter look several
        times and average what it sees.
        """
        seen = preprocess.read_picture(picture)
        if scales or flip:
            return self._look_again(seen, scales or (1.0,), flip)
        pixels, frame = preprocess.prepare(seen, self.model.graph.image)
        outputs = self.run(self.model.graph, pixels)
        return self._result(next(iter(outputs.values())), frame, seen.size, threshold)

    def save(self, path: str | Path) -> str:
        return weights.save(self.model, path)

    def _numpy(self, graph: Graph, pixels: Array) -> dict[str, Array]:
        return reference.run(graph, self.model.weights, pixels)

    def _torch(self) -> Run:
        def run(graph: Graph, pixels: Array) -> dict[str, Array]:
            if graph not in networks:
                networks[graph] = training.reader(graph, self.model.weights)
            return networks[graph](pixels)

        networks: dict[Graph, Callable[[Array], dict[str, Array]]] = {}
        return run

    def label(self, number: int) -> str:
        labels = self.model.labels
        return labels[number] if number < len(labels) else f"class {number}"

    def _result(
        self, output: Array, frame: preprocess.Frame, size: tuple[int, int], threshold: float
    ) -> Result:
        wide, high = size
        match self.model.task:
            case "classify":
                scores = output.ravel()
                order = np.argsort(-scores, kind="stable")
                return Classification(tuple((self.label(i), float(scores[i])) for i in order))
            case "detect":
                boxes = []
                for left, top, right, bottom, score, kind in output[:, 0].tolist():
                    if score >= threshold and kind >= 0:
                        (x0, y0), (x1, y1) = frame.outside(left, top), frame.outside(right, bottom)
                        boxes.append(
                            Box(
                                self.label(int(kind)),
                                score,
                                x0 * wide,
                                y0 * high,
                                x1 * wide,
                                y1 * high,
                            )
                        )
                return Boxes(tuple(boxes))
            case "segment":
                return self._mask(output[..., 0], frame, size)
            case "pose":
                names = self.model.labels or (KEYPOINTS if len(output) == len(KEYPOINTS) else ())
                points = []
                for number, (x, y, score) in enumerate(output[:, 0].tolist()):
                    x, y = frame.outside(x, y)
                    name = names[number] if names else f"point {number}"
                    points.append((name, x * wide, y * high, score))
                return Pose(tuple(points))
            case "embed":
                return Embedding(output.ravel())
        raise ValueError(f"no result is known for the task {self.model.task!r}")

    def _mask(self, classes: Array, frame: preprocess.Frame, size: tuple[int, int]) -> Mask:
        """The mask of the whole picture; what the network did not see keeps class 0."""
        high, wide = classes.shape
        whole = Pillow.new("I", size)
        seen = Pillow.fromarray(classes.astype(np.int32))
        corner = round(frame.left * size[0]), round(frame.top * size[1])
        extent = (
            max(round((frame.right - frame.left) * size[0]), 1),
            max(round((frame.bottom - frame.top) * size[1]), 1),
        )
        whole.paste(seen.resize(extent, Pillow.Resampling.NEAREST), corner)
        count = self.model.graph["logits"].shape[2]
        return Mask(np.asarray(whole), tuple(self.label(i) for i in range(count)))

    def _look_again(self, picture: preprocess.Picture, scales: Sequence[float], flip: bool) -> Mask:
        """The chances of each pixel's class, averaged over several sizes and both hands."""
        graph = self.model.graph
        if self.model.task != "segment":
            raise ValueError("several scales and flips are for segmenters")
        high, wide, _ = graph.input.shape
        total: Array = np.zeros((high, wide, graph["logits_full"].shape[2]), np.float32)
        for scale in scales:
            # a size of 16 k + 1 keeps its corners when it is scaled so
            other = graph.until("logits_full").resized(
                int((high - 1) * scale) + 1, int((wide - 1) * scale) + 1
            )
            pixels, _ = preprocess.prepare(picture, other.image)
            for turn in (1, -1) if flip else (1,):
                (logits,) = self.run(other, np.ascontiguousarray(pixels[:, ::turn])).values()
                chances = np.exp(logits - logits.max(axis=2, keepdims=True))
                chances = (chances / chances.sum(axis=2, keepdims=True))[None, :, ::turn]
                for axis, extent in ((1, high), (2, wide)):
                    chances = reference.resize(chances, axis, extent, corners=True)
                total += chances[0]
        _, frame = preprocess.prepare(picture, graph.image)
        return self._mask(total.argmax(axis=2), frame, picture.size)
