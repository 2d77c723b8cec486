"""What can be asked about pictures in a terminal?  The verb predict."""

from __future__ import annotations

import json as jsonlib
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from spindle import app
from spindle.app.predictor import MULTI_SCALE, load
from spindle.app.progress import Bar
from spindle.app.typed import lines, numbers, sides
from spindle.compiler.targets import LIBRARIES
from spindle.data.preprocess import Unreadable, read_picture
from spindle.data.results import Result

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
Seen = tuple[Result, bytes] | Unreadable  # what was said, and the picture with it drawn on


def predict(
    model: str,
    images: list[str],
    save: str | None = None,
    reading: Literal["numpy", "torch", "c"] | None = None,
    threads: int | None = None,
    threshold: float = 0.3,
    labels: str | None = None,
    size: str | None = None,
    scales: str | None = None,
    flip: bool = False,
    top: int = 5,
    json: bool = False,
) -> int:
    """What a model says of pictures.

    model: a compiled model, a model file, a published point, or weights of another project
    images: the pictures, or folders of them; a JPEG is decoded no larger than is of use
    save: a folder for the pictures with the results drawn on them
    reading: numpy, torch or c (c from 50 pictures on, if a C compiler is here; else numpy)
    threads: how many look at pictures (c: one for each core), or share a single one (1)
    threshold: the least score of a box that is worth showing
    labels: a file of class names, a line each, where the model has none
    size: of the picture, where the model file does not say
    scales: sizes at which a segmenter looks, such as 0.5,1,1.5; "all" for the paper's six
    flip: the segmenter looks at the mirrored picture too
    top: how many classes to give, the likeliest first
    json: a line of JSON for each picture
    Example: spindle predict mobilenetv2-1.0-224 cat.jpg dog.jpg --save drawn
    """
    unsaid: dict[str, Any] = {"labels": lines(labels), "size": sides(size)}
    unsaid = {name: value for name, value in unsaid.items() if value}
    looks = MULTI_SCALE if scales == "all" else numbers(scales, "scales")
    images = [path for image in images for path in pictures_in(image)]
    once = len(images) == 1
    compiled = Path(model).suffix in LIBRARIES
    by: str | None = reading
    if not (reading or compiled or once or looks or flip):
        by = app.quickest(len(images))
    in_c = compiled or by == "c"  # the other readings have threads of their own
    at_once = threads or (app.cores() if in_c and not once else 1)
    predictor = load(model, by, at_once if once else 1, **unsaid)
    folder = Path(save) if save else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)

    def look(image: str) -> Seen:
        try:
            result = predictor(image, threshold, looks, flip, top)
            return result, png(image, result) if folder else b""
        except Unreadable as error:
            return error

    bar, bad = Bar("looking", len(images)), []
    every = ((image, look(image)) for image in images)
    told = every if once else app.in_order(look, images, at_once)
    try:
        for number, (image, seen) in enumerate(told):
            bar.show(number, image)
            if isinstance(seen, Unreadable):
                bad.append(str(seen))
                continue
            result, drawn = seen
            bar.end()
            said = {"image": image} | result.to_json()
            print(jsonlib.dumps(said) if json else f"{image}: {result}", flush=True)
            if folder:
                app.write(free(folder, Path(image).stem), drawn)
    finally:
        bar.end()
        for reason in bad:
            print(f"spindle: {reason}", file=sys.stderr)
    return 1 if bad else 0


def pictures_in(path: str) -> list[str]:
    """The pictures of a folder, by their names; anything else is itself."""
    if not Path(path).is_dir():
        return [path]
    return sorted(str(p) for p in Path(path).iterdir() if p.suffix.lower() in SUFFIXES) or [path]


def png(image: str, result: Result) -> bytes:
    """The file of a picture with its result."""
    file = BytesIO()
    app.draw_result(read_picture(image), result).save(file, "png")
    return file.getvalue()


def free(folder: Path, stem: str) -> Path:
    """A name that no earlier picture of this run or another has taken."""
    number, path = 1, folder / f"{stem}.png"
    while path.exists():
        number, path = number + 1, folder / f"{stem}-{number + 1}.png"
    return path
