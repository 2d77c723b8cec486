"""The C of the answers means what the numpy of the answers means."""

from __future__ import annotations

import shutil
from ctypes import CDLL
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.model.answers import Normalize, Softmax
from spindle.model.ops import Tensor
from tests.compiled import ELSEWHERE, HERE, WAYS, builds_elsewhere, library, pointer, proven

CODE = """#include "kernels/answers.h"
void exponentials(const float *x, float *y, int count)
{
    for (int i = 0; i + LANES <= count; i += LANES)
        store(y + i, exponential(load(x + i)));
}
void sigmoids(const float *x, float *y, int count)
{
    for (int i = 0; i + LANES <= count; i += LANES)
        store(y + i, sigmoid(load(x + i)));
}
void soft(const float *x, float *y, int channels) { softmax(x, y, channels); }
void unit(const float *x, float *y, int channels) { normalize(x, y, channels); }
int largest(const float *x, int channels) { return arg_max(x, channels); }
void points(const float *heat, int height, int width, int channels, int pitch, float *found)
{
    peaks(heat, height, width, channels, pitch, found);
}
"""
Floats = NDArray[np.float32]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}{way[1][-1]}")
def c(request: Any) -> CDLL:
    return library(CODE, request.param)


def some(seed: int, *shape: int, spread: float = 3.0, ties: bool = False) -> Floats:
    x = np.random.default_rng(seed).normal(size=shape) * spread
    return (np.round(x) if ties else x).astype(np.float32)


def through(call: Any, x: Floats) -> Floats:
    y = np.full_like(x, np.nan)
    call(pointer(x), pointer(y), x.size)
    return y


def units(got: Floats, judge: NDArray[np.float64]) -> float:
    """The largest error, in units of the last place."""
    return float((np.abs(got - judge) / np.spacing(judge.astype(np.float32))).max())


def test_the_exponential_is_right_everywhere(c: CDLL) -> None:
    x = np.linspace(-103, 88.7, 1 << 18, dtype=np.float32)
    judge = np.exp(x.astype(np.float64))
    with np.errstate(over="ignore"):
        assert units(through(c.exponentials, x), judge) < 2
    near = np.linspace(-0.5, 0.5, 1 << 16, dtype=np.float32)
    assert units(through(c.exponentials, near), np.exp(near.astype(np.float64))) < 1.5


def test_the_exponential_knows_its_ends(c: CDLL) -> None:
    x = np.array([-np.inf, -1e30, -200, -104, 0, 89, 1e30, np.inf, np.nan, -0.0] + [0] * 6)
    x = x.astype(np.float32)
    got = through(c.exponentials, x)
    assert np.array_equal(got[:4], [0, 0, 0, 0]) and np.isposinf(got[5:8]).all()
    assert got[4] == got[9] == 1 and np.isnan(got[8])


def test_the_sigmoid_is_numpys(c: CDLL) -> None:
    x = np.linspace(-90, 90, 1 << 16, dtype=np.float32)
    judge = 1 / (1 + np.exp(-np.clip(x, -80, 80).astype(np.float64)))
    got = through(c.sigmoids, x)
    assert np.allclose(got, judge, rtol=1e-6, atol=0)
    assert np.isnan(through(c.sigmoids, np.full(16, np.nan, np.float32))).all()


@given(st.integers(1, 70), st.integers(0, 10**6), st.sampled_from([0.1, 3, 60]))
def test_softmax_and_unit_length_are_the_references(
    c: CDLL, channels: int, seed: int, spread: float
) -> None:
    x, given_tensor = some(seed, 1, 1, 1, channels, spread=spread), Tensor("x", (1, 1, channels))
    for call, op in (
        (c.soft, Softmax("y", (given_tensor,))),
        (c.unit, Normalize("y", (given_tensor,))),
    ):
        judge = reference.step(op, [x.astype(np.float64)], {})
        assert np.allclose(through(call, x), judge, rtol=2e-6, atol=1e-12)
        inplace = x.copy()
        call(pointer(inplace), pointer(inplace), channels)
        assert np.array_equal(inplace, through(call, x))


def test_softmax_of_what_is_no_number_is_none(c: CDLL) -> None:
    for bad in (np.nan, np.inf):
        x = np.array([0, bad] + [1] * 9, np.float32)
        assert np.isnan(through(c.soft, x)).all()
    x = np.array([-np.inf, 2, 2], np.float32)
    assert np.array_equal(through(c.soft, x), [0, 0.5, 0.5])
    assert np.array_equal(through(c.unit, np.zeros(5, np.float32)), np.zeros(5))


@given(st.integers(1, 70), st.integers(0, 10**6), st.booleans())
def test_the_first_of_the_largest_is_found(c: CDLL, channels: int, seed: int, ties: bool) -> None:
    x = some(seed, channels, spread=1, ties=ties)
    assert c.largest(pointer(x), channels) == x.argmax()


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.sampled_from([0, 1, 8, 16]),
    st.integers(0, 10**6), st.booleans(),
)  # fmt: skip
def test_peaks_are_the_references_to_the_bit(
    c: CDLL, height: int, width: int, channels: int, spare: int, seed: int, ties: bool
) -> None:
    heat = some(seed, height, width, channels + spare, spread=1, ties=ties)
    found = np.empty((channels, 3), np.float32)
    c.points(pointer(heat), height, width, channels, channels + spare, pointer(found))
    judge = reference.peaks(heat[None, ..., :channels])[0, :, 0]
    assert np.array_equal(found, judge)


WALK = """
#include <stdlib.h>
int main(void)
{
    for (int channels = 1; channels < 40; channels++) {
        const size_t size = sizeof(float) * (size_t)channels;
        float *x = malloc(size), *y = malloc(size), *heat = malloc(size * 12);
        float *found = malloc(3 * size);
        for (int i = 0; i < channels * 12; i++)
            heat[i] = (float)((i * 37) % 11);
        for (int i = 0; i < channels; i++)
            x[i] = heat[i];
        softmax(x, y, channels);
        normalize(x, y, channels);
        peaks(heat, 3, 4, channels, channels, found);
        if (arg_max(x, channels) >= channels)
            return 1;
        x[0] = __builtin_nanf("");
        softmax(x, y, channels);
        if (y[0] == y[0])
            return 2;
        free(x), free(y), free(heat), free(found);
    }
    return 0;
}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="the sanitizers are gcc's")
@pytest.mark.parametrize("flag", ["-march=native", "-DSPINDLE_PLAIN"])
def test_nothing_beyond_an_array_is_touched(flag: str) -> None:
    proven(CODE + WALK, flag)


@pytest.mark.skipif("ziglang" not in HERE, reason="ziglang builds for every machine")
@pytest.mark.parametrize("machine", ELSEWHERE)
def test_it_builds_for_other_machines(machine: str) -> None:
    builds_elsewhere(CODE, machine)
