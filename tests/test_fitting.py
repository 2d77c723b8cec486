"""A picture of any size becomes what Pillow makes of it, to the bit: in numpy, and in C."""

from __future__ import annotations

import ctypes
import shutil
from ctypes import CDLL
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import __version__ as version

from spindle.compiler.fitting import Pixels, fill, fitted, initializer
from spindle.data.preprocess import prepare
from spindle.model.ops import Image
from tests.compiled import (
    ELSEWHERE,
    HERE,
    WAYS,
    builds_elsewhere,
    library,
    pointer,
    proven,
    scratch,
)

CODE = """#include "kernels/picture.h"
size_t room(const struct fit *how, int width, int height)
{
    return fit_scratch(how, width, height);
}
int part(const struct fit *how, const uint8_t *rgb, int width, int height, uint8_t *out,
         void *scratch, int start, int end)
{
    return fit_part(how, rgb, width, height, out, scratch, start, end);
}
int all_of_it(const struct fit *how, const uint8_t *rgb, int width, int height, uint8_t *out,
              void *scratch)
{
    return fit_picture(how, rgb, width, height, out, scratch);
}
"""
FITS = ("stretch", "crop", "pad")
PILLOW_13 = pytest.mark.skipif(
    int(version.split(".")[0]) < 13, reason="Pillow once took the columns first, always"
)


class Fit(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_int), ("height", ctypes.c_int), ("fit", ctypes.c_int),
        ("fraction", ctypes.c_double), ("bicubic", ctypes.c_int), ("fill", ctypes.c_uint8 * 3),
    ]  # fmt: skip


def how(image: Image) -> Any:
    cubic = image.resample == "bicubic"
    kind, colour = FITS.index(image.fit), (ctypes.c_uint8 * 3)(*fill(image))
    return ctypes.byref(Fit(image.width, image.height, kind, image.fraction, cubic, colour))


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}{way[1][-1]}")
def c(request: Any) -> CDLL:
    built = library(CODE, request.param)
    built.room.restype = ctypes.c_size_t
    return built


def in_c(c: CDLL, pixels: Pixels, image: Image, parts: int = 1) -> Pixels:
    out = np.full((image.height, image.width, 3), 77, np.uint8)
    wide, high = pixels.shape[1], pixels.shape[0]
    room = scratch(c.room(how(image), wide, high))
    cuts = [image.height * n // parts for n in range(parts + 1)]
    for start, end in zip(cuts, cuts[1:], strict=False):
        args = how(image), pointer(pixels), wide, high, pointer(out), pointer(room)
        assert (c.part(*args, start, end) if parts > 1 else c.all_of_it(*args)) == 0
    return out


SIDE = st.one_of(st.integers(1, 12), st.integers(1, 300))
IMAGES = st.builds(
    Image, st.just("image"), st.just(()), st.integers(1, 90), st.integers(1, 90),
    mean=st.sampled_from([(127.5, 127.5, 126.5), (-4.0, 300.0, 0.0)]), fit=st.sampled_from(FITS),
    fraction=st.sampled_from([1.0, 0.875]) | st.floats(0.01, 1),
    resample=st.sampled_from(["bilinear", "bicubic"]),
)  # fmt: skip


def picture(seed: int, high: int, wide: int, harsh: bool) -> Pixels:
    """Noise; harsh is black and white, where a cubic overshoots."""
    pixels = np.random.default_rng(seed).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    return np.asarray((pixels > 127) * 255, np.uint8) if harsh else pixels


@PILLOW_13
@given(st.integers(0, 10**6), SIDE, SIDE, st.booleans(), IMAGES)
def test_numpy_gives_pillows_bytes(
    seed: int, high: int, wide: int, harsh: bool, image: Image
) -> None:
    pixels = picture(seed, high, wide, harsh)
    judge = prepare(Pillow.fromarray(pixels), image)[0]
    assert np.array_equal(fitted(pixels, image), judge)


@given(st.integers(0, 10**6), SIDE, SIDE, st.booleans(), IMAGES, st.integers(1, 4))
def test_c_gives_numpys_bytes(
    c: CDLL, seed: int, high: int, wide: int, harsh: bool, image: Image, parts: int
) -> None:
    pixels = picture(seed, high, wide, harsh)
    assert np.array_equal(in_c(c, pixels, image, parts), fitted(pixels, image))


@PILLOW_13
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("resample", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(480, 640), (640, 480), (224, 224), (1, 3000), (3000, 1)])
def test_common_sizes_are_pillows_too(fit: Any, resample: Any, size: tuple[int, int]) -> None:
    image = Image("image", (), 224, 224, fit=fit, resample=resample)
    pixels = picture(0, *size, harsh=False)
    judge = prepare(Pillow.fromarray(pixels), image)[0]
    assert np.array_equal(in_c(library(CODE), pixels, image), judge)


