"""What bytes lose, op by op, against the definition in whole numbers; and biases that mend it."""

from __future__ import annotations

import numpy as np

from spindle.compiler import reference
from spindle.compiler.fold import fold
from spindle.compiler.fuse import fuse
from spindle.compiler.ladder import Rung, answering, climb, swallowed
from spindle.compiler.quantize import quantize
from spindle.compiler.ranges import observe
from spindle.model.graph import Graph
from spindle.model.ops import Add
from spindle.model.weights import Weights
from tests.settled import settled
from tests.test_quantize import network, pictures


def made() -> tuple[Graph, Weights, Graph, Weights]:
    whole = network("classifier")
    graph, exact = fold(whole, settled(whole))
    return graph, exact, *quantize(graph, exact, observe(graph, exact, pictures()))


def test_the_last_rung_is_what_whole_numbers_lose() -> None:
    graph, exact, changed, numbers = made()
    images = pictures(64)  # over four of them rounding is a lot: 1 dB either way
    rungs, same = climb(changed, numbers, exact, images)
    assert all(same[name] is numbers[name] for name in numbers)
    (last,) = [rung for rung in rungs if rung.answers]
    meant = reference.run(graph.until(last.name), exact, images)[last.name]
    fused, moved = fuse(changed, numbers)
    found = reference.run(fused.until(last.name), moved, images)[last.name]
    noise = ((meant - found) ** 2).mean((0, 1, 2)).sum()
    db = 10 * np.log10(meant.var() * meant.shape[3] / noise)
    assert abs(db - last.db) < 0.5
    assert abs(answering(rungs) - last.db) < 1e-6


def test_biases_move_to_where_sums_are_right_on_average() -> None:
    graph, exact, changed, numbers = made()
    images = pictures(8)
    name = "block02_project"
    off = numbers | {f"{name}.bias": numbers[f"{name}.bias"] + np.float32(0.4)}
    _, mended = climb(changed, off, exact, images, 4)
    _, meant = climb(changed, numbers, exact, images, 4)
    assert np.allclose(mended[f"{name}.bias"], meant[f"{name}.bias"], atol=1e-3)
    before, _ = climb(changed, off, exact, images, 4, correct=False)
    after, _ = climb(changed, off, exact, images, 4)
    (low,), (high,) = ([r.db for r in rungs if r.name == name] for rungs in (before, after))
    assert high > low + 6


def test_every_shortcut_is_traced_to_its_convolution() -> None:
    graph, exact, *_ = made()
    fused, _ = fuse(graph, exact)
    makers = swallowed(graph, fused)
    assert len(makers) == sum(isinstance(op, Add) for op in graph.ops) > 0
    assert all(maker == name.replace("_add", "_project") for name, maker in makers.items())


def test_decibels_of_answers_add_up_as_noise_does() -> None:
    rungs = [Rung("a", 20, 40, True), Rung("b", 20, 40, True), Rung("c", 3, 40, False)]
    assert abs(answering(rungs) - 20) < 1e-9
    assert answering([]) == 99
