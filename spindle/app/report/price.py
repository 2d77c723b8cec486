"""What does it cost, and where does it stand among the paper's networks?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import groupby

from spindle.app.report.charts import (
    BOTTOM,
    HIGH,
    LEFT,
    RIGHT,
    TOP,
    WIDE,
    Axis,
    Line,
    chart,
    place,
    text,
)
from spindle.app.report.markup import Markup, joined, section, table, tag
from spindle.app.report.numbers import milliseconds, percent, scaled
from spindle.app.report.story import Told
from spindle.model.cost import MEMORY, memory, params_without_norm
from spindle.model.family import VARIANTS, Variant, mobilenet_v2

MADDS = "multiply-adds, in millions"


def cost(told: Told) -> Markup:
    return section("Cost", None, counts(told), kept(told), latency(told), formats(told))


def counts(told: Told) -> Markup:
    graph, rows = told.graph, []
    if told.model:
        normed = any(op.statistics for op in graph.ops)
        rows += [("multiply-adds", f"{graph.madds:,}, of convolutions and classifier")]
        said = f"{graph.params:,}"
        said += f"; {params_without_norm(graph):,} once batch norm is folded in" if normed else ""
        rows.append(("parameters", said))
    if told.size:
        rows.append(("file", scaled(told.size, "B")))
    if told.latency and told.latency.arena:
        arena = f"{scaled(told.latency.arena, 'B')} beside the weights, all scratch included"
        rows.append(("compiled, it works in", arena))
    lines = (part for name, said in rows for part in (tag("dt", name), tag("dd", said)))
    return tag("dl", *lines)


def kept(told: Told) -> Markup | None:
    """Activations at the worst moment, for each way of running."""
    if told.model is None:
        return None
    rows = [
        tag("tr", tag("th", way.replace("_", " "), tag("small", MEMORY[way]), scope="row"),
            tag("td", scaled(sizes["int8"], "B")), tag("td", scaled(sizes["float32"], "B")))
        for way, sizes in memory(told.graph).items()
    ]  # fmt: skip
    names = "activations at the worst moment", "int8", "float32"
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    made = tag("table", tag("thead", head), tag("tbody", *rows))
    return joined(tag("h3", "Memory"), tag("div", made, class_="scroll"))


def latency(told: Told) -> Markup | None:
    if told.latency is None:
        return None
    own, at = told.latency, told.latency.machine
    said = (
        f"{milliseconds(own.least)} at least, {milliseconds(own.middle)} the median of "
        f"{own.runs} runs: {own.what}, float32, one picture, one thread."
    )
    where = f"{at.processor}, {at.cores} cores, {at.vectors}; {at.system}, Python {at.python}."
    return joined(tag("h3", "Time"), tag("p", said, tag("br"), tag("small", where)))


def formats(told: Told) -> Markup | None:
    """Float and integer side by side, or why not."""
    if told.loss is None:
        return None
    about = tag("p", told.loss.how, class_="note")
    if not told.loss.formats:
        return joined(tag("h3", "Quantized to int8"), about)
    first = next(iter(told.loss.formats.values())).get("accuracy")

    def row(name: str, known: Mapping[str, float]) -> tuple[object, ...]:
        score, ms = known.get("accuracy"), known.get("ms")
        lost = "" if score is None or first is None else f"{100 * (score - first):+.2f}"
        return (name, "" if score is None else percent(score), lost,
                "" if ms is None else milliseconds(ms))  # fmt: skip

    head = ("number format", told.headline, "change in points", "one picture")
    rows = [row(name, known) for name, known in told.loss.formats.items()]
    return joined(tag("h3", "Quantized to int8"), table(head, rows), about)


@cache
def published() -> tuple[tuple[Variant, float], ...]:
    """The paper's points, and their multiply-adds in millions, counted here."""
    return tuple((v, mobilenet_v2(v.width, v.size).madds / 1e6) for v in VARIANTS.values())


def among(told: Told) -> Markup | None:
    """Two charts of the paper's points, and this model where it can be compared."""
    if told.model is None:
        return None
    score = told.judge.scores().get("top1") if told.task == "classify" else None
    plots = [against(told, MADDS, told.graph.madds / 1e6, score, True)]
    about = "The 22 points of the paper, MobileNetV2 on the 1000 classes of ImageNet, by width."
    if score is None:
        about += " This model does another task: the dashed line is its cost alone."
    else:
        about += (
            f" This model's accuracy is on other data ({told.data_name}, {told.classes} "
            "classes): compare its cost with theirs, not its height."
        )
    if told.latency and told.latency.quick:
        plots.append(against(told, "milliseconds a picture", told.latency.least, score, False))
        about += (
            " The paper's times are of one core of a Pixel 1, in TensorFlow Lite; "
            "this model's of one core here."
        )
    return section("Among the paper's networks", about, tag("div", *plots, class_="plots"))


def against(told: Told, what: str, own: float, score: float | None, madds: bool) -> Markup:
    """Accuracy over one cost."""
    every = [(v, cost if madds else v.pixel1_ms) for v, cost in published()]
    costs = [cost for _, cost in every] + [max(own, 1e-3)]
    heights = [v.top1 / 100 for v, _ in every] + ([score] if score is not None else [])
    across = Axis(what, min(costs) / 1.25, max(costs) * 1.25, powers=True)
    low, high = max(min(heights) - 0.04, 0), min(max(heights) + 0.04, 1.005)
    up = Axis("", low, high, say=lambda share: f"{100 * share:.0f}")
    groups = groupby(sorted(every, key=lambda item: (-group(item[0]), item[1])),
                     lambda item: group(item[0]))  # fmt: skip
    lines = []
    for number, (width, items) in enumerate(groups):
        points = [(v, cost) for v, cost in items]
        lines.append(
            Line("1.3, 1.4" if width > 1 else str(width),
                 tuple((cost, v.top1 / 100) for v, cost in points), number, True,
                 tuple(f"{v.width:g} at {v.size}: {v.top1:.1f} %, {cost:.4g}"
                       for v, cost in points))
        )  # fmt: skip
    title = "Top-1 in %, against multiply-adds" if madds else "Top-1 in %, against time"
    return chart(title, across, up, lines, *star(across, up, own, score, told.name))


def group(variant: Variant) -> float:
    return max(variant.width, 1.4) if variant.width > 1 else variant.width


def star(across: Axis, up: Axis, own: float, score: float | None, name: str) -> list[Markup]:
    """This model: a diamond, or a line where it has no accuracy that could be compared."""
    x, y = place(across, up, (max(own, 1e-3), up.high if score is None else score))
    anchor, shift = ("end", -9) if x > (LEFT + WIDE - RIGHT) / 2 else ("start", 9)
    if score is None:
        line = tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=TOP, y2=HIGH - BOTTOM, class_="at")
        return [line, text(x + shift, HIGH - BOTTOM - 8, "this model", anchor, "own")]
    corners = f"M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7-7z"
    return [
        tag("path", tag("title", name), d=corners, class_="star"),
        text(x + shift, min(max(y + 4, TOP + 8), HIGH - BOTTOM - 6), "this model", anchor, "own"),
    ]
