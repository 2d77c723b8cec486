"""Pycocotools, asked quietly: the judge of our average precision."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

BOXES = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip
POINTS = (
    "oks_ap", "oks_ap50", "oks_ap75", "oks_ap_medium", "oks_ap_large",
    "oks_ar", "oks_ar50", "oks_ar75", "oks_ar_medium", "oks_ar_large",
)  # fmt: skip
Json = dict[str, Any]


def coco_scores(
    pictures: int, truths: list[Json], said: list[Json], kinds: int, form: str
) -> dict[str, float]:
    """The official numbers by our keys; those that are undefined (-1) are left out."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(pictures)],
            "categories": [{"id": 1 + kind} for kind in range(kinds)],
            "annotations": [truth | {"id": 1 + i} for i, truth in enumerate(truths)],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(said) if said else COCO(), form)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    keys = BOXES if form == "bbox" else POINTS
    return {key: value for key, value in zip(keys, judge.stats, strict=True) if value > -1}
