"""How does a sample become a lesson?  A choice of frame, flip and turn that all of it follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, cos, exp, floor, log, radians, sin, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from spindle.data.masks import read_mask
from spindle.data.preprocess import (
    RESAMPLE,
    Frame,
    Picture,
    Size,
    open_picture,
    prepare,
    read_picture,
    seen,
    show,
)
from spindle.data.samples import VOID, Objects, Sample
from spindle.model.boxes import area, iou
from spindle.model.heads import Task
from spindle.model.ops import Image

Crop = Literal["none", "random", "ssd", "scale", "person", "shift"]
Floats = NDArray[np.float64]
Truth = dict[str, NDArray[Any]]

WIDER = 1.25  # than a person's box is what is looked at: limbs reach out of it
OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # SSD's: what a crop must share with some box


@dataclass(frozen=True)
class Variety:
    """How looks at one picture may differ from what prediction sees of it."""

    crop: Crop = "none"
    least: float = 0.08  # random, ssd: the smallest share of the picture's area
    scale: tuple[float, float] = (1.0, 1.0)  # how large things appear, against prediction
    step: float = 0.0  # from one scale to the next; 0 for any scale
    shift: float = 0.0  # how far the frame may move, in shares of the network's shorter side
    turn: float = 0.0  # the most degrees, either way
    flip: float = 0.0  # the chance of left for right


@dataclass(frozen=True)
class View:
    """One look at a picture: a part of it, turned clockwise about its middle, perhaps mirrored."""

    frame: Frame
    turn: float = 0.0  # in radians, of what is seen
    flip: bool = False
    aspect: float = 1.0  # of the network: its pixels are what a turn leaves square

    def inside(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Places in the picture as places that the network sees, both in shares."""
        x, y = turned(*self.frame.inside(x, y), self.turn, self.aspect)
        return (1 - x if self.flip else x), y

    def outside(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        x = 1 - x if self.flip else x
        return self.frame.outside(*turned(x, y, -self.turn, self.aspect))


def turned(x: Floats, y: Floats, turn: float, aspect: float) -> tuple[Floats, Floats]:
    """Shares of the sides of a frame of this aspect, turned clockwise about its middle."""
    if not turn:
        return x, y  # a row and a column stay apart
    x, y = x - 0.5, y - 0.5
    across, down = cos(turn) * x - sin(turn) * y / aspect, sin(turn) * aspect * x + cos(turn) * y
    return across + 0.5, down + 0.5


def lesson(
    sample: Sample,
    image: Image,
    task: Task,
    variety: Variety | None,
    rng: np.random.Generator,
    mirror: Sequence[int] = (),
) -> tuple[NDArray[np.uint8], Truth]:
    """The bytes a network learns from, height x width x 3, and the truth about them.

    Without variety it is what prediction sees.  `mirror` says for each point which one it is in a
    mirror; bodies are not mirrored without.
    """
    if variety is None:
        picture, _ = look(sample)
        pixels, frame = prepare(picture, image)
        size = picture.size if sample.part is None else open_picture(sample.picture).size
        view = View(whole(sample, size).part(frame), aspect=image.width / image.height)
        return np.array(pixels), truth(sample, size, view, image, task, mirror)
    if task == "pose" and not mirror:
        variety = replace(variety, flip=0.0)
    opened = open_picture(sample.picture)
    view = choose(sample, opened.size, image, variety, rng)
    least = ceil(image.width / view.frame.width), ceil(image.height / view.frame.height)
    picture, extent = opened.read(least)
    pixels = seen_by(view, picture, extent, image)
    return pixels, truth(sample, opened.size, view, image, task, mirror)


def look(sample: Sample) -> tuple[Picture, tuple[float, float]]:
    """What a predictor is shown of a sample, and where in the picture that begins, in pixels."""
    picture = read_picture(sample.picture)
    if sample.part is None:
        return picture, (0.0, 0.0)
    box = around(sample.part, picture.size)
    return picture.crop(box), (float(box[0]), float(box[1]))


def around(part: Sequence[float], size: Size) -> tuple[int, int, int, int]:
    """A part of a picture, widened about its middle and cut to the picture, in whole pixels."""
    left, top, right, bottom = part
    more_x, more_y = (right - left) * (WIDER - 1) / 2, (bottom - top) * (WIDER - 1) / 2
    first = min(max(floor(left - more_x), 0), size[0] - 1)
    upper = min(max(floor(top - more_y), 0), size[1] - 1)
    last = max(min(ceil(right + more_x), size[0]), first + 1)
    return first, upper, last, max(min(ceil(bottom + more_y), size[1]), upper + 1)


def whole(sample: Sample, size: Size) -> Frame:
    """What there is to look at: the picture, or what is around the sample's part of it."""
    if sample.part is None:
        return Frame()
    left, top, right, bottom = around(sample.part, size)
    return Frame(left / size[0], top / size[1], right / size[0], bottom / size[1])


def choose(
    sample: Sample, size: Size, image: Image, variety: Variety, rng: np.random.Generator
) -> View:
    """One look at a picture of this size, drawn by lot."""
    all_of_it = whole(sample, size)
    extent = all_of_it.width * size[0], all_of_it.height * size[1]
    usual = seen((round(extent[0]), round(extent[1])), image)
    match variety.crop:
        case "random":
            frame = random_part(extent, image.width / image.height, variety.least, rng)
        case "ssd":
            frame = around_boxes(boxes_to_find(sample, size), extent, variety, rng)
        case "scale":
            frame = anywhere(usual, drawn_scale(variety, rng), rng)
        case "person" | "shift":
            frame = moved(usual, drawn_scale(variety, rng), variety.shift, image, rng)
        case _:
            frame = usual
    turn = radians(rng.uniform(-variety.turn, variety.turn)) if variety.turn else 0.0
    flip = bool(rng.random() < variety.flip)
    return View(all_of_it.part(frame), turn, flip, image.width / image.height)


def random_part(
    extent: tuple[float, float], aspect: float, least: float, rng: np.random.Generator
) -> Frame:
    """Any part of at least this share of the area, up to a third wider or higher than asked."""
    stretch = extent[1] / extent[0] * aspect  # from a ratio in the network to one of shares
    for _ in range(10):
        size = rng.uniform(least, 1)
        ratio = exp(rng.uniform(log(3 / 4), log(4 / 3))) * stretch
        across, down = sqrt(size * ratio), sqrt(size / ratio)
        if max(across, down) <= 1:
            left, top = rng.uniform(0, 1 - across), rng.uniform(0, 1 - down)
            return Frame(left, top, left + across, top + down)
    # the largest part in the middle whose ratio is allowed
    ratio = min(max(1.0, 3 / 4 * stretch), 4 / 3 * stretch)
    across, down = min(ratio, 1.0), min(1 / ratio, 1.0)
    return Frame((1 - across) / 2, (1 - down) / 2, (1 + across) / 2, (1 + down) / 2)


def drawn_scale(variety: Variety, rng: np.random.Generator) -> float:
    low, high = variety.scale
    if variety.step:
        return low + variety.step * int(rng.integers(floor((high - low) / variety.step + 1e-6) + 1))
    return float(rng.uniform(low, high))


def anywhere(usual: Frame, scale: float, rng: np.random.Generator) -> Frame:
    """A frame that shows things so much larger, anywhere in the picture or the picture in it."""
    across, down = usual.width / scale, usual.height / scale
    left, top = ((1 - side) * rng.random() for side in (across, down))
    return Frame(left, top, left + across, top + down)


def moved(
    usual: Frame, scale: float, shift: float, image: Image, rng: np.random.Generator
) -> Frame:
    """A frame that shows things so much larger, a little to one side."""
    side = shift * min(image.width, image.height)
    x = 0.5 + rng.uniform(-1, 1) * side / image.width
    y = 0.5 + rng.uniform(-1, 1) * side / image.height
    half = 0.5 / scale
    return usual.part(Frame(x - half, y - half, x + half, y + half))


def around_boxes(
    boxes: Floats, extent: tuple[float, float], variety: Variety, rng: np.random.Generator
) -> Frame:
    """SSD's look: the picture perhaps small on a wide ground, then a part that some box is in."""
    ground, smallest = Frame(), variety.scale[0]
    if smallest < 1 and rng.random() < 0.5:
        side = rng.uniform(1, 1 / smallest)
        left, top = rng.uniform(0, side - 1), rng.uniform(0, side - 1)
        ground = Frame(-left, -top, side - left, side - top)
    x, y = ground.inside(boxes[:, 0::2], boxes[:, 1::2])
    boxes = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)
    for _ in range(10):
        choice = rng.integers(len(OVERLAPS) + 1)
        if choice == len(OVERLAPS):
            break
        sides = rng.uniform(sqrt(variety.least), 1, (40, 2))
        corners = rng.uniform(0, 1, (40, 2)) * (1 - sides)
        tries = np.concatenate([corners, corners + sides], axis=1)
        ratio = sides[:, 0] / sides[:, 1] * extent[0] / extent[1]
        fits = (ratio >= 0.5) & (ratio <= 2)
        if len(boxes):
            middle = (boxes[:, :2] + boxes[:, 2:]) / 2
            holds = (middle > tries[:, None, :2]) & (middle < tries[:, None, 2:])
            shared = np.where(holds.all(2), iou(tries, boxes), -1.0)  # type: ignore[arg-type]
            fits &= shared.max(1) >= OVERLAPS[choice]
        if fits.any():
            return ground.part(Frame(*tries[int(fits.argmax())].tolist()))
    return ground


