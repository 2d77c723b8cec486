"""What can be asked about networks in a terminal?  The verbs info and adopt."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Any, Literal

from spindle import app
from spindle.app import table
from spindle.app.predictor import onnx_file, outside
from spindle.app.typed import lines, model_file, numbers, sides
from spindle.compiler import stamp
from spindle.compiler.targets import LIBRARIES
from spindle.model.family import NETWORKS, VARIANTS, point
from spindle.model.graph import FAMILIES, Graph
from spindle.model.mobilenet import Ablation, Shortcut
from spindle.model.ops import Fit


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

    model: mobilenetv2, mobilenetv1, a published point such as mobilenetv2-1.0-224, or a file
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
    if Path(model).suffix in (*LIBRARIES, ".onnx"):
        unchanged(model, said)
        exported = Path(model).suffix == ".onnx"
        built = onnx_file(Path(model)).info if exported else stamp.read(Path(model))
        lines = outward(model, built) + ([] if exported else compiled(built))
        print(jsonlib.dumps(built, indent=1) if json else "\n".join(lines))
        return 0
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
    unchanged(model, said)
    opened = app.open_model(model)
    classes = f", {len(opened.labels)} labels" if opened.labels else ""
    title = f"{model}: {opened.task}, {table.shape(opened.graph.input)}{classes}"
    title = "\n".join([title, table.preparation(opened.graph.image), *opened.source])
    return title, opened.graph, app.describe(opened) | {"hash": opened.hash}


def unchanged(model: str, said: dict[str, Any]) -> None:
    if said:
        raise ValueError(
            f"{model} is a file, and says itself what it is: {', '.join(said)} cannot be changed"
        )


def outward(name: str, known: dict[str, Any]) -> list[str]:
    """What a compiled or exported model says of itself."""
    image = outside(known).image
    labels = f", {len(known['labels'])} labels" if known["labels"] else ""
    outputs = (f"{o['name']} ({' x '.join(map(str, o['shape']))})" for o in known["outputs"])
    return [
        table.bold(f"{name}: {known['task']}, {table.shape(image.output)}{labels}"),
        table.preparation(image),
        *known["source"],
        f"answers: {', '.join(outputs)}",
        f"of the model {known['hash'][:16]}, by Spindle {known['versions']['spindle']}",
    ]


def compiled(known: dict[str, Any]) -> list[str]:
    """What more there is to say of a library."""
    shared = f"{known['threads']} threads" if known["threads"] > 1 else "1 thread"
    return [
        f"compiled for {known['system']} on {known['machine']} ({known['isa']}), for {shared}, "
        f"by {known['compiler']}",
        f"works in {known['arena']:,} bytes beside its weights",
        f"the CPU must have: {', '.join(known['needs']) or 'nothing special'}",
    ]


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
    path = model_file(out)
    model = app.open_model(weights, **{name: value for name, value in unsaid.items() if value})
    if model.hash:
        raise ValueError(f"{weights} is a Spindle model already")
    app.save(model, path)
    print(f"{out}: {model.task}, " + "; ".join(model.source))
    return 0
