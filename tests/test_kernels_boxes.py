"""The C of detection keeps what the numpy of detection keeps, in the same order."""

from __future__ import annotations

import ctypes
import shutil
from ctypes import CDLL
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spindle.compiler.answers import detect_scratch, initializer
from spindle.model import boxes
from spindle.model.answers import Detect
from spindle.model.family import mobilenet_v2
from spindle.model.ops import Tensor
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

CODE = """#include "kernels/boxes.h"
size_t room(const struct detector *how, int threads) { return detect_scratch(how, threads); }
size_t pitch(const struct detector *how) { return detect_pitch(how); }
void whole(const struct detector *how, const float *anchors, const float *deltas,
           const float *scores, float *found, void *scratch)
{
    detect(how, anchors, deltas, scores, found, scratch);
}
void share(const struct detector *how, const float *anchors, const float *deltas,
           const float *scores, void *scratch, int thread, int threads)
{
    detect_share(how, anchors, deltas, scores, scratch, thread, threads);
}
void thin(const struct detector *how, float *found, void *scratch)
{
    detect_thin(how, found, scratch);
}
"""
Floats = NDArray[np.float32]


class Detector(ctypes.Structure):
    _fields_ = [
        ("anchors", ctypes.c_int), ("classes", ctypes.c_int), ("most", ctypes.c_int),
        ("softmax", ctypes.c_int), ("variances", ctypes.c_float * 4),
        ("threshold", ctypes.c_float), ("overlap", ctypes.c_float),
    ]  # fmt: skip


def how(op: Detect) -> Any:
    anchors, _, classes = op.inputs[1].shape
    variances, softmax = (ctypes.c_float * 4)(*op.variances), op.score == "softmax"
    sizes = anchors, classes, op.most
    return ctypes.byref(Detector(*sizes, softmax, variances, op.threshold, op.overlap))


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}{way[1][-1]}")
def c(request: Any) -> CDLL:
    built = library(CODE, request.param)
    built.room.restype = built.pitch.restype = ctypes.c_size_t
    return built


def detector(rows: int, columns: int, classes: int, **settings: Any) -> Detect:
    pairs = ((0.3, 1.0), (0.5, 2.0), (0.5, 0.5))
    count = rows * columns * len(pairs)
    inputs = Tensor("boxes", (count, 1, 4)), Tensor("classes", (count, 1, classes))
    maps = (Tensor("map", (rows, columns, 8)),)
    return Detect("found", inputs, Tensor("image", (48, 64, 3)), maps, (pairs,), **settings)


DETECTORS = st.builds(
    detector, st.integers(1, 6), st.integers(1, 6), st.integers(2, 12),
    score=st.sampled_from(["sigmoid", "softmax"]), threshold=st.sampled_from([0.0, 1e-8, 0.3]),
    overlap=st.sampled_from([0.0, 0.3, 0.6, 1.0]), most=st.sampled_from([1, 5, 100]),
)  # fmt: skip


def said(op: Detect, seed: int, ties: bool, spread: float = 2.0) -> tuple[Floats, Floats]:
    """What a network may say; with ties, few different scores, well apart."""
    rng = np.random.default_rng(seed)
    anchors, _, classes = op.inputs[1].shape
    deltas, scores = rng.normal(size=(anchors, 4)), rng.normal(size=(anchors, classes)) * spread
    if ties:
        scores = np.round(scores).clip(-8, 6)
    return deltas.astype(np.float32), scores.astype(np.float32)


def found(
    c: CDLL, op: Detect, deltas: Floats, scores: Floats, threads: int = 0
) -> tuple[Floats, NDArray[np.uint8]]:
    out = np.full((op.most, 6), np.nan, np.float32)
    room = scratch(c.room(how(op), max(threads, 1)))
    anchors = boxes.anchors(op)
    told = how(op), pointer(anchors), pointer(deltas), pointer(scores)
    for thread in range(threads):
        c.share(*told, pointer(room), thread, threads)
    if threads:
        c.thin(how(op), pointer(out), pointer(room))
    else:
        c.whole(*told, pointer(out), pointer(room))
    return out, room


@given(DETECTORS, st.integers(0, 10**6))
def test_detections_are_numpys_ties_and_all(c: CDLL, op: Detect, seed: int) -> None:
    op = replace(op, score="sigmoid")
    deltas, scores = said(op, seed, ties=True)
    out, _ = found(c, op, deltas, scores)
    assert np.allclose(out, boxes.detect(op, deltas, scores), rtol=1e-5, atol=1e-6)


