"""The last layer alone: its features are the numpy reading's, its fit is where calculus says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.model.family import mobilenet_v2
from spindle.model.graph import PAPER, TORCH, Family, Graph
from spindle.model.weights import Weights
from spindle.training import frozen
from tests.scramble import scrambled

FOLDED = Family("same", None)


def pixels(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (40, 33, 3), np.uint8)


def classifier(family: Family) -> tuple[Graph, Weights]:
    graph = mobilenet_v2(0.35, (40, 33), classes=4, family=family)
    return graph, scrambled(graph)


@pytest.mark.parametrize("family", [PAPER, TORCH, FOLDED])
def test_features_are_what_the_numpy_reading_says(family: Family) -> None:
    graph, weights = classifier(family)
    seen: list[int] = []
    ask = frozen.by_torch(*frozen.trunk(graph, weights))
    rows = frozen.features(ask, graph.image, range(70), pixels, mirrored=True, show=seen.append)
    assert rows.shape == (70, 2, 1280) and seen == [64, 70]
    for number in (0, 63, 69):  # in the first batch, at its end, in the last
        picture = pixels(number)
        for view, turned in enumerate((picture, picture[:, ::-1])):
            pool = reference.run(graph.until("pool"), weights, np.ascontiguousarray(turned))["pool"]
            np.testing.assert_allclose(rows[number, view], pool.ravel(), rtol=1e-3, atol=1e-3)


def test_torch_has_its_threads_back_and_a_broken_picture_is_told() -> None:
    graph, weights = classifier(FOLDED)

    def broken(number: int) -> NDArray[np.uint8]:
        raise ValueError(f"picture {number} cannot be read")

    ask, before = frozen.by_torch(*frozen.trunk(graph, weights)), torch.get_num_threads()
    with pytest.raises(ValueError, match="picture 0 cannot be read"):
        frozen.features(ask, graph.image, range(100), broken)
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="no pictures"):
        frozen.features(ask, graph.image, [], pixels)
    detector = mobilenet_v2(0.35, 96, "ssdlite", 3)
    with pytest.raises(ValueError, match="only a classifier"):
        frozen.trunk(detector, scrambled(detector))


def clouds(count: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Three classes that overlap, in features of very different sizes, two views each."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, count)
    middles = np.random.default_rng(7).normal(0, 1, (3, 20))
    views = middles[kinds, None] + rng.normal(0, 1.5, (count, 2, 20))
    return (views * np.linspace(0.1, 3, 20) + 5).astype(np.float32), kinds


def test_the_fit_is_where_the_gradient_vanishes() -> None:
    rows, kinds = clouds(200)
    x, truth = torch.from_numpy(rows[:, 0]), torch.from_numpy(kinds)
    for penalty in (1e-1, 1e-3):
        theta = frozen.descend(torch.zeros(3, 21), x, truth, penalty).double().numpy()
        logits = x.double().numpy() @ theta[:, :-1].T + theta[:, -1]
        chances = np.exp(logits - logits.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        wrong = chances - np.eye(3)[kinds]
        gradient = wrong.T @ x.double().numpy() / len(x) + penalty * theta[:, :-1]
        assert np.abs(gradient).max() < 2e-3 and np.abs(wrong.mean(0)).max() < 1e-3


def test_a_classifier_is_nearly_as_good_as_can_be_and_the_same_each_time() -> None:
    rows, kinds = clouds(300)
    weight, bias = frozen.fit_classifier(rows, kinds, 3)
    unseen, truth = clouds(2000, seed=1)
    right = np.mean((unseen[:, 0] @ weight.T + bias).argmax(1) == truth)
    sizes = np.linspace(0.1, 3, 20)
    middles = np.random.default_rng(7).normal(0, 1, (3, 20))
    far = (((unseen[:, 0] - 5) / sizes)[:, None] - middles) ** 2
    best = np.mean(far.sum(2).argmin(1) == truth)  # Bayes' own rule for these clouds
    assert right > best - 0.04
    again = frozen.fit_classifier(rows, kinds, 3)
    assert np.array_equal(weight, again[0]) and np.array_equal(bias, again[1])


def test_noise_is_met_with_a_strong_penalty() -> None:
    rng = np.random.default_rng(0)
    rows, kinds = rng.normal(0, 1, (100, 1, 50)).astype(np.float32), rng.integers(0, 2, 100)
    weight, _, surprise = frozen.fitted(rows, kinds, 2)
    assert np.abs(weight).max() < 0.2 and abs(surprise - np.log(2)) < 0.05


@pytest.mark.parametrize("kinds", [[0], [0, 1], [0, 0, 1], [1, 1, 1]])
def test_a_handful_is_enough(kinds: list[int]) -> None:
    rows = np.random.default_rng(0).normal(0, 1, (len(kinds), 1, 8)).astype(np.float32)
    weight, bias = frozen.fit_classifier(rows, np.array(kinds), 3)
    assert ((rows[:, 0] @ weight.T + bias).argmax(1) == kinds).all()


def test_what_is_held_out_is_of_every_class_its_share() -> None:
    kinds = np.repeat([0, 1, 2], [50, 30, 10])
    folds = frozen.held_out(kinds, seed=3)
    assert np.array_equal(np.sum(folds, axis=0), np.ones(90))
    assert all(np.bincount(kinds[held]).tolist() == [10, 6, 2] for held in folds)
    assert len(frozen.held_out(np.zeros(frozen.FEW + 1, np.int64), 0)) == 1


def test_the_answer_is_the_model_with_another_last_layer() -> None:
    graph, weights = classifier(FOLDED)
    ask = frozen.by_torch(*frozen.trunk(graph, weights))
    rows = frozen.features(ask, graph.image, range(12), pixels)
    weight, bias = frozen.fit_classifier(rows, np.arange(12) % 4, 4)
    taught = frozen.with_last(graph, weights, weight, bias)
    logits = reference.run(graph.until("logits"), taught, pixels(5))["logits"].ravel()
    np.testing.assert_allclose(logits, rows[5, 0] @ weight.T + bias, rtol=1e-3, atol=1e-3)
    changed = {name for name in taught if not np.array_equal(taught[name], weights[name])}
    assert changed == {"logits.weight", "logits.bias"}
