"""A picture in, a result out: a model behind any of its readings, and all that it can do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from spindle.app import later
from spindle.app.given import given
from spindle.app.readings import Built, Quickest, reading_of
from spindle.app.seeing import Sight
from spindle.compiler.library import Library
from spindle.compiler.targets import LIBRARIES
from spindle.data import preprocess
from spindle.data.reading import names, read_mask
from spindle.data.results import Classification, Mask, Result
from spindle.model.graph import Graph
from spindle.model.ops import Image, Tensor

Array = NDArray[Any]
MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # the paper's, for segmentation


def load(
    source: str | Path, reading: str | None = None, threads: int = 1, **unsaid: Any
) -> Predictor:
    """A model by its file, by somebody else's weights, or by a published name.

    What the file is decides what runs it: a compiled model runs itself, an .onnx that Spindle has
    exported runs in ONNX Runtime.  All other files hold weights.  If they were compiled here
    before, that library is taken at once; else numpy runs them, and from the 50th picture on (of a
    list of so many, from the first) a library that is then compiled, where a C compiler is found.

    `reading` insists: numpy, torch, or c, which compiles before the first picture.  `unsaid` is
    what a foreign file does not tell: `size`, `labels` and the rest that `adopt_weights` knows.
    `threads` share one picture.
    """
    if threads < 1:
        raise ValueError(f"{threads} threads run nothing: say 1 or more")
    path = Path(source)
    if path.suffix not in (*LIBRARIES, ".onnx"):
        return Predictor(later.open_model(source, **unsaid), reading, threads)
    own = "c" if path.suffix in LIBRARIES else None
    if reading not in (None, own):
        how = "is compiled: its reading is c" if own else "is run by ONNX Runtime"
        raise ValueError(f"{path} {how}, it has no {reading}")
    if unsaid:
        raise ValueError(f"{path} says itself what it is: {', '.join(unsaid)} cannot be changed")
    return Predictor(Library(path, threads) if own else onnx_file(path, threads), None, threads)


def onnx_file(path: Path, threads: int = 1) -> later.OnnxFile:
    try:
        return later.OnnxFile(path, threads)
    except ModuleNotFoundError as absent:
        raise ValueError(
            f"{path} is run by ONNX Runtime, which is not here: pip install onnxruntime"
        ) from absent


def outside(info: dict[str, Any]) -> Graph:
    """Of a built network what can be seen: its picture and its outputs."""
    said = {name: value for name, value in info["preprocessing"].items() if name != "kind"}
    lists = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
    outputs = (Tensor(o["name"], tuple(o["shape"])) for o in info["outputs"])
    return Graph((Image(**said | lists),), tuple(outputs))


class Frame(Protocol):
    """Of a video, as PyAV gives it."""

    def to_image(self) -> preprocess.Picture: ...


class Predictor(Sight):
    """A model, ready to be shown pictures; to be taught, judged, compiled and measured as well."""

    def __init__(
        self, model: later.Model | Built, reading: str | None = "numpy", threads: int = 1
    ) -> None:
        self._model = model
        if isinstance(model, Built):
            info = model.info
            task, graph, labels = info["task"], outside(info), tuple(info["labels"])
            count = info["classes"]
        else:
            task, graph, labels = model.task, model.graph, model.labels
            later.check(graph, task, labels)
            count = later.answers(graph, task)
        self._how, run = (reading, threads), reading_of(model, reading, threads)
        super().__init__(task, graph, names(task, count, labels), run)

    def __repr__(self) -> str:
        height, width, _ = self.graph.input.shape
        return f"Predictor({self.task}, {height} x {width}, {len(self.names)} names)"

    def __reduce__(self) -> tuple[Any, ...]:
        """As other processes are sent it: a built file by its place, any other by its numbers."""
        if isinstance(self._model, Built):
            return load, (self._model.path.absolute(), None, self._how[1])
        return type(self), (self._model, *self._how)

    @property
    def model(self) -> later.Model:
        """The network and its numbers, which a built file keeps to itself."""
        if isinstance(self._model, Built):
            made = "exported" if self._model.path.suffix == ".onnx" else "compiled"
            raise ValueError(f"{self._model.path} is {made}: load what it was {made} from")
        return self._model

    @overload
    def __call__(
        self, picture: list[Any] | tuple[Any, ...], threshold: float = 0.3,
        scales: Sequence[float] = (), flip: bool = False, top: int | None = None,
    ) -> list[Result]: ...  # fmt: skip

    @overload
    def __call__(
        self, picture: preprocess.Readable | Frame, threshold: float = 0.3,
        scales: Sequence[float] = (), flip: bool = False, top: int | None = None,
    ) -> Result: ...  # fmt: skip

    def __call__(
        self,
        picture: Any,
        threshold: float = 0.3,
        scales: Sequence[float] = (),
        flip: bool = False,
        top: int | None = None,
    ) -> Result | list[Result]:
        """What the network says of a picture, or of each in a list.

        A picture is a path, the bytes of a file or the file opened, a Pillow picture, an array of
        RGB bytes (of BGR, as OpenCV has them, give `frame[..., ::-1]`) or a tensor of them, height
        x width x channels, or a frame of a video as PyAV gives it.  A
        JPEG given as a path or bytes is decoded at a half, a quarter or an eighth where that
        leaves it at least twice as large as the network wants it; the pixels of a picture that is
        open already are taken as they are.  Any number of threads may ask at once.

        Boxes under the threshold are not given, nor classes after the first `top`.  `scales` and
        `flip` let a segmenter look several times and average what it sees.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold {threshold} is no score: scores are 0 to 1")
        if top is not None and top < 1:
            raise ValueError(f"the first {top} classes are none: say 1 or more")
        if not isinstance(picture, list | tuple):
            return self._look(picture, threshold, scales, flip, top)
        self.foresee(len(picture))
        at_once = later.cores() if self.fits and len(picture) > 1 else 1
        seen = later.in_order(
            lambda one: self._look(one, threshold, scales, flip, top), picture, at_once
        )
        return [result for _, result in seen]

    def foresee(self, pictures: int) -> None:
        """So many are to be looked at: a network that was loaded may be compiled for them."""
        if isinstance(self.run, Quickest):
            self.run.foresee(pictures)

    def train(
        self,
        data: str | Path,
        out: str | Path = "run",
        recipe: str | None = None,
        size: int | tuple[int, int] | None = None,
        device: str = "auto",
        **changed: Any,
    ) -> Predictor:
        """A model that learns from this data, beginning with these weights, as `spindle train`.

        `changed` are fields of the recipe, such as `epochs=3`.  The best is kept in `out`.
        """
        network = {"size": size} if size else {}
        taught = later.teach(
            later.find(data), out, self.model, recipe, device=device, network=network, **changed
        )
        return Predictor(taught, None)

    def evaluate(self, data: str | Path, part: str = "val", **settings: Any) -> dict[str, Any]:
        """The official metrics of its task, and those of each class, as `spindle eval --json`.

        `settings` are `split`, `seed`, `shared` and `form`, and for segmenters `scales` and `flip`.
        """
        judge = self.judge(data, part, **settings)
        return judge.scores() | {"classes": judge.per_class()}

    def judge(
        self, data: str | Path, part: str = "val", scales: Sequence[float] = (), flip: bool = False,
        **settings: Any,
    ) -> later.Judge:  # fmt: skip
        """The judge behind `evaluate`, who has seen all pictures and knows more."""
        return later.judged(
            lambda picture: self._look(picture, 0.0, scales, flip),
            self.names, data, settings.pop("task", None) or self.task, part=part,
            foresee=self.foresee, **settings,
        )  # fmt: skip

    def save(self, path: str | Path) -> str:
        """Writes the model file; gives its hash."""
        return later.save(self.model, path)

    def compile(self, path: str | Path, **options: Any) -> Path:
        """Writes a library of it: `target`, `threads`, `memory` and `tune` as in the command."""
        return later.compile_model(self.model, path, **options)

    def export(self, path: str | Path, **options: Any) -> Any:
        """Writes it for another runtime, asks it there, and says how near its answers are."""
        return later.export_model(self.model, path, **options)

    def quantize(self, data: str | Path | None = None, **options: Any) -> Predictor:
        """The same network in int8, its ranges measured on this data."""
        return Predictor(later.quantize_model(self.model, data, **options).model, None)

    def bench(self, **options: Any) -> later.Bench:
        """How quick it is here beside every runtime installed: what `app.measure` can be told."""
        height, width, _ = self.graph.input.shape
        return later.measure(f"{self.task}, {height} x {width}", self.model, **options)

    def _look(
        self,
        picture: Any,
        threshold: float,
        scales: Sequence[float] = (),
        flip: bool = False,
        top: int | None = None,
    ) -> Result:
        picture = given(picture)
        if scales or flip:
            seen = preprocess.read_picture(picture)
            return self._look_again(seen, scales or (1.0,), flip)
        try:
            result = self.see(picture, threshold)
        except preprocess.Unreadable:
            if isinstance(picture, str | Path) and Path(picture).is_dir():
                raise preprocess.Unreadable(f"{picture} is a folder: give its pictures") from None
            raise
        if isinstance(result, Classification):
            return Classification(result.classes[:top])
        return result

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
                logits = self.answer(other, np.ascontiguousarray(pixels[:, ::turn]))
                chances = np.exp(logits - logits.max(axis=2, keepdims=True))
                chances = (chances / chances.sum(axis=2, keepdims=True))[None, :, ::turn]
                for axis, extent in ((1, high), (2, wide)):
                    chances = later.resize(chances, axis, extent, corners=True)
                total += chances[0]
        _, frame = preprocess.prepare(picture, graph.image)
        return read_mask(total.argmax(axis=2), frame, picture.size, self.names)
