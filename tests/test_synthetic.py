"""Drawn scenes are what they say: the same for a seed, every shape in its box and in the mask."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from spindle.data.creatures import POINTS, identity
from spindle.data.datasets import find
from spindle.data.drawn import draw_data
from spindle.data.preprocess import read_picture
from spindle.data.synthetic import KINDS, company, scene, sighting
from spindle.model.heads import Task


def test_a_seed_is_a_scene() -> None:
    first, again, other = scene(7), scene(7), scene(8)
    assert np.array_equal(first.picture, again.picture) and first.shapes == again.shapes
    assert not np.array_equal(first.picture, other.picture)


@pytest.mark.parametrize("size", [(96, 96), (64, 200), (200, 64), (16, 16)])
def test_every_shape_stands_inside_the_picture(size: tuple[int, int]) -> None:
    for seed in range(40):
        drawn = scene(seed, *size)
        assert drawn.picture.shape == (*size, 3) and drawn.picture.dtype == np.uint8
        assert drawn.mask.shape == size and 1 <= len(drawn.shapes) <= 3
        for shape in drawn.shapes:
            assert -1 <= shape.left < shape.right <= size[1] + 1
            assert -1 <= shape.top < shape.bottom <= size[0] + 1


def test_the_mask_of_a_lone_shape_fills_its_box_and_no_more() -> None:
    for seed in range(40):
        drawn = scene(seed, most=1)
        (shape,) = drawn.shapes
        rows, columns = np.nonzero(drawn.mask)
        assert set(np.unique(drawn.mask)) == {0, 1 + shape.kind}
        found = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        said = shape.left, shape.top, shape.right, shape.bottom
        assert np.abs(np.subtract(found, said)).max() <= 1.5


def test_every_kind_and_every_number_of_shapes_comes_up() -> None:
    scenes = [scene(seed, 48, 48) for seed in range(60)]
    assert {shape.kind for drawn in scenes for shape in drawn.shapes} == set(range(len(KINDS)))
    assert {len(drawn.shapes) for drawn in scenes} == {1, 2, 3}


def test_no_colour_tells_a_kind() -> None:
    """The mean colour inside the shapes of a kind is that of any other."""
    sums: dict[int, list[float]] = {kind: [] for kind in range(len(KINDS))}
    for seed in range(300):
        drawn = scene(seed, 32, 32, most=1)
        inside = drawn.picture[drawn.mask > 0]
        sums[drawn.shapes[0].kind].append(float(inside.mean()))
    means = [np.mean(values) for values in sums.values()]
    assert max(means) - min(means) < 25


def test_shapes_can_be_seen() -> None:
    for seed in range(40):
        drawn = scene(seed, most=1)
        inside, outside = drawn.picture[drawn.mask > 0], drawn.picture[drawn.mask == 0]
        assert len(inside) > 0.05 * drawn.mask.size
        assert np.abs(inside.mean(0) - outside.mean(0)).max() > 12


def test_scenes_are_drawn_as_ever() -> None:
    """Results that were measured on them stay comparable."""
    pictures = b"".join(scene(seed, 40, 56).picture.tobytes() for seed in range(20))
    assert (
        hashlib.sha256(pictures).hexdigest()
        == "5c41bf524cd62f9b6a229036c9cd17af556be1de9432a64d5de7094cb9e14792"
    )


def test_what_is_hidden_is_counted() -> None:
    shares = []
    for seed in range(60):
        drawn = scene(seed)
        assert drawn.shapes[-1].seen == 1
        assert sum(shape.area for shape in drawn.shapes) == np.count_nonzero(drawn.mask)
        shares += [shape.seen for shape in drawn.shapes]
    assert 0 <= min(shares) < 0.5


@pytest.mark.parametrize("size", [(96, 96), (64, 160), (160, 64), (16, 16)])
def test_creatures_have_their_points_where_they_are(size: tuple[int, int]) -> None:
    seen = np.zeros(3)
    for seed in range(40):
        drawn = company(seed, *size)
        assert drawn.picture.shape == (*size, 3) and drawn.picture.dtype == np.uint8
        assert 1 <= len(drawn.figures) <= 2
        for figure in drawn.figures:
            left, top, right, bottom = figure.box
            assert 0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]
            assert 0.1 < figure.area / ((right - left) * (bottom - top)) < 0.9
            known = figure.points[figure.points[:, 2] > 0]
            assert (known[:, :2] >= (left - 1, top - 1)).all()
            assert (known[:, :2] <= (right + 1, bottom + 1)).all()
            seen += np.bincount(figure.points[:, 2].astype(int), minlength=3)
    assert (seen > 0).all()


def test_left_is_told_by_the_face_and_by_nothing_else() -> None:
    """Who looks at us has its left hand on the right; some look away, and there it is not so."""
    hands = POINTS.index("left hand"), POINTS.index("right hand")
    sides = [
        figure.points[hands[0], 0] > figure.points[hands[1], 0]
        for seed in range(150)
        for figure in company(seed, 64, 64).figures
    ]
    assert 0.75 < np.mean(sides) < 0.95


def test_an_identity_is_itself_and_not_its_twin() -> None:
    looks = [identity(number) for number in range(200)]
    assert len(set(looks)) == 200 and looks == [identity(number) for number in range(200)]
    for one, other in zip(looks[::2], looks[1::2], strict=True):
        worn = [{*look.shirt, *look.legs, look.shoes, look.hair_colour} for look in (one, other)]
        assert worn[0] == worn[1]


def test_no_mean_colour_tells_an_identity() -> None:
    """The nearest by mean colour, seen by another camera, is hardly ever the same creature."""
    people, means = range(40), {}
    for camera in (0, 1):
        seen = [sighting(person, camera, 0, 64, 32) for person in people]
        means[camera] = np.array([picture[16:56, 8:24].mean((0, 1)) for picture in seen])
    apart = np.abs(means[0][:, None] - means[1]).sum(2)
    assert (apart.argmin(1) == np.arange(40)).mean() < 0.35
    assert not np.array_equal(sighting(3, 0, 0), sighting(3, 0, 1))


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "pose", "embed"])
def test_drawn_data_is_found_as_what_it_is(tmp_path: Path, task: Task) -> None:
    steps: list[tuple[int, int]] = []
    draw_data(tmp_path / "one", task, 40, (48, 64), 3, lambda *step: steps.append(step))
    assert steps == [(number, 40) for number in range(1, 41)]
    data = find(tmp_path / "one")
    assert data.task == task and not data.problems
    assert data.splits["train"] and data.splits["val"]
    samples = [sample for own in data.splits.values() for sample in own]
    assert len({sample.picture for sample in samples}) == 40
    assert all(read_picture(sample.picture).size == (64, 48) for sample in samples[:5])
    match task:
        case "classify":
            assert data.labels == KINDS
        case "segment":
            assert data.labels == ("background", *KINDS)
        case "detect":
            assert data.labels == KINDS and any(
                s.objects and s.objects.ignored.any() for s in samples
            )
        case "pose":
            assert data.labels == POINTS
        case "embed":
            people = [{sample.kind for sample in own} for own in data.splits.values()]
            assert not people[0] & people[1]
    draw_data(tmp_path / "two", task, 40, (48, 64), 3)
    draw_data(tmp_path / "three", task, 40, (48, 64), 4)
    files = [
        {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.jpg")}
        for folder in (tmp_path / "one", tmp_path / "two", tmp_path / "three")
    ]
    assert files[0] == files[1] and not {*files[0].values()} & {*files[2].values()}


@pytest.mark.parametrize(("number", "size"), [(9, 64), (10, 15), (10, (64, 8))])
def test_too_few_or_too_small_is_said(tmp_path: Path, number: int, size: int) -> None:
    with pytest.raises(ValueError, match="too few or too small"):
        draw_data(tmp_path / "data", "detect", number, size)
    assert not (tmp_path / "data").exists()
