"""Marks of known colour are found where the boxes, the mask and the points of a lesson say."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from spindle.data import augment
from spindle.data.augment import Variety, View, around_boxes, choose, lesson, look, random_part
from spindle.data.preprocess import Frame, prepare
from spindle.data.samples import VOID, Objects, Sample
from spindle.model.ops import Image

NETWORK = Image("image", (), 96, 96)
GROUND = 60  # and the mean, beyond the picture, is 128
MIRROR = (1, 0, 2)  # the red point is on the left, the green one on the right
CROPS = {
    "none": Variety(),
    "random": Variety("random", least=0.3),
    "ssd": Variety("ssd", scale=(0.5, 1.0)),
    "scale": Variety("scale", scale=(0.5, 2.0), step=0.25),
    "person": Variety("person", scale=(0.65, 1.35), shift=0.16),
    "shift": Variety("shift", shift=0.08),
}


def marked(wide: int, high: int, rng: np.random.Generator) -> Sample:
    """A red, a green and a blue disc, each somewhere in its own third of a dark picture."""
    picture, mask = Pillow.new("RGB", (wide, high), (GROUND,) * 3), Pillow.new("L", (wide, high))
    cell, boxes = np.array([wide / 3, high]), []
    for number in range(3):
        radius = cell.min() * rng.uniform(0.3, 0.45)
        x, y = rng.uniform(radius, cell - radius) + (number * cell[0], 0)
        disc = (x - radius, y - radius, x + radius, y + radius)
        ImageDraw.Draw(picture).ellipse(disc, tuple(255 * (i == number) for i in range(3)))
        ImageDraw.Draw(mask).ellipse(disc, number + 1)
        rows, columns = np.nonzero(np.asarray(mask) == number + 1)
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    edges = np.array(boxes, np.float32)
    points = np.stack([edges[:, ::2].mean(1), edges[:, 1::2].mean(1), [2, 2, 2]], axis=1)
    return Sample(
        np.asarray(picture),
        "marks",
        objects=Objects(edges, np.arange(3), points=points[None].astype(np.float32)),
        mask=np.asarray(mask),
    )


def light(pixels: NDArray[np.uint8], number: int) -> NDArray[np.float64]:
    """How much of each pixel a disc covers."""
    colours = pixels.astype(np.float64)
    others = np.delete(colours, number, axis=2).max(2)
    return np.asarray((colours[..., number] - others).clip(0) / 255)


def middle(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The centre of what is seen, x and y in pixels."""
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    return np.array([(weight * columns).sum(), (weight * rows).sum()], float) / float(weight.sum())


def told(sample: Sample, image: Image, task: Any, variety: Variety | None, seed: int) -> Any:
    return lesson(sample, image, task, variety, np.random.default_rng(seed), MIRROR)