def seen_by(view: View, picture: Picture, extent: Frame, image: Image) -> NDArray[np.uint8]:
    """What the network sees of a picture that lies in `extent` of what is given."""
    if view.turn:
        # the frame is widened until it holds its turned self, shown, and turned pixel for pixel
        wide, high = image.width, image.height
        across, down = abs(cos(view.turn)), abs(sin(view.turn))
        size = ceil(wide * across + high * down) + 2, ceil(wide * down + high * across) + 2
        x, y = size[0] / wide / 2, size[1] / high / 2
        wider = view.frame.part(Frame(0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y))
        shown = show(picture, extent.part(wider), image, size)
        c, s = cos(view.turn), sin(view.turn)
        middle = (size[0] - c * wide - s * high) / 2, (size[1] + s * wide - c * high) / 2
        steps = c, s, middle[0], -s, c, middle[1]
        way = Pillow.Transform.AFFINE
        shown = shown.transform((wide, high), way, steps, RESAMPLE[image.resample])
    else:
        shown = show(picture, extent.part(view.frame), image)
    return np.array(shown.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT) if view.flip else shown)


def truth(
    sample: Sample, size: Size, view: View, image: Image, task: Task, mirror: Sequence[int]
) -> Truth:
    """What is true of a view at a picture of this size; places are shares of what is seen."""
    objects = Objects() if sample.objects is None else sample.objects  # none has no boxes either
    match task:
        case "classify" | "embed":
            return {"kind": np.array(sample.kind, np.int64)}
        case "detect":
            return boxes_seen(objects, size, view)
        case "segment":
            return {"mask": mask_seen(read_mask(sample, size), view, image)}
        case "pose":
            return {"points": points_seen(objects.points[0], size, view, mirror)}
    raise ValueError(f"no lesson is known for the task {task!r}")