def test_what_is_no_picture_is_refused(c: CDLL) -> None:
    image, pixels = Image("image", (), 8, 8), picture(0, 4, 4, False)
    for size in ((0, 4), (4, 0), (-1, 4), (4, -(1 << 31)), (1 << 20, 4), (4, 1 << 20)):
        assert c.room(how(image), *size) == 0
        assert c.all_of_it(how(image), pointer(pixels), *size, None, None) != 0
    for wrong in (Fit(0, 8, 0, 1), Fit(8, 1 << 20, 0, 1), Fit(8, 8, 3, 1), Fit(8, 8, 1, 0)):
        assert c.room(ctypes.byref(wrong), 4, 4) == 0
    nan = Fit(8, 8, 1, float("nan"))
    assert c.room(ctypes.byref(nan), 4, 4) == 0
    assert 0 < c.room(how(image), 65535, 65535) < 4 << 20


def test_the_initializer_says_what_the_image_does() -> None:
    image = Image(
        "image", (), 20, 30, (1.0, 2.0, 3.0), fit="crop", fraction=0.3, resample="bicubic"
    )
    code = f"""#include "kernels/picture.h"
const struct fit how = {initializer(image)};
"""
    said = Fit.in_dll(library(code), "how")
    assert (said.width, said.height, said.fit, said.fraction) == (30, 20, 1, 0.3)
    assert said.bicubic == 1 and list(said.fill) == [1, 2, 3]


WALK = """
#include <stdlib.h>
static int tried(int width, int height, int w, int h, int fit, int bicubic)
{
    const struct fit how = {w, h, fit, 0.7, bicubic, {1, 2, 3}};
    const size_t room = fit_scratch(&how, width, height);
    uint8_t *rgb = calloc(3, (size_t)(width * height)), *out = malloc(3 * (size_t)(w * h));
    void *memory = aligned_alloc(64, room);
    const int wrong = fit_picture(&how, rgb, width, height, out, memory) || room % 64;
    free(rgb), free(out), free(memory);
    return wrong;
}
int main(void)
{
    const int size[] = {1, 2, 3, 16, 33, 100};
    for (int i = 0; i < 6 * 6 * 6 * 6 * 6; i++)
        if (tried(size[i % 6], size[i / 6 % 6], size[i / 36 % 6], size[i / 216 % 6], i / 1296 % 3,
                  i / 1296 / 3))
            return 1;
    return tried(65535, 1, 3, 3, 0, 1) || tried(1, 65535, 2, 1, 0, 0) ||
           tried(2, 1, 1, 65535, 0, 1);
}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="the sanitizers are gcc's")
@pytest.mark.parametrize("flag", ["-march=native", "-DSPINDLE_PLAIN"])
def test_nothing_beyond_a_picture_is_touched(flag: str) -> None:
    proven(CODE + WALK, flag)


@pytest.mark.skipif("ziglang" not in HERE, reason="ziglang builds for every machine")
@pytest.mark.parametrize("machine", ELSEWHERE)
def test_it_builds_for_other_machines(machine: str) -> None:
    builds_elsewhere(CODE, machine)