@settings(max_examples=250)
@given(
    crop=st.sampled_from(sorted(CROPS)),
    given=st.tuples(st.integers(90, 400), st.integers(40, 300)),
    network=st.tuples(st.integers(64, 160), st.integers(64, 160)),
    fit=st.sampled_from(["stretch", "crop", "pad"]),
    turn=st.sampled_from([0.0, 0.0, 40.0]),
    flip=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_marks_are_where_the_truth_says(
    crop: str,
    given: tuple[int, int],
    network: tuple[int, int],
    fit: Any,
    turn: float,
    flip: float,
    seed: int,
) -> None:
    sample = marked(*given, np.random.default_rng(seed))
    image = replace(NETWORK, width=network[0], height=network[1], fit=fit)
    variety = replace(CROPS[crop], turn=turn, flip=flip)
    pixels, found = told(sample, image, "detect", variety, seed)
    again, points = told(sample, image, "pose", variety, seed)
    third, mask = told(sample, image, "segment", variety, seed)
    assert np.array_equal(pixels, again) and np.array_equal(pixels, third)
    assert pixels.shape == (*network[::-1], 3) and pixels.dtype == np.uint8
    # the discs of a small picture are enlarged, and so are its pixels
    view = choose(sample, given, image, variety, np.random.default_rng(seed))
    sides = np.array([view.frame.width, view.frame.height]) * given
    tolerance = max(1.5, *(network / sides))
    order = MIRROR if flip else range(3)
    for number in range(3):
        boxes = found["boxes"][found["kinds"] == number]
        if not len(boxes) or boxes.min() <= 0 or boxes.max() >= 1:
            continue  # none of it, or not all of it, is seen
        seen = light(pixels, number)
        centre = middle(seen)
        x, y, known = points["points"][order[number]]
        assert known == 2
        assert np.abs((x, y) * np.array(network) - centre).max() < tolerance
        assert np.abs(boxes[0].reshape(2, 2).mean(0) * network - centre).max() < tolerance
        if (labelled := mask["mask"] == number + 1).any():
            assert np.abs(middle(labelled.astype(float)) - centre).max() < tolerance
            assert abs(labelled.sum() - seen.sum()) < 0.2 * seen.sum() + 12
        if not turn:
            rows, columns = np.nonzero(seen > 0.25)
            edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            assert np.abs(boxes[0] * (*network, *network) - edges).max() < tolerance + 1


@settings(max_examples=60)
@given(turn=st.sampled_from([0.0, 30.0]), seed=st.integers(0, 10**6))
def test_beyond_the_picture_are_void_and_the_mean(turn: float, seed: int) -> None:
    sample = marked(120, 80, np.random.default_rng(seed))
    variety = Variety("scale", scale=(0.5, 0.5), turn=turn)
    pixels, truth = told(sample, NETWORK, "segment", variety, seed)
    void, dark = truth["mask"] == VOID, np.abs(pixels.astype(int) - GROUND).max(2) < 3
    assert void.any() and dark.any()
    grey = np.abs(pixels.astype(int) - 128).max(2) < 3
    assert (grey != void).mean() < (0.03 if not turn else 0.06)  # they differ along the edge
    assert not (dark & void)[2:-2, 2:-2].sum() > 150


def test_without_variety_it_is_what_prediction_sees() -> None:
    sample = marked(150, 91, np.random.default_rng(0))
    for part in (None, (40.0, 20.0, 90.0, 70.0), (100.0, 50.0, 149.0, 90.0)):
        sample = replace(sample, part=part)
        for fit in ("stretch", "crop", "pad"):
            image = replace(NETWORK, width=72, fit=fit)
            picture, offset = look(sample)
            wanted, frame = prepare(picture, image)
            pixels, truth = told(sample, image, "pose", None, 0)
            assert np.array_equal(pixels, wanted) and pixels.flags.writeable
            assert sample.objects is not None
            given = sample.objects.points[0]
            for (x, y, _), (a, b, seen) in zip(given, truth["points"], strict=True):
                if seen:
                    across, down = frame.outside(a, b)
                    assert x == pytest.approx(offset[0] + across * picture.width, abs=1e-3)
                    assert y == pytest.approx(offset[1] + down * picture.height, abs=1e-3)
            assert truth["points"][:, 2].any()
            if fit != "pad" or part is None:  # there variety shows what prediction pads
                same, _ = told(sample, image, "pose", Variety(), 0)  # out of the whole picture
                assert np.abs(same.astype(int) - pixels).mean() < 2


def test_a_predictor_is_shown_a_person_and_a_little_more() -> None:
    sample = replace(marked(200, 100, np.random.default_rng(0)), part=(80.0, 40.0, 120.0, 60.0))
    picture, offset = look(sample)
    assert picture.size == (50, 26) and offset == (75, 37)  # 20 x 1.25 is 25: 37.5 to 62.5
    assert np.array_equal(np.asarray(picture), np.asarray(sample.picture)[37:63, 75:125])
    picture, offset = look(replace(sample, part=(-5.0, 90.0, 20.0, 130.0)))
    assert picture.size == (24, 15) and offset == (0, 85)
    assert look(replace(sample, part=None))[0].size == (200, 100)


def test_what_is_cut_away_is_not_asked_for() -> None:
    """The middle half of the picture is seen: 50 to 150 of 200, 25 to 75 of 100."""
    boxes = np.array(
        [[60, 30, 80, 60], [40, 40, 58, 60], [45, 40, 65, 60], [0, 0, 60, 100], [0, 0, 40, 100],
         [100, 50, 100, 60], [0, 0, 200, 100]], np.float32,
    )  # fmt: skip
    ignored, crowds = np.zeros(7, bool), np.zeros(7, bool)
    ignored[3], crowds[4] = True, True
    objects = Objects(boxes, np.arange(7), ignored, crowds)
    sample = Sample(np.zeros((100, 200, 3), np.uint8), "a", objects=objects)
    image = replace(NETWORK, width=200, height=100, fit="crop", fraction=0.5)
    for variety in (None, Variety()):
        _, truth = told(sample, image, "detect", variety, 0)
        # its middle is seen; cut off; ignored, a little seen; not seen at all; no area
        assert truth["kinds"].tolist() == [0, 2, 3, 6] and truth["kinds"].dtype == np.int64
        assert truth["ignored"].tolist() == [False, False, True, False]
        wanted = [[0.1, 0.1, 0.3, 0.7], [0, 0.3, 0.15, 0.7], [0, 0, 0.1, 1], [0, 0, 1, 1]]
        assert truth["boxes"] == pytest.approx(np.array(wanted, np.float32), abs=1e-6)
    _, truth = told(replace(sample, objects=None), image, "detect", CROPS["ssd"], 0)
    assert truth["boxes"].shape == (0, 4) and truth["boxes"].dtype == np.float32
    assert truth["ignored"].shape == truth["kinds"].shape == (0,)


def test_points_that_are_not_seen_say_so() -> None:
    points = np.array([[[100, 50, 2], [10, 50, 2], [100, 60, 0]]], np.float32)
    sample = Sample(np.zeros((100, 200, 3), np.uint8), "a", objects=Objects(points=points))
    image = replace(NETWORK, width=200, height=100, fit="crop", fraction=0.5)
    _, truth = told(sample, image, "pose", None, 0)
    assert truth["points"].tolist() == [[0.5, 0.5, 2], [0, 0, 0], [0, 0, 0]]
    rng = np.random.default_rng(0)
    always = Variety(flip=1.0)
    sample = replace(sample, picture=np.arange(200, dtype=np.uint8)[None].repeat(100, 0))
    assert np.diff(lesson(sample, image, "pose", always, rng)[0][0, :, 0].astype(int)).max() <= 1
    assert lesson(sample, image, "pose", always, rng)[0][0, -1, 0] > 100  # no mirror: not flipped
    assert lesson(sample, image, "pose", always, rng, MIRROR)[0][0, -1, 0] < 100


@given(st.integers(0, 10**6), st.integers(20, 400), st.integers(20, 400))
def test_ssd_always_leaves_something_to_find(seed: int, wide: int, high: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.8, (4, 2)) * (wide, high)
    boxes = np.concatenate([corner, corner + rng.uniform(0.05, 0.2, (4, 2)) * (wide, high)], 1)
    objects = Objects(boxes.astype(np.float32), np.arange(4))
    sample = Sample(np.zeros((high, wide, 3), np.uint8), "a", objects=objects)
    _, truth = told(sample, NETWORK, "detect", CROPS["ssd"], seed)
    assert len(truth["boxes"]) >= 1


@pytest.mark.parametrize("least", [0.3, 0.7])
def test_an_ssd_crop_shares_with_a_box_what_it_must(
    monkeypatch: pytest.MonkeyPatch, least: float
) -> None:
    monkeypatch.setattr(augment, "OVERLAPS", (least,))
    box, cut = (0.1, 0.2, 0.8, 0.9), 0
    for seed in range(200):
        looks = Variety("ssd", scale=(0.5, 1.0))
        frame = around_boxes(np.array([box]), (300, 200), looks, np.random.default_rng(seed))
        if frame.left <= 0 and frame.top <= 0 and frame.right >= 1 and frame.bottom >= 1:
            continue  # all of the picture, and ground around it
        cut += 1
        across = min(frame.right, 0.8) - max(frame.left, 0.1)
        down = min(frame.bottom, 0.9) - max(frame.top, 0.2)
        union = frame.width * frame.height + 0.49 - across * down
        assert across * down / union >= least - 1e-6
    assert cut > 20


@given(
    st.tuples(st.floats(1, 2000), st.floats(1, 2000)),
    st.floats(0.3, 3),
    st.floats(0.05, 1),
    st.integers(0, 10**6),
)
def test_a_random_part_is_of_the_size_and_form_asked(
    extent: tuple[float, float], aspect: float, least: float, seed: int
) -> None:
    frame = random_part(extent, aspect, least, np.random.default_rng(seed))
    assert min(frame.left, frame.top) >= -1e-9 and max(frame.right, frame.bottom) <= 1 + 1e-9
    ratio = frame.width * extent[0] / (frame.height * extent[1]) / aspect
    assert 3 / 4 - 1e-6 <= ratio <= 4 / 3 + 1e-6
    fits = frame.width * frame.height >= least - 1e-9
    assert fits or max(frame.width, frame.height) == pytest.approx(1)  # as much as there is


def test_the_middle_of_a_person_moves_no_further_than_asked() -> None:
    objects = Objects(points=np.array([[[60, 50, 2]]], np.float32))
    pixels = np.zeros((100, 200, 3), np.uint8)
    sample = Sample(pixels, "a", objects=objects, part=(40.0, 20.0, 80.0, 80.0))
    variety = replace(CROPS["person"], scale=(1.0, 1.0), turn=40.0)
    image = replace(NETWORK, height=128)
    places = np.array(
        [told(sample, image, "pose", variety, seed)[1]["points"][0] for seed in range(200)]
    )
    far = np.abs(places[:, :2] * (96, 128) - (48, 64)).max(0) / 96
    # turned about the middle of what is seen: a corner of the square it moves in comes furthest
    assert (far < 0.16 * 2**0.5).all() and (far > 0.13).all()


def test_scales_go_in_steps() -> None:
    sample = Sample(np.zeros((90, 90, 3), np.uint8), "a")
    sides = {
        round(1 / choose(sample, (90, 90), NETWORK, CROPS["scale"], rng).frame.width, 6)
        for rng in map(np.random.default_rng, range(100))
    }
    assert sorted(sides) == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]


