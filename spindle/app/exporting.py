"""How does a model leave the house so that it survives?  Written beside, asked, compared, moved."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spindle.app import exports
from spindle.app.exports.agreement import ALLOWED, ROUNDED, Agreement, compare, watched
from spindle.app.exports.form import Form, Leaving
from spindle.app.exports.placing import every, place, room_beside
from spindle.app.exports.silence import quietly, silence
from spindle.app.learning import judged
from spindle.app.opening import open_model
from spindle.app.peers.finish import parted
from spindle.app.peers.prepare import lightened
from spindle.app.peers.serving import Run
from spindle.app.seeing import Sight
from spindle.compiler import reference
from spindle.compiler.pipeline import known
from spindle.compiler.uniform import uniform
from spindle.data.augment import look
from spindle.data.datasets import find
from spindle.data.forms import album
from spindle.data.metrics import HEADLINE
from spindle.data.parting import part_of
from spindle.data.preprocess import Readable, glance, open_picture, prepare
from spindle.data.reading import names
from spindle.data.synthetic import scene
from spindle.model import atomic, record, tasks
from spindle.model.graph import Graph
from spindle.model.weights import Model

Array = NDArray[Any]
FORMS: dict[str, Callable[[], Form]] = {
    "onnx": lambda: exports.ONNX,
    "pt2": lambda: exports.TORCH,
    "tflite": lambda: exports.TFLITE,
    "mlpackage": lambda: exports.COREML,
    "pte": lambda: exports.EXECUTORCH,
    "openvino": lambda: exports.OPENVINO,
    "ncnn": lambda: exports.NCNN,
    "c": lambda: exports.C,
}
FOLDERS = ("openvino", "ncnn", "c")
PIP = {"ai_edge_litert": "ai-edge-litert"}  # where pip has another name for what Python imports
PICTURES = 4  # compared, where nobody says which


@dataclass(frozen=True)
class Exported:
    """What was written, and how it was found to be."""

    path: str
    form: str
    bytes: int
    pictures: int  # that were looked at
    agreement: Agreement | None  # None: it cannot run here
    ends: tuple[str, ...] = ()  # where it ends before the answer: what it gives instead
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # of numpy, of the export
    metric: str = ""  # that counts among the scores
    coarse: Agreement | None = None  # how its bytes agree with finer ones, which it does not know

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.form}, {self.bytes / 1e6:.1f} MB; " + (
            f"on {self.pictures} pictures against numpy: {self.agreement}"
            if self.agreement else "not compared, for it runs on other machines"
        )]  # fmt: skip
        if self.coarse:
            kept = f"{self.coarse.same:,} of {self.coarse.of:,} {self.coarse.what}"
            lines.append(f"  it knows one scale for a tensor: {kept} are the model file's")
        if self.ends:
            lines.append(f"  it ends with {', '.join(self.ends)}: the last ops are the caller's")
        if self.scores:
            by = (f"{known[self.metric]:.4f} by {who}" for who, known in self.scores.items())
            lines.append(f"  {self.metric}: {', '.join(by)}")
        return "\n".join(lines)


def export(
    model: str,
    out: str = "model.onnx",
    batch: str = "1",
    check: list[str] | None = None,
    data: str | None = None,
    json: bool = False,
) -> int:
    """Writes a model for another runtime, and asks it there.

    model: a model file, a published point, or weights of another project
    out: .onnx, .pt2, .tflite, .mlpackage or .pte; or a folder called openvino, ncnn or c
    batch: how many pictures it takes at a time, or free
    check: pictures, or folders of them, to compare answers on (of the data, else drawn ones)
    data: pictures and the truth about them, in any form: both are judged by its part val
    json: what was found as JSON
    Example: spindle export run/model.safetensors -o model.onnx --batch free
    """
    if batch != "free" and not (batch.isdecimal() and int(batch)):
        raise ValueError(f"a batch is a number of pictures or free, not {batch!r}")
    number = None if batch == "free" else int(batch)
    ready(Path(out), number)  # before anything is fetched
    pictures = [path for given in check or () for path in seen_at(Path(given))]
    done = export_model(open_model(model), out, number, pictures, data)
    print(jsonlib.dumps(asdict(done)) if json else done)
    return 0


def seen_at(path: Path) -> list[Path]:
    """A picture, or those of a folder."""
    return [path / name for name in sorted(album.walk(path))] if path.is_dir() else [path]


def export_model(
    model: Model,
    path: str | Path,
    batch: int | None = 1,
    pictures: Sequence[Readable] = (),
    data: str | Path | None = None,
) -> Exported:
    """Writes the model for whatever runtime the path's ending names; None is a free batch.

    The file is there afterwards only if its answers are those of numpy, but for rounding.
    """
    path = Path(path)
    form = ready(path, batch)
    if data and not pictures:
        samples = part_of(find(data, model.task), "val", 0.2, 0)
        pictures = [look(sample)[0] for sample in islice(samples, 2 * PICTURES)]
    pixels = prepared(model.graph, pictures)
    meant = known_to(form, model)
    with room_beside(path) as room:
        light = lightened(meant)
        part, rest = parted(light.graph, form.left_out)
        weights = {name: light.weights[name] for name in part.arrays}
        (room / "graph.json").write_text(jsonlib.dumps(record.to_json(light.graph)))
        with quietly(f"{path} was not written: {form.name}"):
            form.write(Leaving(meant, part, weights, batch, notes(model, part)), room)
            run = in_batches(form.load(room, 1, "float32"), batch) if form.load else None
        agreement = None
        if run:
            with quietly(f"{path} was not kept: {form.name}"):
                agreement = agreed(meant, run, pixels, batch)
            if not agreement.close:
                raise ValueError(f"{path} was not kept, its answers are not numpy's: {agreement}")
        size = sum(file.stat().st_size for file in every(room / form.file))
        scores = both(model, run, data, path.name) if data and run else {}
        place(room / form.file, path)
    ends = tuple(tensor.name for tensor in part.outputs) if rest else ()
    numpy = partial(reference.run, meant.graph, meant.weights)
    coarse = None if meant is model else agreed(model, numpy, pixels, batch)
    return Exported(
        str(path), form.name, size, len(pixels), agreement, ends, scores, HEADLINE[model.task],
        coarse,
    )  # fmt: skip


def known_to(form: Form, model: Model) -> Model:
    """The model as far as a form knows bytes."""
    if not model.graph.of_bytes or form.grids == "channel":
        return model
    if form.grids == "none":
        raise ValueError(
            f"{form.name} is written in float32 alone: export what this model was quantized from"
        )
    graph, weights = uniform(model.graph, model.weights)
    return replace(model, graph=graph, weights=weights)


def ready(path: Path, batch: int | None) -> Form:
    """The form that is asked for, which can be had in this place and of so many pictures."""
    form = opened(path)
    atomic.placed(path)
    if batch is None and not form.free:
        raise ValueError(f"{form.name} wants to know the batch: say how many pictures are in one")
    if form.most and batch != form.most:
        raise ValueError(f"{form.name} takes one picture at a time: leave --batch away")
    return form


def opened(path: Path) -> Form:
    """The form that a path's ending names, its room opened."""
    ending = re.split(r"[._-]", path.name)[-1].lower()
    if ending not in (FORMS if path.suffix else FOLDERS):
        files = ", ".join(f".{name}" for name in FORMS if name not in FOLDERS)
        raise ValueError(
            f"{path} says nothing of its form: let a file end in {files}, "
            f"or call a folder {', '.join(FOLDERS)}"
        )
    try:
        with silence():
            return FORMS[ending]()
    except ModuleNotFoundError as absent:
        guest = (absent.name or "").partition(".")[0]
        if guest == "spindle":
            raise
        raise ValueError(
            f"{path} needs {guest}, which is not here: pip install {PIP.get(guest, guest)}"
        ) from None


