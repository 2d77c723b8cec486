"""How does a judgement read in a terminal?  The headline first, then every class with its bar."""

from __future__ import annotations

from spindle.app.progress import bar, clean
from spindle.app.table import accent, bold, dim
from spindle.data.judges.judge import Judge
from spindle.data.metrics import HEADLINE
from spindle.model.heads import Task

MEANINGS = {
    "top1": "the likeliest class is right",
    "top5": "the right class is among the five likeliest",
    "mean_accuracy": "share that is right, the mean over classes",
    "calibration_error": "how far confidence is from being right: 0 is best",
    "loss": "cross-entropy",
    "ap": "average precision over overlaps 0.5 to 0.95, as COCO says it",
    "ap50": "the same at overlap 0.5",
    "ap75": "the same at overlap 0.75",
    "ap_small": "of things up to 32 x 32 pixels",
    "ap_medium": "of those up to 96 x 96",
    "ap_large": "of those above",
    "ar1": "share found by one box of a class in a picture",
    "ar10": "by ten",
    "ar100": "by a hundred",
    "ar_small": "by a hundred, of small things",
    "ar_medium": "by a hundred, of medium ones",
    "ar_large": "by a hundred, of large ones",
    "voc_ap": "as VOC says it, at overlap 0.5, all recalls",
    "voc_ap11": "as VOC said it to 2009, at 11 recalls",
    "miou": "intersection over union, the mean over classes",
    "pixel_accuracy": "share of pixels that are right",
    "weighted_iou": "intersection over union, weighted by what is there",
    "oks_ap": "average precision by points, as COCO says it",
    "oks_ap50": "the same at similarity 0.5",
    "oks_ap75": "the same at similarity 0.75",
    "oks_ap_medium": "of people of 32 x 32 to 96 x 96 pixels",
    "oks_ap_large": "of larger ones",
    "oks_ar": "share found, over similarities 0.5 to 0.95",
    "oks_ar50": "at similarity 0.5",
    "oks_ar75": "at similarity 0.75",
    "oks_ar_medium": "of people of 32 x 32 to 96 x 96 pixels",
    "oks_ar_large": "of larger ones",
    "pck20": "share of points within a fifth of the box's larger side",
    "rank1": "the nearest picture is the same identity",
    "rank5": "one of the five nearest is",
    "rank10": "one of the ten nearest is",
    "map": "average precision over all pictures of the identity",
    "map_trapezoid": "the same as Market-1501's first code had it",
}
COUNTS = ("pictures", "things", "points")  # of a class
WORST = 10  # confusions that are shown


def show_scores(judge: Judge) -> str:
    """All that a judge has to say, worth looking at."""
    scores, first = judge.scores(), HEADLINE[judge.task]
    lines = [bold(f"{first} {scores[first]:.4f}") + f"  {dim(MEANINGS[first])}", ""]
    for key, score in scores.items():
        if key != first:
            lines.append(f"  {key:<17} {score:>7.4f}  {dim(MEANINGS[key])}")
    return "\n".join([*lines, *by_class(judge), *worst(judge)])


def headline(task: Task, scores: dict[str, float]) -> str:
    """The measure that counts, and what it means."""
    key = HEADLINE[task]
    return f"{key} {scores[key]:.4f} ({MEANINGS[key]})" if key in scores else "not judged"


def by_class(judge: Judge) -> list[str]:
    """A line for each class: its measures, and the first of them as a bar."""
    classes = judge.per_class()
    if not classes:
        return []
    keys = list(dict.fromkeys(key for known in classes.values() for key in known))
    room = max(map(len, map(clean, classes)))
    lines = ["", f"  {'':<{room}} " + "".join(f"{key:>10}" for key in keys)]
    for label, known in classes.items():
        numbers = "".join(f"{written(key, known.get(key)):>10}" for key in keys)
        drawn = accent(bar(known.get(keys[0], 0.0)))
        lines.append(f"  {clean(label):<{room}} {numbers}  {drawn}".rstrip())
    return lines


def worst(judge: Judge) -> list[str]:
    """What is taken for what most often."""
    pairs = judge.confusions()[:WORST]
    if not pairs:
        return []
    unit = "pixels" if judge.task == "segment" else "pictures"
    room = max(len(clean(truth)) for truth, _, _ in pairs)
    named = max(len(clean(said)) for _, said, _ in pairs)
    most = pairs[0][2]
    return ["", f"  most often wrong ({unit})"] + [
        f"  {clean(truth):<{room}} taken for {clean(said):<{named}} {count:>10,}  "
        f"{accent(bar(count / most))}"
        for truth, said, count in pairs
    ]


def written(key: str, number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:,.0f}" if key in COUNTS else f"{number:.4f}"
