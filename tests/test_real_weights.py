"""Real weights on real pictures: the published logits, and answers that official metrics judge."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import spindle
from spindle.compiler import reference
from spindle.data.judges.wording import SYNONYMS
from spindle.data.labels import VOC


@pytest.fixture(scope="module")
def coco(data: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(data / "coco" / "instances.json"))


@pytest.fixture(scope="module")
def voc(coco: COCO) -> dict[int, int]:
    """COCO's category to VOC's class, for the twenty that both know."""
    named = {c["id"]: SYNONYMS.get(c["name"], c["name"]) for c in coco.loadCats(coco.getCatIds())}
    kinds = {number: VOC.index(name) for number, name in named.items() if name in VOC}
    assert len(kinds) == 20
    return kinds


def classifier(data: Path, **said: Any) -> spindle.Predictor:
    return spindle.load(data / "weights" / "classifier_imagenet_1.0_224.npz", **said)


def test_the_classifier_gives_the_published_logits(data: Path) -> None:
    model = classifier(data).model
    graph = model.graph.until("logits")
    vectors = np.load(data / "weights" / "classifier_vectors.npz", allow_pickle=False)
    for number in range(3):
        normalised = vectors[f"{number}.input"][0].transpose(1, 2, 0)
        picture = normalised * np.array(graph.image.std) + np.array(graph.image.mean)
        logits = reference.run(graph, model.weights, picture)["logits"].ravel()
        published = vectors[f"{number}.logits"][0]
        assert logits.argmax() == published.argmax()
        assert np.abs(logits - published).max() <= 0.15  # its last layer was rounded to 8 bits


def test_the_classifier_is_right_on_pictures_it_has_never_seen(data: Path) -> None:
    predictor = classifier(data, labels=[str(number) for number in range(1000)])
    with (data / "imagenet_like" / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    results = [predictor(data / "imagenet_like" / row["path"]) for row in rows]
    assert len(results) == 200
    right = [r.classes[0][0] == row["label"] for r, row in zip(results, rows, strict=True)]  # type: ignore[union-attr]
    print(f"top-1 on {len(rows)} pictures: {np.mean(right):.3f}")
    assert np.mean(right) >= 0.88


def test_the_detector_finds_what_the_official_metric_asks(
    data: Path, coco: COCO, voc: dict[int, int]
) -> None:
    predictor = spindle.load(data / "weights" / "ssdlite_voc_1.0_300.npz")
    category = {kind: number for number, kind in voc.items()}
    found = []
    for number, picture in coco.imgs.items():
        result = predictor(data / "coco" / "images" / picture["file_name"], threshold=0.01)
        assert isinstance(result, spindle.Boxes)
        found += [
            {
                "image_id": number,
                "category_id": category[VOC.index(box.label)],
                "bbox": [box.left, box.top, box.right - box.left, box.bottom - box.top],
                "score": box.score,
            }
            for box in result.boxes
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.params.catIds = list(voc)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    print(f"AP at 0.5 on {len(coco.imgs)} pictures: {judge.stats[1]:.3f}")
    assert judge.stats[1] >= 0.5


def mean_iou(
    predictor: spindle.Predictor, coco: COCO, voc: dict[int, int], folder: Path, **looks: Any
) -> float:
    """Mean intersection over union of the polygons' classes, the crowds left out."""
    counts = np.zeros((21, 21))
    for number, picture in coco.imgs.items():
        truth = np.zeros((picture["height"], picture["width"]), int)
        annotations = coco.loadAnns(coco.getAnnIds(number))
        for each in sorted(annotations, key=lambda a: -a["area"]):
            inside = coco.annToMask(each).astype(bool)
            kind = voc.get(each["category_id"], -1) + 1
            truth[inside] = 255 if each["iscrowd"] else kind
        result = predictor(folder / picture["file_name"], **looks)
        assert isinstance(result, spindle.Mask)
        known = truth < 255
        pairs = truth[known] * 21 + result.pixels[known]
        counts += np.bincount(pairs, minlength=441).reshape(21, 21)
    right = np.diag(counts)
    return float(np.nanmean(right / (counts.sum(0) + counts.sum(1) - right)))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_segmenter_covers_what_the_polygons_cover(
    data: Path, coco: COCO, voc: dict[int, int]
) -> None:
    path, folder = data / "weights" / "deeplabv3_voc_1.0_513.npz", data / "coco" / "images"
    plain = mean_iou(spindle.load(path), coco, voc, folder)
    print(f"mIoU on {len(coco.imgs)} pictures, stride 16: {plain:.3f}")
    assert plain >= 0.5


def test_numbers_of_16_bits_name_what_floats_name(data: Path, tmp_path: Path) -> None:
    predictor = classifier(data, labels=[str(number) for number in range(1000)])
    pictures = sorted((data / "imagenet_like").rglob("*.jpg"))
    found = []
    for name, brief in (("whole.so", False), ("half.so", True)):
        path = predictor.compile(tmp_path / name, bf16=brief)
        found.append([result.classes[0] for result in map(spindle.load(path), pictures)])  # type: ignore[union-attr]
    pairs = list(zip(*found, strict=True))
    print(f"bf16: chances apart by {max(abs(a[1] - b[1]) for a, b in pairs):.3f} at most")
    assert len(pairs) == 200 and all(one[0] == other[0] for one, other in pairs)
