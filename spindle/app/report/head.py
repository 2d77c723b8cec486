"""What is to be known first?  What it is, how good, how sure that is, and what it costs."""

from __future__ import annotations

from pathlib import Path

from spindle.app.judgement import MEANINGS
from spindle.app.report.charts import span
from spindle.app.report.markup import Markup, joined, tag
from spindle.app.report.numbers import measured, milliseconds, percent, scaled
from spindle.app.report.story import Told
from spindle.app.table import shape
from spindle.model.heads import Task

DOES: dict[Task, str] = {
    "classify": "Classifier",
    "detect": "Detector",
    "segment": "Segmenter",
    "pose": "Pose estimator",
    "embed": "Embedding",
}


def header(told: Told) -> Markup:
    image, count = shape(told.graph.input), told.classes
    what = "points" if told.task == "pose" else "classes"
    classes = f", {count} {what}" if count and told.task != "embed" else ""
    return tag(
        "header",
        tag("p", f"{DOES[told.task]} \N{MIDDLE DOT} Spindle", class_="kind"),
        tag("h1", told.name),
        tag("p", f"A network for pictures of {image}{classes}, judged on {told.data_name}."),
    )


def judged_on(told: Told) -> str:
    """How many pictures the number is about."""
    count = told.witness.looked
    unit = "people" if told.task == "pose" else "pictures"
    if count < told.pictures:
        return f"{count:,} of {told.pictures:,} {unit}, chosen at random"
    return f"{count:,} {unit}"


def hero(told: Told) -> Markup:
    scores, key = told.judge.scores(), told.headline
    score = scores.get(key, 0.0)
    parts = [
        tag("div", measured(key, score), class_="big"),
        tag("p", tag("b", key), f": {MEANINGS[key]}; on {judged_on(told)}."),
    ]
    if told.interval:
        low, high = told.interval.low, told.interval.high
        says = f"95{chr(0x202F)}% interval: {percent(low)} to {percent(high)}"
        parts += [
            span(low, score, high),
            tag("div", tag("span", "0"), tag("span", "100"), class_="ends"),
            tag("p", tag("b", says), tag("br"), tag("small", told.interval.how), class_="sure"),
        ]
    else:
        parts.append(
            tag("p", "How certain that is cannot be told from these pictures.", class_="sure")
        )
    before = told.known.get("metrics", {}).get(key)
    if before is not None and told.witness.looked < told.pictures:
        said = f"While it learned it was judged on all of them: {measured(key, before)}."
        parts.append(tag("p", said, class_="note"))
    return tag("section", tag("div", tag("div", *parts), tiles(told), class_="hero"))


def tiles(told: Told) -> Markup:
    """Four numbers that decide whether it can be used."""
    rows: list[tuple[str, str]] = []
    if told.model:
        rows.append((scaled(told.graph.params), "parameters"))
        rows.append((scaled(told.graph.madds), "multiply-adds a picture"))
    if told.latency:
        quick = "compiled" if told.latency.quick else "in numpy"
        rows.append((milliseconds(told.latency.least), f"a picture here, {quick}, 1 thread"))
    if told.size:
        rows.append((scaled(told.size, "B"), "the model's file"))
    made = (tag("div", tag("b", number), tag("span", says), class_="tile") for number, says in rows)
    return tag("div", *made, class_="tiles")


def contents(titles: list[tuple[str, str]]) -> Markup:
    """The way to each section."""
    return tag("nav", *(tag("a", said, href=f"#{name}") for name, said in titles))


def title(told: Told) -> str:
    return f"{Path(told.name).name} on {told.data_name}"


def page(title_: str, style: str, *body: Markup) -> str:
    """The file as a whole; it may load nothing from anywhere."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = joined(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title_),
        tag("style", Markup(style)),
    )
    whole = tag("html", tag("head", head), tag("body", tag("main", *body)), lang="en")
    return f"{whole}\n"


def footer() -> Markup:
    said = "Made by Spindle. This page loads nothing: it can be kept, sent and opened anywhere."
    return tag("footer", said)