def prepared(graph: Graph, pictures: Sequence[Readable]) -> Array:
    """Pictures as the network wants them; drawn ones where there are none."""
    height, width, _ = graph.input.shape
    image = graph.image
    if not pictures:
        return np.stack([scene(seed, height, width).picture for seed in range(PICTURES)])
    each = (glance(open_picture(picture), image)[0] for picture in pictures)
    return np.stack([prepare(picture, image)[0] for picture in each])


def notes(model: Model, part: Graph) -> str:
    """What the file says of itself."""
    return jsonlib.dumps(known(model) | {"outputs": tasks.outputs(part)})


def agreed(model: Model, run: Run, pixels: Array, batch: int | None) -> Agreement:
    """Compared a batch at a time; where that is free, one picture first and then three."""
    cuts = range(batch, len(pixels), batch) if batch else range(1, len(pixels), 3)
    seen, allowed = watched(model.graph), ROUNDED if model.graph.of_bytes else ALLOWED
    found = [
        compare(
            model.graph, model.task, reference.run(seen, model.weights, chunk), run(chunk), allowed
        )
        for chunk in np.split(pixels, list(cuts))
    ]
    return sum(found[1:], found[0])


def in_batches(run: Run, batch: int | None) -> Run:
    """Asked for so many at a time as it was written for: the last picture makes up the number."""

    def asked(pixels: Array) -> dict[str, Array]:
        more = np.repeat(pixels[-1:], (batch or len(pixels)) - len(pixels), 0)
        answers = run(np.concatenate([pixels, more]))
        return {name: array[: len(pixels)].copy() for name, array in answers.items()}

    return asked


def both(model: Model, run: Run, data: str | Path, name: str) -> dict[str, dict[str, float]]:
    """The metrics of numpy's answers and of the export's, by the same judge."""

    def ours(graph: Graph, pixels: Array) -> dict[str, Array]:
        return reference.run(graph, model.weights, pixels)

    def theirs(graph: Graph, pixels: Array) -> dict[str, Array]:
        return {output: array[0] for output, array in run(pixels[None]).items()}

    words = names(model.task, tasks.answers(model.graph, model.task), model.labels)
    return {
        who: scored(Sight(model.task, model.graph, words, by), data)
        for who, by in (("numpy", ours), (name, theirs))
    }


def scored(sight: Sight, data: str | Path) -> dict[str, float]:
    return judged(sight.see, sight.names, data, sight.task, shared=True).scores()