def shares(boxes: NDArray[np.float32], size: Size) -> Floats:
    return boxes.reshape(-1, 4).astype(np.float64) / (*size, *size)


def filled(flags: NDArray[np.bool_], number: int) -> NDArray[np.bool_]:
    """One flag for each of so many objects; where nothing is said, none is set."""
    return np.concatenate([flags, np.zeros(number - len(flags), np.bool_)])


def unjudged(objects: Objects) -> NDArray[np.bool_]:
    """Which objects are neither right nor wrong to find."""
    number = len(objects)
    return filled(objects.ignored, number) | filled(objects.crowds, number)


def boxes_to_find(sample: Sample, size: Size) -> Floats:
    """In shares of what there is to look at."""
    objects, frame = sample.objects, whole(sample, size)
    if objects is None:
        return np.zeros((0, 4))
    boxes = shares(objects.boxes, size)[~unjudged(objects)]
    x, y = frame.inside(boxes[:, 0::2], boxes[:, 1::2])
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def boxes_seen(objects: Objects, size: Size, view: View) -> Truth:
    """Those whose middle is seen, cut to what is seen; of what is ignored, all that is seen."""
    boxes, ignored = shares(objects.boxes, size), unjudged(objects)
    x, y = view.inside(boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]])  # the four corners
    around = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1).astype(np.float32)
    middle = (around[:, :2] + around[:, 2:]) / 2
    cut = around.clip(0, 1)
    kept = (((middle > 0) & (middle < 1)).all(1) | ignored) & (area(cut) > 0)
    kinds = objects.kinds.astype(np.int64)
    crowds = filled(objects.crowds, len(objects))
    return {
        "boxes": cut[kept], "kinds": kinds[kept], "ignored": ignored[kept], "crowds": crowds[kept],
    }  # fmt: skip


def points_seen(
    points: NDArray[np.float32], size: Size, view: View, mirror: Sequence[int]
) -> NDArray[np.float32]:
    if view.flip:
        points = points[list(mirror)]
    x, y = view.inside(*(points[:, :2].astype(np.float64) / size).T)
    there = (x >= 0) & (x < 1) & (y >= 0) & (y < 1) & (points[:, 2] > 0)
    return np.stack([x, y, points[:, 2]], axis=1).astype(np.float32) * there[:, None]


def mask_seen(mask: NDArray[np.uint8], view: View, image: Image) -> NDArray[np.uint8]:
    """The class at the middle of each of the network's pixels; beyond the picture is void."""
    x, y = (np.arange(image.width) + 0.5) / image.width, (np.arange(image.height) + 0.5)
    x, y = view.outside(x[None], y[:, None] / image.height)
    high, wide = mask.shape
    edged = np.pad(mask, 1, constant_values=VOID)
    columns = np.floor(x * wide).clip(-1, wide).astype(np.intp) + 1
    rows = np.floor(y * high).clip(-1, high).astype(np.intp) + 1
    return np.asarray(edged[rows, columns])
