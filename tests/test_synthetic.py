"""Drawn scenes are what they say: the same for a seed, every shape in its box and in the mask."""

from __future__ import annotations

import numpy as np
import pytest

from spindle.data.synthetic import KINDS, scene


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
