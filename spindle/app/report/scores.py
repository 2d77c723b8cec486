"""How good is it, measure by measure and class by class, and what does it take for what?"""

from __future__ import annotations

import numpy as np

from spindle.app.judgement import COUNTS, MEANINGS
from spindle.app.report.charts import bar
from spindle.app.report.markup import Markup, folded, section, table, tag
from spindle.app.report.numbers import UNSHARED, measured, percent
from spindle.app.report.story import Told
from spindle.data.judges.confusion import Confusing

CLASSES = 24  # that the table shows before it is unfolded
NUMBERED, SQUARE = 14, 40  # classes of a confusion matrix with numbers in it, and at all
WORST = 10  # confusions in words
DEEP = 0.55  # from which share on a cell is so dark that its number must be light


def measures(told: Told) -> Markup:
    lines = [
        tag("tr", tag("th", tag("b", key) if key == told.headline else key,
                      tag("small", MEANINGS[key]), scope="row"),
            tag("td", None if key in UNSHARED else bar(score), class_="wide"),
            tag("td", measured(key, score)))
        for key, score in told.judge.scores().items()
    ]  # fmt: skip
    body = tag("div", tag("table", tag("tbody", *lines)), class_="scroll")
    return section("Measures", "Every official measure of the task.", body)


def classes(told: Told) -> Markup | None:
    """The weakest first: they are where more pictures help most."""
    known = told.judge.per_class()
    if not known:
        return None
    keys = list(dict.fromkeys(key for values in known.values() for key in values))
    order = sorted(known, key=lambda label: known[label].get(keys[0], 0.0))
    counted = [key for key in keys if key in COUNTS]

    def rows(labels: list[str]) -> Markup:
        lines = [
            tag("tr", tag("th", label, scope="row"),
                tag("td", bar(known[label].get(keys[0], 0.0)), class_="wide"),
                *(tag("td", measured(key, known[label].get(key))) for key in keys))
            for label in labels
        ]  # fmt: skip
        head = tag("tr", tag("th", "class"), tag("th"), *(tag("th", key) for key in keys))
        made = tag("table", tag("thead", head), tag("tbody", *lines))
        return tag("div", made, class_="scroll")

    about = f"The weakest first, by {keys[0]}."
    if counted:
        about += f" A class with few {counted[0]} is measured loosely."
    rest = order[CLASSES:]
    more = folded(f"{len(rest)} more classes", rows(rest)) if rest else None
    return section("Classes", about, rows(order[:CLASSES]), more)


def confusion(told: Told) -> Markup | None:
    judge = told.judge
    if not isinstance(judge, Confusing):
        return None
    unit = "pixels" if judge.task == "segment" else "pictures"
    about = (
        f"What it is (rows) and what it is taken for (columns), in percent of each row's {unit}: "
        "blue is right, red is wrong."
    )
    there = np.flatnonzero(judge.asked + judge.table[:, :-1].sum(axis=0))
    if len(there) > SQUARE:
        wrong = judge.asked - judge.right
        there = np.sort(there[np.argsort(-wrong[there], kind="stable")[:SQUARE]])
        about += f" Of {len(judge.words)} classes the {SQUARE} that are most often missed."
    return section("Confusion", about, matrix(judge, there), mistakes(judge, unit))


def matrix(judge: Confusing, there: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Markup:
    labels = judge.words.labels
    foreign = judge.table[there, -1].any()
    columns = [*there.tolist(), *([len(labels)] if foreign else [])]
    names = (*labels, "none of these")
    head = tag("tr", tag("th"), *(tag("th", tag("span", names[c]), scope="col") for c in columns))
    rows = []
    for row in there.tolist():
        cells = []
        for column in columns:
            count = int(judge.table[row, column])
            share = count / max(int(judge.asked[row]), 1)
            number = f"{100 * share:.0f}" if share >= 0.005 else ""
            kind = "right" if row == column else ""
            kind += " deep" if share > DEEP else ""
            says = f"{names[row]} taken for {names[column]}: {count:,}, {percent(share)}"
            cells.append(tag("td", number, style=f"--v:{100 * share:.0f}%", title=says,
                             class_=kind.strip() or None))  # fmt: skip
        rows.append(tag("tr", tag("th", names[row], scope="row", title=names[row]), *cells))
    small = "matrix" if len(columns) <= NUMBERED else "matrix small"
    made = tag("table", tag("thead", head), tag("tbody", *rows), class_=small)
    return tag("div", made, class_="scroll")


def mistakes(judge: Confusing, unit: str) -> Markup | None:
    pairs = judge.confusions()[:WORST]
    if not pairs:
        return tag("p", "Nothing was taken for anything else.", class_="note")
    asked = dict(zip(judge.words.labels, judge.asked.tolist(), strict=True))
    most = max(count / asked[truth] for truth, _, count in pairs)
    lines: list[tuple[object, ...]] = [
        (truth, said, f"{count:,}", percent(count / asked[truth]),
         bar(count / asked[truth] / most))
        for truth, said, count in pairs
    ]  # fmt: skip
    made = table(("it is", "taken for", unit, "of these", ""), lines)
    return folded("The most frequent mistakes", made)
