"""What did it say of which picture?  The worst answers, the best, and some drawn by lot."""

from __future__ import annotations

import numpy as np

from spindle.app.report import pictures
from spindle.app.report.likeness import Search, searches
from spindle.app.report.markup import Markup, joined, section, tag
from spindle.app.report.numbers import percent
from spindle.app.report.quality import offset, sorted_boxes
from spindle.app.report.saliency import Looker, looker
from spindle.app.report.story import Told
from spindle.app.report.witness import SHOWN, Seen
from spindle.data.augment import look
from spindle.data.judges.retrieval import EmbedJudge
from spindle.data.paint import colour
from spindle.data.preprocess import Picture
from spindle.data.results import Boxes, Classification, Mask, Pose

LEGEND = 40  # classes of a segmenter that are named
TITLES = {"worst": "Worst", "best": "Best", "drawn": "At random"}
ABOUT = {
    "classify": "Beside each picture, Grad-CAM: the warmer, the more speaks there for the class "
    "that was said; what lies in the dark was not seen. The worst are the surest mistakes.",
    "detect": "The truth on the left, on the right what was said with a score of 0.3 or more.",
    "segment": "The truth on the left, on the right what was said.",
    "pose": "The truth on the left, on the right what was said; a ring is a guess.",
    "embed": "A query, and the pictures that are nearest to it: green is the same identity.",
}


def predictions(told: Told) -> Markup | None:
    form = "cards" if told.task in ("classify", "embed") else "cards large"
    groups = [
        joined(tag("h3", TITLES[name]), tag("div", *cards, class_=form))
        for name, cards in (found(told) if told.task == "embed" else seen(told))
        if cards
    ]
    if not groups:
        return None
    about = ABOUT[told.task]
    if told.task == "classify" and (told.model is None or looker(told.model) is None):
        about = "The worst are the surest mistakes."
    return section("Predictions", about, legend(told), *groups)


def seen(told: Told) -> list[tuple[str, list[Markup]]]:
    chosen = told.witness.chosen()
    cut = looker(told.model) if told.model and told.task == "classify" else None
    return [(name, [card(told, one, cut) for one in several]) for name, several in chosen.items()]


def figure(pair: Markup, *said: object, class_: str = "card") -> Markup:
    return tag("figure", pair, tag("figcaption", *said), class_=class_)


def paired(*parts: tuple[Markup, str]) -> Markup:
    """Pictures side by side, each with a word on it."""
    sides = (tag("div", image, tag("span", word, class_="label") if word else None)
             for image, word in parts)  # fmt: skip
    return tag("div", *sides, class_="pair")


def card(told: Told, one: Seen, cut: Looker | None) -> Markup:
    picture, _ = look(one.sample)
    name = tag("small", one.sample.name)
    if isinstance(one.result, Classification):
        return classified(told, one, picture, cut, name)
    left, right, verdict = compared(told, one, picture)
    sides = [(pictures.image(left, f"{one.sample.name}: truth"), "truth"),
             (pictures.image(right, f"{one.sample.name}: said"), "said")]  # fmt: skip
    return figure(paired(*sides), tag("b", verdict), name)


def classified(told: Told, one: Seen, picture: Picture, cut: Looker | None, name: Markup) -> Markup:
    """The picture, what speaks for the class that was said, and which would have been right."""
    assert isinstance(one.result, Classification)
    (said, chance), right = one.result.classes[0], one.quality > 0
    sides = [(pictures.image(picture, f"{one.sample.name}: {said}"), "")]
    if cut:
        why = cut.shown(picture, told.names.index(said))
        sides.append((pictures.image(why, f"what speaks for {said}"), "Grad-CAM"))
    verdict = tag("b", f"{said} {percent(chance)}", class_="good" if right else "bad")
    truth = told.witness.words.labels[one.sample.kind]
    return figure(paired(*sides), verdict, None if right else f"it is {truth}", name)


def compared(told: Told, one: Seen, picture: Picture) -> tuple[Picture, Picture, str]:
    """The truth and what was said, drawn alike, and how near they are."""
    sample, words = one.sample, told.witness.words
    match one.result:
        case Boxes() as result:
            kinds = sorted_boxes(sample, result, words)
            found, wrong = len(kinds.found), len(kinds.wrong)
            there = found + len(kinds.missed)
            verdict = f"{found} of {there} found" if there else "nothing is there"
            return (
                pictures.framed(picture, pictures.truth_boxes(sample, words)),
                pictures.framed(picture, pictures.said_boxes(result, words)),
                verdict + (f", {wrong} too many" if wrong else ""),
            )
        case Mask() as result:
            truth: Mask | Pose = pictures.truth_mask(sample, picture, words)
            said: Mask | Pose = pictures.said_mask(result, words)
            verdict = f"mean IoU {percent(one.quality)}"
        case Pose() as result:
            truth = pictures.truth_points(sample, words, offset(sample))
            said, verdict = result, f"similarity {percent(one.quality)}"
        case _:
            raise NotImplementedError(one.result)
    return pictures.drawn(picture, truth), pictures.drawn(picture, said), verdict


def legend(told: Told) -> Markup | None:
    """The colours of a segmenter's classes; the first is what is left as it is."""
    if told.task != "segment":
        return None
    words = told.witness.words
    judged = np.flatnonzero(words.truths > 0)[:LEGEND].tolist()
    items = (
        tag("li", tag("i", style="background:rgb({},{},{})".format(*colour(number))),
            words.labels[number])
        for number in judged
    )  # fmt: skip
    return tag("ul", *items, class_="legend")


def found(told: Told) -> list[tuple[str, list[Markup]]]:
    """Queries and their nearest."""
    judge = told.judge
    assert isinstance(judge, EmbedJudge)
    every = sorted(searches(judge), key=lambda search: search.precision)
    room = min(SHOWN, max(len(every) // 3, 1))
    chosen = {"worst": every[:room], "best": every[room:][-room:][::-1]}
    rest = every[room:-room]
    chosen["drawn"] = told.witness.rng.sample(rest, min(room, len(rest)))
    return [(name, [row(told, one) for one in several]) for name, several in chosen.items()]


def row(told: Told, search: Search) -> Markup:
    def side(name: str, word: str, kind: str = "") -> Markup:
        picture, _ = look(told.witness.by_name[name])
        label = tag("span", word, class_="label")
        return tag("div", pictures.image(picture, name), label, class_=kind or None)

    near = (side(name, f"{cosine:.2f}", "ok" if same else "no")
            for name, cosine, same in search.nearest)  # fmt: skip
    pair = tag("div", side(search.query, "query"), *near, class_="pair five")
    said = tag("b", f"average precision {percent(search.precision)}")
    return figure(pair, said, tag("small", search.query))