@given(DETECTORS, st.integers(0, 10**6), st.booleans(), st.sampled_from([0.1, 2.0, 40.0]))
def test_each_step_is_numpys(c: CDLL, op: Detect, seed: int, ties: bool, spread: float) -> None:
    """Boxes and chances are close; what is kept of just these is the same to the bit."""
    deltas, scores = said(op, seed, ties, spread)
    anchors, _, classes = op.inputs[1].shape
    room = scratch(c.room(how(op), 1))
    kept = boxes.anchors(op)
    c.share(how(op), pointer(kept), pointer(deltas), pointer(scores), pointer(room), 0, 1)
    pitch = c.pitch(how(op))
    planes = room[: 4 * (4 + classes) * pitch].view(np.float32).reshape(-1, pitch)[:, :anchors]
    decoded, chances = planes[:4].T.copy(), planes[5:].T.copy()
    assert np.allclose(decoded, boxes.decode(deltas, kept, op.variances), rtol=1e-5, atol=1e-6)
    judge = boxes.probabilities(scores, op.score)[:, 1:]
    shown = (boxes.area(np.clip(decoded, 0, 1)) > 0)[:, None]
    clear = abs(judge - np.float32(op.threshold)) > 1e-6 * judge
    judge = np.where((judge > op.threshold) & shown, judge, 0)
    assert np.allclose(chances[clear], judge[clear], rtol=3e-6, atol=1e-37)
    out = np.empty((op.most, 6), np.float32)
    c.thin(how(op), pointer(out), pointer(room))
    rows = [
        (*np.clip(decoded[box], 0, 1), chances[box, kind], kind)
        for box, kind in boxes.nms(decoded, chances, op.overlap, op.most)
    ]
    rows += [(0, 0, 0, 0, 0, -1)] * (op.most - len(rows))
    assert np.array_equal(out, np.array(rows, np.float32))


@given(DETECTORS, st.integers(0, 10**6), st.integers(1, 7))
def test_threads_change_nothing(c: CDLL, op: Detect, seed: int, threads: int) -> None:
    deltas, scores = said(op, seed, ties=False)
    alone, together = (found(c, op, deltas, scores, n)[0] for n in (0, threads))
    assert np.array_equal(alone, together)
    assert c.room(how(op), threads) == detect_scratch(op, threads)


def test_a_real_detector_from_its_initializer() -> None:
    op = mobilenet_v2(head="ssdlite", size=320).ops[-1]
    assert isinstance(op, Detect)
    said_so = library(f"{CODE}const struct detector told = {initializer(op)};")
    told = Detector.in_dll(said_so, "told")
    assert bytes(told) == bytes(how(op)._obj)
    said_so.room.restype = ctypes.c_size_t
    for spread in (0.0, 2.0):  # where it is 0, all boxes and scores of an anchor shape are equal
        deltas, scores = said(op, 3, ties=True, spread=spread)
        deltas *= np.float32(spread)
        out, _ = found(said_so, op, deltas, scores)
        assert np.allclose(out, boxes.detect(op, deltas, scores), rtol=1e-5, atol=1e-6)


def test_what_is_no_number_is_nothing(c: CDLL) -> None:
    op = detector(3, 3, 4, score="softmax")
    deltas, scores = said(op, 0, ties=False)
    deltas[0], deltas[1, 2], deltas[2] = np.nan, np.inf, -np.inf
    scores[3], scores[4, 0], scores[5, 1] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        judge = boxes.detect(op, deltas, scores)
    assert np.allclose(found(c, op, deltas, scores)[0], judge, rtol=1e-5, atol=1e-6)


def test_more_anchors_than_c_counts_are_refused() -> None:
    op = replace(
        detector(1, 1, 2), inputs=(Tensor("b", (1 << 25, 1, 4)), Tensor("c", (1 << 25, 1, 2)))
    )
    with pytest.raises(ValueError, match="make the pictures smaller"):
        initializer(op)


WALK = """
#include <stdlib.h>
int main(void)
{
    for (int anchors = 1; anchors < 40; anchors++)
        for (int i = 0; i < 4; i++) {
            const int classes = 2 + i * 3, most = 1 + i;
            const struct detector how = {anchors, classes, most, i % 2, {1, 1, 1, 1}, 0, 0.5f};
            const size_t count = sizeof(float) * (size_t)anchors;
            float *place = malloc(count * 4), *deltas = malloc(count * 4);
            float *scores = malloc(count * (size_t)classes);
            float *found = malloc(sizeof(float) * 6 * (size_t)most);
            for (int n = 0; n < anchors * 4; n++)
                place[n] = 0.5f, deltas[n] = (float)((n * 37) % 11) / 11;
            for (int n = 0; n < anchors * classes; n++)
                scores[n] = (float)((n * 37) % 11);
            deltas[0] = __builtin_nanf("");
            scores[anchors] = __builtin_nanf("");
            void *scratch = malloc(detect_scratch(&how, 1));
            detect(&how, place, deltas, scores, found, scratch);
            free(place), free(deltas), free(scores), free(found), free(scratch);
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
