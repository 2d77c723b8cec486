"""What was it judged on or taught with, and what is wrong with that, by `spindle check`?"""

from __future__ import annotations

from collections.abc import Sequence

from spindle.app.report.charts import bar
from spindle.app.report.markup import Markup, folded, section, tag
from spindle.app.report.story import Told
from spindle.data.health import Report, by_kind

CLASSES, PROBLEMS = 24, 12  # that are shown before they are unfolded
MOST = 200  # lines of problems


def material(told: Told) -> Markup:
    data, health = told.data, told.health
    splits = ", ".join(f"{len(samples):,} in {name}" for name, samples in data.splits.items())
    about = f"{data.form}: {splits}."
    if health is None:
        return section("Data", about, tag("p", "It was not looked through.", class_="note"))
    total = sum(map(len, data.splits.values()))
    if told.examined < total:
        about += f" Looked through: {told.examined:,} of {total:,}, drawn by lot."
    return section("Data", about, sizes(health), spread(health), problems(health))


def sizes(health: Report) -> Markup:
    lines = []
    for split, counts in health.counts.items():
        said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        lines += [tag("dt", split), tag("dd", said or "nothing")]
    if health.sizes:
        low, middle, high = (f"{w} \N{MULTIPLICATION SIGN} {h}" for w, h in health.sizes)
        said = f"all {low}" if low == high else f"{low} to {high}, {middle} in the middle"
        lines += [tag("dt", "sizes"), tag("dd", said)]
    return tag("dl", *lines)


def spread(health: Report) -> Markup | None:
    """How much there is of each class."""
    if health.task == "embed" or not health.labels:
        return None
    totals = {
        label: sum(counts.get(label, 0) for counts in health.classes.values())
        for label in health.labels
    }
    order = sorted(totals, key=lambda label: -totals[label])
    most = max([*totals.values(), 1])

    def rows(labels: Sequence[str]) -> Markup:
        lines = [
            tag("tr", tag("th", label, scope="row"),
                tag("td", bar(totals[label] / most), class_="wide"),
                *(tag("td", f"{counts.get(label, 0):,}") for counts in health.classes.values()))
            for label in labels
        ]  # fmt: skip
        counted = any("objects" in counts for counts in health.counts.values())
        units = {"segment": "pixels", "pose": "points"}
        unit = "things" if counted else units.get(health.task, "pictures")
        head = tag("tr", tag("th", f"class, by {unit}"), tag("th"),
                   *(tag("th", split) for split in health.classes))  # fmt: skip
        return tag("div", tag("table", tag("thead", head), tag("tbody", *lines)), class_="scroll")

    rest = order[CLASSES:]
    more = folded(f"{len(rest)} more classes", rows(rest)) if rest else None
    return tag("div", tag("h3", "How much there is of each class"), rows(order[:CLASSES]), more)


def problems(health: Report) -> Markup:
    """What check has found, in its own words."""
    if not health.problems:
        return tag("p", "spindle check finds nothing wrong with it.", class_="note")
    wrong, all_ = len(health.fatal), len(health.problems)
    said = f"spindle check finds {all_:,} {'thing' if all_ == 1 else 'things'} to know of"
    said += f", {wrong:,} of which cannot be used" if wrong else ""
    remarks = tuple(problem for problem in health.problems if not problem.fatal)
    lines = [line.strip() for line in (*by_kind(health.fatal), *by_kind(remarks))]

    def listed(some: Sequence[str]) -> Markup:
        return tag("ul", *(tag("li", line) for line in some), class_="plain")

    rest = lines[PROBLEMS:MOST]
    more = folded(f"{len(rest)} more", listed(rest)) if rest else None
    return tag("div", tag("h3", said), listed(lines[:PROBLEMS]), more)
