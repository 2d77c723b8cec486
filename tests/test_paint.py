"""What is drawn is where it was found, can be read, and leaves the picture given as it was."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.data import paint
from spindle.data.labels import KEYPOINTS, LIMBS
from spindle.data.paint import PAPER, colour
from spindle.data.results import Box, Boxes, Classification, Embedding, Mask, Pose, Result

CLASSES = Classification((("a very long label " * 20, 0.7), ("two\nlines", 0.2), ("käse", 0.1)))
POSE = Pose(tuple((name, 10.0 + 3 * i, 20.0, 0.9) for i, name in enumerate(KEYPOINTS)))


def mask_of(width: int, height: int) -> Mask:
    return Mask(np.arange(width * height).reshape(height, width) % 3, ("nothing", "cat", "cat"))


def all_results(width: int, height: int) -> list[Result]:
    boxes = Boxes((
        Box("x" * 300, 0.9, -50, -50, width + 50, height + 50),
        Box("turned", 0.8, width, height, 0, 0),
        Box("a point", 0.7, 0, 0, 0, 0),
    ))  # fmt: skip
    vector = Embedding(np.full(8, 8**-0.5))
    nothing = Mask(np.zeros((height, width), int), ("nothing", "cat"))
    return [CLASSES, boxes, Boxes(()), mask_of(width, height), nothing, POSE, vector]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (320, 240), (2000, 30)])
def test_everything_is_drawn_on_pictures_of_every_shape(size: tuple[int, int], mode: str) -> None:
    for result in all_results(*size):
        picture = Pillow.new(mode, size)
        before = picture.tobytes()
        drawn = result.draw(picture)
        assert drawn.mode == "RGB" and drawn.width >= size[0] and drawn.height >= size[1]
        assert picture.tobytes() == before


def test_a_caption_stands_under_the_picture_and_has_room_to_be_read() -> None:
    picture = Pillow.new("RGB", (20, 10), (1, 2, 3))
    drawn = np.asarray(CLASSES.draw(picture))
    assert (drawn[:10, :20] == (1, 2, 3)).all()
    assert drawn.shape[1] >= 200
    under = drawn[10:]
    assert (under == PAPER).all(-1).mean() > 0.5 and (under < 100).all(-1).any()
    assert (drawn[:, -3:] == PAPER).all()  # no letter is cut off


def test_what_does_not_fit_is_shortened() -> None:
    face = paint.font(1)
    assert paint.shortened("short\n one", 500, face) == "short one"
    long = paint.shortened("long " * 50, 100, face)
    assert long.endswith("...") and 50 < face.getlength(long) <= 100
    assert paint.shortened("none", 0, face) == "..."


def test_a_box_is_drawn_where_it_was_found() -> None:
    result = Boxes((Box("cat", 0.9, 40, 60, 200, 150),))
    drawn = np.asarray(result.draw(Pillow.new("RGB", (320, 240))))
    shade = (drawn == colour(0)).all(-1)
    assert shade[100, 40] and shade[100, 200] and shade[60, 190] and shade[150, 120]
    assert not shade[80:140, 60:180].any()
    rows, columns = np.nonzero(shade)
    assert (columns.min(), columns.max(), rows.max()) == (40, 200, 150)


def test_names_of_boxes_do_not_hide_each_other_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[paint.Place] = []

    class Pen:
        def rectangle(self, place: paint.Place, fill: object = None, **_: object) -> None:
            if fill:
                drawn.append(place)

        def text(self, *_: object) -> None:
            pass

    monkeypatch.setattr("PIL.ImageDraw.Draw", lambda _: Pen())
    close = Boxes(tuple(Box("chair", 0.9, 100 + 5 * i, 100, 180 + 5 * i, 160) for i in range(4)))
    close.draw(Pillow.new("RGB", (320, 240)))
    assert len(drawn) == 4
    assert all(paint.shared(a, b) == 0 for a, b in combinations(drawn, 2))
    for left, top, right, bottom in drawn:
        assert 0 <= left < right <= 320 and 0 <= top < bottom <= 240


def test_a_name_is_readable_on_every_colour() -> None:
    for number in range(80):
        box = Box(f"{number:03}", 0.5, 10, 60, 90, 90)
        others = tuple(Box(f"{i:03}", 0.0, 0, 0, 1, 1) for i in range(number))
        drawn = np.asarray(Boxes((box, *others)).draw(Pillow.new("RGB", (100, 100))))
        light = drawn[48:58, 12:60] @ np.array((0.299, 0.587, 0.114))
        assert light.max() - light.min() > 80


def test_a_mask_colours_its_classes_and_leaves_the_background() -> None:
    pixels = np.zeros((100, 100), int)
    pixels[:50] = 2
    picture = Pillow.new("RGB", (100, 100), (100, 100, 100))
    drawn = np.asarray(Mask(pixels, ("sky", "cat", "dog")).draw(picture)).astype(int)
    assert (drawn[50:100, :100] == 100).all()
    wanted = 0.45 * 100 + 0.55 * np.array(colour(2))
    assert np.abs(drawn[:50, :100] - wanted).max() <= 1
    assert (drawn[100:] == colour(2)).all(-1).any()  # the legend
    assert not (drawn[100:] == colour(1)).all(-1).any()


def test_classes_of_one_name_are_counted_together() -> None:
    assert mask_of(3, 1).shares() == pytest.approx({"cat": 2 / 3, "nothing": 1 / 3})
    assert Mask(np.full((2, 2), 1), ("a", "a")).shares() == {"a": 1}


def test_a_guessed_point_is_a_ring_without_limbs() -> None:
    places = [(20.0 + 15 * i, 40.0 + 100 * (i % 2)) for i in range(len(KEYPOINTS))]
    guess = LIMBS[0][1]
    points = [(name, *place, 0.9) for name, place in zip(KEYPOINTS, places, strict=True)]
    sure = Pose(tuple(points))
    points[guess] = (*points[guess][:3], 0.01)
    pictures = [
        np.asarray(pose.draw(Pillow.new("RGB", (320, 240)))) for pose in (sure, Pose(tuple(points)))
    ]
    x, y = map(int, places[guess])
    assert pictures[0][y, x].tolist() == list(colour(guess))
    assert pictures[1][y, x].tolist() == [0, 0, 0]
    lines = [(picture == paint.ACCENT).all(-1).sum() for picture in pictures]
    assert 0 < lines[1] < lines[0]


def test_neighbouring_classes_have_colours_apart() -> None:
    for first, second in combinations(range(6), 2):
        assert np.abs(np.subtract(colour(first), colour(second))).max() > 60
