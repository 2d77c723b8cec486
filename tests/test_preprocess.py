"""Any picture becomes upright RGB, and every place a network sees is a place in the picture."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from spindle.data.preprocess import Frame, open_picture, prepare, read_picture, show
from spindle.model.ops import Image

GREY = Image("image", (), 64, 64)
CORNERS = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]]


def quarters(height: int = 40, width: int = 60) -> Pillow.Image:
    """Red and green above, blue and white below."""
    small = np.array(CORNERS, np.uint8)
    return Pillow.fromarray(small.repeat(height // 2, 0).repeat(width // 2, 1))


def encoded(picture: Pillow.Image, kind: str = "png", **settings: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def shows_quarters(picture: Pillow.Image) -> bool:
    """Whether the middle of each quarter has its colour, near enough for a JPEG."""
    assert picture.mode == "RGB"
    high, wide = picture.height, picture.width
    found = np.asarray(picture)[
        [[high // 4] * 2, [high * 3 // 4] * 2], [[wide // 4, wide * 3 // 4]]
    ]
    return bool(np.abs(found.astype(int) - np.array(CORNERS)).max() < 40)


TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT, 3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM, 5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_90, 7: Pillow.Transpose.TRANSVERSE, 8: Pillow.Transpose.ROTATE_270,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("turn", TURNS)
def test_a_camera_held_any_way_gives_an_upright_picture(kind: str, turn: int) -> None:
    exif = Pillow.Exif()
    exif[0x112] = turn
    picture = read_picture(encoded(quarters().transpose(TURNS[turn]), kind, exif=exif))
    assert picture.size == (60, 40)
    assert shows_quarters(picture)
    assert shows_quarters(read_picture(picture))  # and is not turned again


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "jpeg"), ("CMYK", "jpeg"), ("CMYK", "tiff"), ("YCbCr", "jpeg"), ("RGBA", "png"),
        ("RGBA", "webp"), ("P", "png"), ("P", "gif"), ("P", "bmp"), ("RGB", "ppm"), ("HSV", "tiff"),
    ],
)  # fmt: skip
def test_every_way_of_writing_colours_is_read(mode: str, kind: str) -> None:
    if mode == "HSV":
        assert shows_quarters(read_picture(quarters().convert("HSV")))
    else:
        assert shows_quarters(read_picture(encoded(quarters().convert(mode), kind)))


def test_a_palette_with_transparency_keeps_its_colours() -> None:
    content = encoded(quarters().convert("P"), transparency=bytes([0, 90, 255]))
    assert shows_quarters(read_picture(content))
    assert shows_quarters(read_picture(Pillow.open(BytesIO(content))))


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_is_grey_in_colour_too(mode: str) -> None:
    ramp = Pillow.fromarray(np.array([[0, 255]] * 2, np.uint8))
    assert np.asarray(read_picture(encoded(ramp.convert(mode))))[0].tolist() == [[0] * 3, [255] * 3]


def test_sixteen_bits_become_eight_in_every_form() -> None:
    deep = np.array([[0, 0x80FF, 0xFFFF]], np.uint16)
    wanted = [[0] * 3, [0x80] * 3, [255] * 3]
    pictures: list[Any] = [
        deep,
        Pillow.fromarray(deep),
        Pillow.fromarray(deep.astype(np.int32)),  # as older Pillows open a PNG
        encoded(Pillow.fromarray(deep)),
        encoded(Pillow.fromarray(deep), "tiff"),
    ]
    for picture in pictures:
        assert np.asarray(read_picture(picture))[0].tolist() == wanted
    shallow = Pillow.fromarray(np.array([[0, 255]], np.int32))
    assert np.asarray(read_picture(shallow))[0].tolist() == [[0] * 3, [255] * 3]


def test_arrays_are_pictures_too() -> None:
    pixels = np.asarray(quarters())
    assert np.array_equal(np.asarray(read_picture(pixels)), pixels)
    assert read_picture(pixels[..., :1]).size == read_picture(pixels[..., 0]).size == (60, 40)
    assert read_picture(np.ones((2, 3), bool)).getpixel((0, 0)) == (255, 255, 255)


BAD: list[Any] = [
    b"", b"not a picture", b"\xff\xd8\xff", encoded(quarters())[:80],
    encoded(quarters(), "jpeg")[:300],
    np.zeros((3, 20, 20), np.uint8), np.zeros((2, 2, 3)), np.zeros(5, np.uint8), None, 3,
    np.zeros((0, 3, 3), np.uint8), Pillow.new("RGB", (0, 5)), "absent.jpg", ".", "\0",
]  # fmt: skip


@pytest.mark.parametrize("source", BAD, ids=range(len(BAD)))
def test_what_is_no_picture_is_refused_in_a_sentence(source: Any) -> None:
    with pytest.raises(ValueError) as caught:
        read_picture(source)
    name = source if isinstance(source, str) else "this picture"
    assert str(caught.value).startswith(f"{name} ") and "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="exceeds limit"):
        read_picture(bomb)


SEEDS = [
    encoded(quarters(), "jpeg"), encoded(quarters()), encoded(quarters(), "gif"),
    encoded(quarters(), "bmp"), encoded(quarters(), "webp"), encoded(quarters().convert("P")),
    encoded(quarters(), "dds"), encoded(quarters(), "tga"), encoded(quarters(), "ico"),
]  # fmt: skip


@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 60),
)
def test_a_spoilt_file_is_a_picture_or_a_sentence(
    seed: bytes, changes: list[tuple[int, int]], lost: int
) -> None:
    content = bytearray(seed[: len(seed) - lost])
    for place, value in changes:
        content[place % len(content)] = value
    try:
        picture = read_picture(bytes(content))
    except ValueError as error:
        assert str(error).startswith("this picture ")
    else:
        assert picture.mode == "RGB" and all(picture.size)


def test_the_file_is_closed_again(tmp_path: Path) -> None:
    """A file left open would warn here, and warnings are errors."""
    moving = [quarters(), quarters().transpose(TURNS[3])]
    moving[0].save(tmp_path / "a.gif", save_all=True, append_images=moving[1:])
    (tmp_path / "b.gif").write_bytes((tmp_path / "a.gif").read_bytes()[:60])
    assert shows_quarters(read_picture(tmp_path / "a.gif"))
    with pytest.raises(ValueError):
        read_picture(tmp_path / "b.gif")


@settings(max_examples=200)
@given(
    fit=st.sampled_from(["stretch", "crop", "pad"]),
    seen=st.tuples(st.integers(48, 200), st.integers(48, 200)),
    given=st.tuples(st.integers(60, 400), st.integers(60, 400)),
    at=st.tuples(st.floats(0.25, 0.75), st.floats(0.25, 0.75)),
    fraction=st.sampled_from([0.875, 1.0]),
)
def test_a_dot_is_found_where_the_frame_says(
    fit: Any,
    seen: tuple[int, int],
    given: tuple[int, int],
    at: tuple[float, float],
    fraction: float,
) -> None:
    """Within a pixel of the coarser of the two grids."""
    high, wide = given
    image = replace(GREY, height=seen[0], width=seen[1], fit=fit, fraction=fraction)
    _, frame = prepare(Pillow.new("RGB", (wide, high)), image)
    # a place that the network sees, and the pixel there
    u, v = min(at[0], 0.9 / frame.right), min(at[1], 0.9 / frame.bottom)
    column, row = (int(s * n) for s, n in zip(frame.outside(u, v), (wide, high), strict=True))
    pixels = np.zeros((high, wide, 3), np.uint8)
    pixels[row, column] = 255
    prepared, _ = prepare(Pillow.fromarray(pixels), replace(image, mean=(0.0,) * 3))
    light = prepared[..., 0].astype(float)
    if not light.any():  # a dot in a large picture may be too faint
        assert light.size < pixels[..., 0].size
        return
    rows, columns = np.mgrid[: seen[0], : seen[1]] + 0.5
    x = float((light * columns).sum() / light.sum() / seen[1])
    y = float((light * rows).sum() / light.sum() / seen[0])
    found = frame.outside(x, y)
    coarse_x = max(1 / wide, (frame.right - frame.left) / seen[1])
    coarse_y = max(1 / high, (frame.bottom - frame.top) / seen[0])
    assert abs(found[0] - (column + 0.5) / wide) <= coarse_x
    assert abs(found[1] - (row + 0.5) / high) <= coarse_y


@given(
    fit=st.sampled_from(["stretch", "crop", "pad"]),
    seen=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    given=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    fraction=st.sampled_from([0.01, 0.875, 1.0]),
)
def test_pictures_of_every_shape_are_prepared(
    fit: Any, seen: tuple[int, int], given: tuple[int, int], fraction: float
) -> None:
    image = replace(GREY, height=seen[0], width=seen[1], fit=fit, fraction=fraction)
    pixels, frame = prepare(Pillow.new("RGB", (given[1], given[0]), (9, 9, 9)), image)
    assert pixels.shape == (*seen, 3) and pixels.dtype == np.uint8
    assert (pixels[0, 0] == 9).all()
    assert frame.right > frame.left >= 0 and frame.bottom > frame.top >= 0


def test_what_each_fit_sees() -> None:
    wide = Pillow.new("RGB", (200, 100), (200, 0, 0))
    assert prepare(wide, GREY)[1] == Frame(0, 0, 1, 1)
    assert prepare(wide, replace(GREY, fit="crop", fraction=1.0))[1] == Frame(0.25, 0, 0.75, 1)
    assert prepare(wide, replace(GREY, fit="crop", fraction=0.5))[1] == Frame(
        0.375, 0.25, 0.625, 0.75
    )
    pixels, frame = prepare(wide, replace(GREY, fit="pad"))
    assert frame == Frame(0, 0, 1, 2)
    assert (pixels[:32] == (200, 0, 0)).all() and (pixels[32:] == 128).all()


def test_an_oblong_network_sees_an_oblong_picture_whole() -> None:
    oblong = replace(GREY, height=40, width=60)
    for fit in ("stretch", "crop", "pad"):
        pixels, frame = prepare(quarters(80, 120), replace(oblong, fit=fit, fraction=1.0))
        assert shows_quarters(Pillow.fromarray(pixels))
        assert frame == Frame(0, 0, 1, 1)


def ramp(wide: int, high: int) -> Pillow.Image:
    """Red grows to the right, green downwards."""
    x, y = (np.arange(side) + 0.5 for side in (wide, high))
    across, down = np.broadcast_arrays(x / wide, y[:, None] / high)
    return Pillow.fromarray((np.stack([across, down, across * 0], 2) * 255).astype(np.uint8))


@settings(max_examples=150)
@given(
    size=st.tuples(st.integers(64, 200), st.integers(64, 200)),
    least=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    held=st.integers(1, 8),
    mode=st.sampled_from(["RGB", "CMYK"]),
)
def test_a_jpeg_decoded_small_shows_the_same(
    size: tuple[int, int], least: tuple[int, int], held: int, mode: str
) -> None:
    exif = Pillow.Exif()
    exif[0x112] = held
    picture = ramp(*size).convert(mode)
    stored = picture.transpose(TURNS[held]) if held in TURNS else picture
    opened = open_picture(encoded(stored, "jpeg", exif=exif, quality=95, subsampling=0))
    assert opened.size == size
    small, frame = opened.read(least)
    assert all(has >= min(asked, full) for has, asked, full in zip(small.size, least, size))
    spare = min(full // asked for full, asked in zip(size, least, strict=True))
    part = min(8, 1 << max(spare, 1).bit_length() - 1)  # of its scale: as small as suffices
    assert small.size == tuple(-(-full // part) for full in size)
    # the ramps are where they were, as far as bytes tell
    image = replace(GREY, height=16, width=16)
    seen = np.asarray(show(small, frame, image)).astype(int)
    middle = np.abs(seen - np.asarray(ramp(16, 16)).astype(int))[2:-2, 2:-2, :2]
    assert middle.max() <= 6


def test_what_is_not_a_jpeg_is_read_whole() -> None:
    for kind in ("png", "webp", "tiff"):
        opened = open_picture(encoded(quarters(80, 120), kind))
        picture, frame = opened.read((3, 3))
        assert picture.size == opened.size == (120, 80) and frame == Frame()
    assert open_picture(np.asarray(quarters())).read((3, 3))[0].size == (60, 40)


def test_a_photograph_with_a_second_in_it_is_decoded_small_too() -> None:
    content = encoded(quarters(400, 600), "mpo", save_all=True, append_images=[quarters(40, 60)])
    picture, frame = open_picture(content).read((70, 50))
    assert picture.size == (75, 50) and frame == Frame() and shows_quarters(picture)


def test_a_jpeg_that_breaks_off_is_refused_at_any_scale(tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(encoded(ramp(300, 200), "jpeg")[:2000])
    opened = open_picture(tmp_path / "half.jpg")
    assert opened.size == (300, 200)
    with pytest.raises(ValueError, match=r"half\.jpg cannot be read: "):
        opened.read((30, 20))


def test_a_picture_given_is_not_the_picture_made() -> None:
    given = quarters()
    made = read_picture(given)
    made.putpixel((0, 0), (1, 2, 3))
    assert given.getpixel((0, 0)) == (255, 0, 0)


SIDE = st.floats(-2, 2)


@given(SIDE, SIDE, st.floats(0.1, 3), st.floats(0.1, 3), SIDE, SIDE)
def test_inside_a_frame_is_the_inverse_of_outside(
    left: float, top: float, wide: float, high: float, x: float, y: float
) -> None:
    frame = Frame(left, top, left + wide, top + high)
    assert frame.inside(*frame.outside(x, y)) == pytest.approx((x, y), abs=1e-9)
    assert frame.outside(0.0, 1.0) == pytest.approx((left, top + high))
    inner = Frame(0.25, -0.5, 0.5, 2.0)
    assert frame.part(inner).outside(x, y) == pytest.approx(frame.outside(*inner.outside(x, y)))


@given(
    st.tuples(st.floats(-1, 0.8), st.floats(-1, 0.8)),
    st.tuples(st.floats(0.3, 2.5), st.floats(0.3, 2.5)),
    st.sampled_from([(50, 30), (300, 200)]),
)
def test_a_frame_beyond_the_picture_shows_the_mean_there(
    corner: tuple[float, float], sides: tuple[float, float], size: tuple[int, int]
) -> None:
    frame = Frame(*corner, corner[0] + sides[0], corner[1] + sides[1])
    seen = np.asarray(show(ramp(*size), frame, replace(GREY, mean=(9.0, 9.0, 200.0)))).astype(float)
    x, y = np.meshgrid(*[(np.arange(64) + 0.5) / 64] * 2)
    x, y = frame.outside(x, y)
    pixel = max(sides) / 64 + 1 / min(size)
    within = np.minimum.reduce([x, y, 1 - x, 1 - y])
    assert (seen[within < -pixel] == (9, 9, 200)).all()
    inner = within > pixel
    wanted = np.stack([x, y, x * 0], axis=2)[inner] * 255
    assert np.abs(seen[inner] - wanted).max(initial=0) <= 2 + 255 / min(size)
