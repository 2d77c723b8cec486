"""How do drawn pictures lie on a disk, as people keep the data of each task?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from spindle.data.creatures import BONES, COLOURS, POINTS
from spindle.data.preprocess import Picture
from spindle.data.synthetic import KINDS, Pixels, company, scene, sighting
from spindle.model import atomic
from spindle.model.heads import Task

Show = Callable[[int, int], object]  # how many are done, of how many
CAMERAS, SHOTS = 3, 12  # of an identity
HIDDEN = 0.3  # a shape of which less is seen need not be found


def draw_data(
    folder: Path,
    task: Task,
    number: int,
    size: int | tuple[int, int],
    seed: int = 0,
    show: Show = lambda done, total: None,
) -> None:
    """Writes `number` pictures of this size (or height, width), one in five of them to judge by.

    Identities are twice as high as wide where one number is given, and a quarter of them is met
    nowhere but in the test.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if isinstance(size, int) and task == "embed":
        width = size // 2
    if number < 10 or min(height, width) < 16:
        raise ValueError(
            f"{number} pictures of {width} x {height} are too few or too small to learn from: "
            f"ask for 10 of 16 x 16 at least"
        )
    draw = {
        "classify": draw_classes,
        "detect": draw_detection,
        "segment": draw_masks,
        "pose": draw_pose,
        "embed": draw_identities,
    }[task]
    for done, _ in enumerate(draw(folder, number, height, width, seed * 10**6), 1):
        show(done, number)


def splits(number: int, first: int) -> Iterator[tuple[str, range]]:
    kept = number - number // 5
    yield "train", range(first, first + kept)
    yield "val", range(first + kept, first + number)


def draw_classes(folder: Path, number: int, high: int, wide: int, first: int) -> Iterator[None]:
    """A folder for each class."""
    for split, seeds in splits(number, first):
        for seed in seeds:
            drawn = scene(seed, high, wide, most=1)
            kind = KINDS[drawn.shapes[0].kind]
            write_picture(folder / split / kind / name(seed), drawn.picture)
            yield


def draw_masks(folder: Path, number: int, high: int, wide: int, first: int) -> Iterator[None]:
    """Pictures and masks of the same names; a mask holds the numbers of classes, and shows them."""
    for split, seeds in splits(number, first):
        for seed in seeds:
            drawn = scene(seed, high, wide)
            mask = Pillow.fromarray(drawn.mask)
            mask.putpalette([0, 0, 0, *(band for colour in COLOURS for band in colour)])
            write(folder / split / "masks" / name(seed, "png"), encoded(mask, "png"))
            write_picture(folder / split / "images" / name(seed), drawn.picture)
            yield
    write(folder / "labels.txt", "\n".join(("background", *KINDS)).encode())


def draw_detection(folder: Path, number: int, high: int, wide: int, first: int) -> Iterator[None]:
    """COCO instances; a shape that others hide is there, but need not be found."""
    kinds = [{"id": 1 + kind, "name": label} for kind, label in enumerate(KINDS)]
    for split, seeds in splits(number, first):
        truths: list[dict[str, Any]] = []
        for seed in seeds:
            drawn = scene(seed, high, wide)
            for shape in drawn.shapes:
                left, top = max(shape.left, 0), max(shape.top, 0)
                right, bottom = min(shape.right, wide), min(shape.bottom, high)
                truth = coco_box(seed, 1 + shape.kind, (left, top, right, bottom), shape.area)
                truths.append(truth | {"ignore": int(shape.seen < HIDDEN)})
            write_picture(folder / split / name(seed), drawn.picture)
            yield
        write_coco(folder, f"instances_{split}", (high, wide), seeds, truths, kinds)


def draw_pose(folder: Path, number: int, high: int, wide: int, first: int) -> Iterator[None]:
    """COCO keypoints."""
    bones = [[1 + start, 1 + end] for start, end in BONES]
    kinds = [{"id": 1, "name": "creature", "keypoints": POINTS, "skeleton": bones}]
    for split, seeds in splits(number, first):
        truths: list[dict[str, Any]] = []
        for seed in seeds:
            drawn = company(seed, high, wide)
            for figure in drawn.figures:
                truth = coco_box(seed, 1, figure.box, figure.area)
                truth["keypoints"] = [round(float(value), 2) for value in figure.points.ravel()]
                truth["num_keypoints"] = int((figure.points[:, 2] > 0).sum())
                truths.append(truth)
            write_picture(folder / split / name(seed), drawn.picture)
            yield
        write_coco(folder, f"person_keypoints_{split}", (high, wide), seeds, truths, kinds)


def coco_box(
    image: int, kind: int, box: tuple[float, float, float, float], area: float
) -> dict[str, Any]:
    left, top, right, bottom = box
    place = [round(float(side), 2) for side in (left, top, right - left, bottom - top)]
    return {
        "image_id": image,
        "category_id": kind,
        "bbox": place,
        "area": round(float(area), 2),
        "iscrowd": 0,
    }


def write_coco(
    folder: Path,
    file: str,
    size: tuple[int, int],
    seeds: range,
    truths: list[dict[str, Any]],
    kinds: list[dict[str, Any]],
) -> None:
    high, wide = size
    images = [{"id": i, "file_name": name(i), "height": high, "width": wide} for i in seeds]
    numbered = [{"id": number, **truth} for number, truth in enumerate(truths, 1)]
    content = {"images": images, "annotations": numbered, "categories": kinds}
    write(folder / "annotations" / f"{file}.json", json.dumps(content).encode())


def draw_identities(folder: Path, number: int, high: int, wide: int, first: int) -> Iterator[None]:
    """Named and laid out as Market-1501: the identities of the test are not those of the lesson.

    Of each of those, the first picture by each camera is a query, if it is not the last one too.
    """
    people = max(number // SHOTS, 4)
    tested = max(people // 8 * 2, 2)
    for picture in range(number):
        person, shot = picture % people, picture // people
        camera, again = shot % CAMERAS, shot // CAMERAS
        asked = not again and (number // people >= 2 * CAMERAS or not camera)
        part = "bounding_box_train" if person < people - tested else "bounding_box_test"
        part = "query" if asked and person >= people - tested else part
        file = f"{1 + person:04}_c{1 + camera}s1_{again:06}_00.jpg"
        write_picture(folder / part / file, sighting(person, camera, again, high, wide, first))
        yield


def name(seed: int, ending: str = "jpg") -> str:
    return f"{seed:08}.{ending}"


def write_picture(path: Path, pixels: Pixels) -> None:
    write(path, encoded(Pillow.fromarray(pixels), "jpeg", quality=90))


def encoded(picture: Picture, form: str, **options: Any) -> bytes:
    content = BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, content)
