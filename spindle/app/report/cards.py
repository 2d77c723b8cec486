"""What may it be used for, and how can it be had again?  A model card, and the recipe."""

from __future__ import annotations

from spindle.app.report.markup import Markup, folded, section, tag
from spindle.app.report.numbers import measured, percent
from spindle.app.report.story import Told
from spindle.model.heads import Task

NAMED = 8  # classes in a sentence
FEW, SMALL = 200, 10  # pictures to judge by; of one class: of fewer, a word of caution
USES: dict[Task, str] = {
    "classify": "To say which of {classes} a picture shows.",
    "detect": "To find {classes} in a picture.",
    "segment": "To say for each pixel which of {classes} it is.",
    "pose": "To find {classes} of one body, in a picture cut out around it.",
    "embed": "To find pictures of the same identity as a given one, by the nearest vector.",
}
LIMITS: dict[Task, str] = {
    "classify": "It always names one of its classes, also for a picture that shows none of them.",
    "detect": "It finds nothing but its classes, and small things worst.",
    "segment": "It knows no classes but these, and is coarse at edges: it sees the picture at its "
    "own size.",
    "pose": "It places every point, also one that is hidden or outside the picture.",
    "embed": "Near is a likeness, not a proof; the threshold must be set on your own pictures. "
    "Whether people may be searched for so is a question of law and of their consent.",
}


def card(told: Told) -> Markup:
    """Intended use and limits first; then data and licence."""
    parts = (
        ("Intended use", use(told)),
        ("Limits", limits(told)),
        ("What it learnt from", learnt(told)),
        ("Licence", licence(told)),
    )
    made = (tag("div", tag("h3", title), *(tag("p", line) for line in lines))
            for title, lines in parts)  # fmt: skip
    return section("Model card", None, tag("div", *made, class_="columns"))


def use(told: Told) -> list[str]:
    labels = told.names or told.judge.words.labels
    some = ", ".join(labels[:NAMED])
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    what = "points" if told.task == "pose" else "classes"
    classes = f"{len(labels)} {what} ({some}{more})"
    return [USES[told.task].format(classes=classes),
            "In pictures like those it was taught and judged with, and where a wrong answer "
            "does no harm that nobody notices."]  # fmt: skip


def limits(told: Told) -> list[str]:
    lines = [LIMITS[told.task]]
    known = told.judge.per_class()
    if known:
        key = next(iter(next(iter(known.values()))))
        worst = min(known, key=lambda label: known[label].get(key, 0.0))
        lines.append(f"It is weakest at {worst}: {key} {measured(key, known[worst].get(key))}.")
    scores = told.judge.scores()
    if "calibration_error" in scores:
        error = percent(scores["calibration_error"])
        lines.append(f"What it says of its own sureness is off by {error} in the mean.")
    if told.witness.looked < FEW:
        lines.append(f"It was judged on {told.witness.looked} pictures only: see the interval.")
    lines.append("It was not tried on other cameras, places or seasons, nor for fairness.")
    return lines


def learnt(told: Told) -> list[str]:
    source = [str(line) for line in told.known.get("source", ())]
    lines = [f"Where its numbers come from: {'; '.join(source)}."] if source else []
    recipe = told.known.get("recipe") or {}
    if "epochs" in recipe and told.rows:
        pictures = len(told.data.splits.get("train", ()))
        of = f", {pictures:,} pictures of {told.data_name}" if pictures else ""
        lines.append(f"Then {len(told.rows)} epochs{of}.")
    elif recipe:
        lines.append("Then it was taught by the recipe below.")
    return lines or ["Its file does not say."]


def licence(told: Told) -> list[str]:
    return [
        "The licence of these weights is unknown to Spindle: it follows from the pictures they "
        "were taught with and from the weights they began with. Ask those who made both before "
        "you pass the model on.",
        "Spindle itself is under Apache-2.0.",
    ]


def making(told: Told) -> Markup:
    """The recipe, and all that is needed to have the same again."""
    known, recipe = told.known, told.known.get("recipe") or {}
    facts = [(name, str(version)) for name, version in known.get("versions", {}).items()]
    if "seed" in recipe:
        facts.append(("seed", str(recipe["seed"])))
    if known.get("hash"):
        facts.append(("hash", known["hash"]))
    listed = tag("dl", *(part for name, said in facts
                         for part in (tag("dt", name), tag("dd", tag("code", said)))))  # fmt: skip
    command = [tag("h3", "The command"), tag("pre", told.command)] if told.command else []
    rows = (part for name, value in recipe.items() if name != "seed"
            for part in (tag("dt", name.replace("_", " ")), tag("dd", plain(value))))  # fmt: skip
    every = folded("The recipe, every setting", tag("dl", *rows)) if recipe else None
    return section("How to reproduce it", None, listed, *command, every)


def plain(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case "":
            return "\N{EN DASH}"
    return str(value)