def test_a_turn_is_clockwise_and_leaves_the_networks_pixels_square() -> None:
    view = View(Frame(), turn=np.pi / 2, aspect=2.0)
    x, y = view.inside(np.array([0.5, 0.75]), np.array([0.25, 0.5]))
    assert x == pytest.approx([0.625, 0.5]) and y == pytest.approx([0.5, 1.0])
    back = view.outside(x, y)
    assert back[0] == pytest.approx([0.5, 0.75]) and back[1] == pytest.approx([0.25, 0.5])


@pytest.mark.parametrize("crop", CROPS)
def test_the_seed_decides(crop: str) -> None:
    sample = marked(300, 100, np.random.default_rng(0))
    variety = replace(CROPS[crop], turn=10.0, flip=0.5)
    first, again, other = (told(sample, NETWORK, "detect", variety, seed) for seed in (3, 3, 4))
    assert np.array_equal(first[0], again[0]) and not np.array_equal(first[0], other[0])
    assert np.array_equal(first[1]["boxes"], again[1]["boxes"])


@pytest.mark.parametrize("held", range(1, 9))
def test_a_large_photograph_held_any_way_fits_its_truth(held: int) -> None:
    """It is decoded at an eighth, whose last row and column reach beyond it."""
    turns: Any = [
        None, None, "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_90",
        "TRANSVERSE", "ROTATE_270",
    ]  # fmt: skip
    sample = marked(1217, 803, np.random.default_rng(held))
    picture, exif = Pillow.fromarray(np.asarray(sample.picture)), Pillow.Exif()
    exif[0x112] = held
    file = BytesIO()
    stored = picture.transpose(Pillow.Transpose[turns[held]]) if turns[held] else picture
    stored.save(file, "jpeg", exif=exif, quality=95, subsampling=0)
    sample = replace(sample, picture=file.getvalue())
    for variety in (Variety(), replace(CROPS["shift"], turn=20.0)):
        pixels, truth = told(sample, NETWORK, "pose", variety, held)
        for number, (x, y, seen) in enumerate(truth["points"]):
            if seen and min(x, y) > 0.15 and max(x, y) < 0.85:
                assert np.abs((x * 96, y * 96) - middle(light(pixels, number))).max() < 0.3


def test_classes_and_identities_are_their_number() -> None:
    sample = Sample(np.zeros((30, 20, 3), np.uint8), "a", kind=7)
    for task in ("classify", "embed"):
        _, truth = told(sample, NETWORK, task, CROPS["shift"], 0)
        assert truth["kind"] == 7 and truth["kind"].dtype == np.int64 and not truth["kind"].shape
    with pytest.raises(ValueError, match="no lesson is known for the task 'guess'"):
        told(sample, NETWORK, "guess", None, 0)
