"""What can be asked of Spindle in a terminal?  One short function a verb."""

from __future__ import annotations

import json as jsonlib
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from spindle import __version__, app
from spindle.app import table
from spindle.app.building import compile_
from spindle.app.contests import bench
from spindle.app.lessons import check, draw, eval_, train
from spindle.app.progress import Bar
from spindle.app.typed import lines, numbers, sides
from spindle.app.verbs import run
from spindle.model import atomic
from spindle.model.family import NETWORKS, VARIANTS, point
from spindle.model.graph import FAMILIES, Graph
from spindle.model.mobilenet import Ablation, Shortcut
from spindle.model.ops import Fit

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
ABOUT = "MobileNetV2 made whole: one graph, many readings."


def info(
    model: str,
    width: float | None = None,
    size: str | None = None,
    head: str | None = None,
    classes: int | None = None,
    output_stride: int | None = None,
    family: Literal["paper", "torch"] = "paper",
    expansion: int = 6,
    shortcut: Shortcut = "bottleneck",
    bottleneck: Literal["linear", "relu6"] = "linear",
    layers: bool = False,
    conventions: bool = False,
    json: bool = False,
) -> int:
    """What a network costs: parameters, multiply-adds and memory, as the paper counts them.

    model: mobilenetv2, mobilenetv1, a published point such as mobilenetv2-1.0-224, or a model file
    width: the width multiplier (1.0)
    size: of the picture, 224 or 192x256 for height and width (the head's own)
    head: classifier, ssd, ssdlite, deeplab, deeplab-aspp, pose, pose-light, embedding (classifier)
    classes: the task's own (the head's usual number)
    output_stride: 32, 16 or 8; below 32 by dilation (the head's own)
    family: padding, batch norm and picture range as in the paper's code, or as in torchvision
    expansion: how many times wider the middle of a bottleneck is
    shortcut: which ends of the bottlenecks it joins (the paper's figure 6b)
    bottleneck: what follows the projection (the paper's figure 6a)
    layers: every op by itself
    conventions: the numbers other tools print for the same network
    json: all of it as JSON
    Example: spindle info mobilenetv2 --head ssdlite --size 320 --classes 80
    """
    ablation = Ablation(bottleneck == "linear", shortcut, expansion)
    asked: dict[str, Any] = {
        "width": width,
        "size": sides(size),
        "head": head,
        "classes": classes,
        "output_stride": output_stride,
    }
    said = {name: value for name, value in asked.items() if value is not None}
    said |= {"family": FAMILIES[family]} if family != "paper" else {}
    said |= {"ablation": ablation} if ablation != Ablation() else {}
    title, graph, known = described(model, said)
    if json:
        print(jsonlib.dumps(known | table.facts(graph), indent=1))
    else:
        print(table.show(title, graph, layers, conventions))
    return 0


def described(model: str, said: dict[str, Any]) -> tuple[str, Graph, dict[str, Any]]:
    """The title, the graph and the header of what `info` was asked for."""
    variant = None if Path(model).exists() else point(model)
    if model in NETWORKS or variant:
        known = (
            {"top1": variant.top1, "pixel1_ms": variant.pixel1_ms} if variant and not said else {}
        )
        if variant:
            said = {"width": variant.width, "size": variant.size} | said
        name = "mobilenetv2" if variant else model
        if name == "mobilenetv1" and "ablation" in said:
            raise ValueError(
                "expansion, shortcut and bottleneck are for mobilenetv2; version 1 has none"
            )
        graph = NETWORKS[name](**said)
        head = said.get("head", "classifier")
        title = f"{name} {float(said.get('width', 1.0))}, {head}, {table.shape(graph.input)}"
        if known:
            title += " (published: top-1 {top1}, {pixel1_ms} ms on a Pixel 1)".format(**known)
        return title, graph, {"published": known} if known else {}
    if not Path(model).exists():
        raise ValueError(
            f"{model} is neither a file nor a network: say mobilenetv2, mobilenetv1, "
            f"or a published point such as mobilenetv2-{next(iter(VARIANTS))}"
        )
    if said:
        raise ValueError(
            f"{model} is a file, and says itself what it is: {', '.join(said)} cannot be changed"
        )
    opened = app.open_model(model)
    classes = f", {len(opened.labels)} labels" if opened.labels else ""
    title = f"{model}: {opened.task}, {table.shape(opened.graph.input)}{classes}"
    title = "\n".join([title, table.preparation(opened.graph.image), *opened.source])
    return title, opened.graph, app.describe(opened) | {"hash": opened.hash}


