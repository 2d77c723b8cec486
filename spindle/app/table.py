"""What does a network look like in a terminal?"""

from __future__ import annotations

import os
import sys
from itertools import groupby
from typing import Any

from spindle.app.progress import bar
from spindle.model.cost import MEMORY, conventions, memory, params_without_norm
from spindle.model.graph import Graph
from spindle.model.ops import Image, Op, Tensor


def facts(graph: Graph) -> dict[str, Any]:
    """All that `info` knows of a graph, as JSON would have it."""
    return {
        "params": graph.params,
        "params_without_norm": params_without_norm(graph),
        "madds": graph.madds,
        "memory": memory(graph),
        "conventions": {name: count for name, (count, _) in conventions(graph).items()},
        "outputs": [{"name": tensor.name, "shape": list(tensor.shape)} for tensor in graph.outputs],
        "layers": [
            {
                "name": op.name,
                "kind": type(op).__name__,
                "output": list(op.output.shape),
                "params": op.params,
                "params_without_norm": op.params_without_norm,
                "madds": op.madds,
            }
            for op in graph.ops
        ],
    }


def show(title: str, graph: Graph, layers: bool, every_convention: bool) -> str:
    """The same, worth looking at."""
    known = facts(graph)

    def line(name: str, number: int, say: str) -> str:
        return f"  {name:<14} {number:>15,}  {dim(say)}"

    lines = [
        bold(title),
        "",
        *(line(*row) for row in parameters(graph)),
        line("multiply-adds", graph.madds, "convolutions and classifier, as the paper counts"),
    ]
    if every_convention:
        lines += ["", "  counted otherwise, as other tools do"]
        lines += [line(name, count, say) for name, (count, say) in conventions(graph).items()]
    unit = dim("bytes of activations at the worst moment")
    lines += ["", f"  {'memory':<14} {'int8':>15} {'float32':>15}  {unit}"]
    for way, sizes in known["memory"].items():
        both = " ".join(f"{size:>15,}" for size in sizes.values())
        lines.append(f"  {way.replace('_', ' '):<14} {both}  {dim(MEMORY[way])}")
    return "\n".join([*lines, "", *(by_layer(graph) if layers else by_stage(graph))])


def preparation(image: Image) -> str:
    """How a picture is brought to the network."""
    share = f" {image.fraction:.3g} of it" if image.fit == "crop" else ""
    mean, std = (
        ", ".join(f"{value:.6g}" for value in values) for values in (image.mean, image.std)
    )
    return f"pictures: {image.fit}{share}, {image.resample}; minus {mean}; over {std}"


def parameters(graph: Graph) -> list[tuple[str, int, str]]:
    """Both of the paper's counts, or the only one where norm is folded into the weights."""
    if not any(op.statistics for op in graph.ops):
        return [("parameters", graph.params, "batch norm is folded in")]
    return [
        ("parameters", graph.params, "with batch norm"),
        ("", params_without_norm(graph), "without it, as the paper counts"),
    ]


def by_stage(graph: Graph) -> list[str]:
    """A line for each stage, with its share of the multiply-adds."""
    named = groupby(graph.ops, key=lambda op: op.name.split("_")[0])
    return chart([(f"{name:<12}", list(ops)) for name, ops in named], "stage".ljust(12))


def by_layer(graph: Graph) -> list[str]:
    """A line for each op."""
    rows = [(f"{op.name:<18} {type(op).__name__:<10} {manner(op):<11}", [op]) for op in graph.ops]
    return chart(rows, f"{'op':<18} {'kind':<10} {'':<11}")


def chart(rows: list[tuple[str, list[Op]]], title: str) -> list[str]:
    """Ops by rows: what they make, hold and cost."""
    costs = [sum(op.madds for op in ops) for _, ops in rows]
    lines = [f"  {title} {'output':>15} {'parameters':>12} {'multiply-adds':>14}"]
    for (name, ops), madds in zip(rows, costs, strict=True):
        params = sum(op.params for op in ops)
        made = shape(ops[-1].output)
        line = (
            f"  {name} {made:>15} {params:>12,} {madds:>14,}  {accent(bar(madds / max(*costs, 1)))}"
        )
        lines.append(line.rstrip())
    return lines


def shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))


def manner(op: Op) -> str:
    """A convolution in a few letters: 3x3 dw /2 @4 is depthwise, stride 2, dilation 4."""
    kernel, stride, dilation = (getattr(op, name, 0) for name in ("kernel", "stride", "dilation"))
    if not kernel:
        return ""
    depthwise = " dw" if getattr(op, "depthwise", False) else ""
    return (
        f"{kernel}x{kernel}{depthwise}"
        + f" /{stride}" * (stride > 1)
        + f" @{dilation}" * (dilation > 1)
    )


def styled(text: str, code: str) -> str:
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{code}m{text}\x1b[0m" if wanted and text else text


def bold(text: str) -> str:
    return styled(text, "1")


def dim(text: str) -> str:
    return styled(text, "2")


def accent(text: str) -> str:
    return styled(text, "36")