def predict(
    model: str,
    images: list[str],
    save: str | None = None,
    reading: Literal["numpy", "torch"] = "numpy",
    threshold: float = 0.3,
    labels: str | None = None,
    size: str | None = None,
    scales: str | None = None,
    flip: bool = False,
    top: int = 5,
    json: bool = False,
) -> int:
    """What a model says of pictures.

    model: a model file, a published point, or weights of another project
    images: the pictures, or folders of them
    save: a folder for the pictures with the results drawn on them
    reading: numpy, or torch
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
    predictor = app.load(model, reading, **{name: value for name, value in unsaid.items() if value})
    looks = app.MULTI_SCALE if scales == "all" else numbers(scales, "scales")
    folder = Path(save) if save else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    images = [path for image in images for path in pictures_in(image)]
    bar, bad = Bar("looking", len(images)), []
    try:
        for number, image in enumerate(images):
            bar.show(number, image)
            try:
                picture = app.read_picture(image)
            except ValueError as error:
                bad.append(str(error))
                continue
            result = predictor(picture, threshold, looks, flip, top)
            bar.end()
            said = {"image": image} | result.to_json()
            print(jsonlib.dumps(said) if json else f"{image}: {result}", flush=True)
            if folder:
                png = BytesIO()
                app.draw_result(picture, result).save(png, "png")
                atomic.write(free(folder, Path(image).stem), png.getvalue())
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


def adopt(
    weights: str,
    out: str = "model.safetensors",
    labels: str | None = None,
    size: str | None = None,
    output_stride: int | None = None,
    fit: Fit | None = None,
    fraction: float | None = None,
    mean: str | None = None,
    std: str | None = None,
    bgr: bool = False,
) -> int:
    """Makes a model file of somebody else's weights: torchvision, timm, Keras, TF-slim and more.

    weights: a .pth, .safetensors, .h5, .npz or .ckpt.index file
    out: the model file to write
    labels: a file of class names, a line each
    size: of the picture: 224, or 192x256 for height and width
    output_stride: 32, 16 or 8, where weights were taught with dilation
    fit: how a picture of another shape is brought to this one, where their project does otherwise
    fraction: how much of the shorter side a crop keeps
    mean: of red, green and blue, of 1, such as 0.485,0.456,0.406
    std: likewise
    bgr: the network was taught with blue first
    Example: spindle adopt mobilenet_v2-7ebf99e0.pth --labels imagenet.txt --out mine.safetensors
    """
    unsaid: dict[str, Any] = {
        "labels": lines(labels),
        "size": sides(size),
        "output_stride": output_stride,
        "fit": fit,
        "fraction": fraction,
        "mean": tuple(255 * share for share in numbers(mean, "means")),
        "std": tuple(255 * share for share in numbers(std, "deviations")),
        "bgr": bgr,
    }
    model = app.open_model(weights, **{name: value for name, value in unsaid.items() if value})
    if model.hash:
        raise ValueError(f"{weights} is a Spindle model already")
    app.save(model, out)
    print(f"{out}: {model.task}, " + "; ".join(model.source))
    return 0


def demo(out: str = "demo") -> int:
    """The whole of it, on pictures drawn on the spot.

    out: the folder to write to
    Example: spindle demo --out demo
    """
    return app.demonstrate(Path(out))


def free(folder: Path, stem: str) -> Path:
    """A name that no earlier picture of this run or another has taken."""
    number, path = 1, folder / f"{stem}.png"
    while path.exists():
        number, path = number + 1, folder / f"{stem}-{number + 1}.png"
    return path


def main(argv: list[str] | None = None) -> int:
    verbs = (train, eval_, check, draw, info, predict, adopt, compile_, bench, demo)
    return run(verbs, ABOUT, __version__, argv)
