"""Norms that come back: the function is what it was, and what they count is what numpy counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spindle.compiler import reference
from spindle.model.family import mobilenet_v2
from spindle.model.graph import PAPER, TORCH, Family, Graph
from spindle.model.heads import HEADS
from spindle.model.ops import Conv
from spindle.model.weights import Weights, initial
from spindle.training.adopt import adopt_weights
from spindle.training.network import Network
from spindle.training.norms import estimate, normless, norms, re_estimate
from tests.scramble import scrambled

LAST = {"detect": ("boxes", "classes"), "pose": ("heatmaps",), "embed": ("embedding", "identities")}


def pictures(graph: Graph, count: int, seed: int = 0) -> list[torch.Tensor]:
    height, width, _ = graph.input.shape
    rng = np.random.default_rng(seed)
    sizes = (3,) * (count - 1) + (2,)  # the last batch is smaller
    return [torch.from_numpy(rng.integers(0, 256, (n, 3, height, width), np.uint8)) for n in sizes]


def folded(family: Family, head: str = "classifier", classes: int = 3, size: int = 33) -> Graph:
    graph = mobilenet_v2(0.35, size, head, classes, family=Family(family.padding, None))
    return graph.until(*LAST.get(HEADS[head].task, ("logits",)))


def apart(a: Weights, graph: Graph, b: Weights, normed: Graph) -> float:
    """How far the two are apart on a picture neither has counted, of the largest number."""
    picture = pictures(graph, 1, seed=9)[0][0].permute(1, 2, 0).numpy()
    ours, theirs = reference.run(graph, a, picture), reference.run(normed, b, picture)
    return max(float(np.abs(ours[k] - theirs[k]).max() / np.abs(ours[k]).max()) for k in ours)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", [PAPER, TORCH])
def test_the_function_stays_what_it_was(head: str, family: Family) -> None:
    graph = folded(family, head)
    weights = scrambled(graph)
    normed, made = estimate(graph, weights, pictures(graph, 2))
    assert {name: array.shape for name, array in made.items()} == normed.arrays
    assert apart(weights, graph, made, normed) < 1e-4
    bare = {op.name for op in normed.ops if isinstance(op, Conv) and not op.norm}
    predictors = {"logits", "heatmaps", "identities"}
    assert all(name in predictors or name.endswith("_predict") for name in bare) and bare


@pytest.mark.parametrize("file", ["classifier_imagenet_1.0_224", "ssdlite_voc_1.0_300"])
def test_the_function_of_real_weights_stays(data: Path, file: str) -> None:
    model = adopt_weights(data / "weights" / f"{file}.npz")
    graph = model.graph.until(*LAST.get(model.task, ("logits",))).resized(96, 96)
    normed, made = estimate(graph, model.weights, pictures(graph, 2))
    assert apart(model.weights, graph, made, normed) < 1e-4


@settings(max_examples=10)
@given(st.integers(0, 1000), st.sampled_from([PAPER, TORCH]))
def test_what_is_counted_is_what_numpy_counts(seed: int, family: Family) -> None:
    graph = folded(family)
    weights = scrambled(graph, seed)
    batches = pictures(graph, 2, seed)
    _, made = estimate(graph, weights, batches)
    for name, mean, var in counted(graph, weights, batches, ("stem", "block02_filter", "head")):
        np.testing.assert_allclose(made[f"{name}.mean"], mean, rtol=1e-3, atol=2e-4)
        np.testing.assert_allclose(made[f"{name}.var"], var, rtol=1e-3, atol=1e-5)


def counted(
    graph: Graph, weights: Weights, batches: list[torch.Tensor], names: tuple[str, ...]
) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Mean and variance of convolutions without their bias, by the numpy reading of the graph."""
    images = np.concatenate([batch.permute(0, 2, 3, 1).numpy() for batch in batches])
    found = []
    for name in names:
        part = graph.until(name)
        op = next(op for op in part.ops if op.name == name)
        linear = part.map(lambda o: Conv(**{**o.__dict__, "act": None}) if o.name == name else o)  # noqa: B023
        assert op.name == linear.output.name
        bare = weights | {f"{name}.bias": np.zeros_like(weights[f"{name}.bias"])}
        out = np.stack([reference.run(linear, bare, image)[name] for image in images])
        flat = out.reshape(-1, out.shape[-1]).astype(np.float64)
        found.append((name, flat.mean(0), flat.var(0)))
    return found


def test_a_dead_channel_stays_as_it_is() -> None:
    graph = folded(TORCH)
    weights = scrambled(graph)
    weights["block02_expand.weight"][3] = 0
    weights["block02_expand.bias"][3] = 0.7
    _, made = estimate(graph, weights, pictures(graph, 3))
    mean, var, beta = (made[f"block02_expand.{part}"][3] for part in ("mean", "var", "beta"))
    assert var == 0 and mean == 0 and beta == np.float32(0.7)


def test_norms_that_are_there_are_left_alone() -> None:
    graph = mobilenet_v2(0.35, 33)
    weights = initial(graph)
    assert normless(graph) == set()
    same, made = estimate(graph, weights, [])
    assert same is graph and made is weights
    with pytest.raises(ValueError, match="there were none"):
        estimate(folded(PAPER), scrambled(folded(PAPER)), [])


def test_statistics_counted_anew_are_those_of_all_batches() -> None:
    graph = mobilenet_v2(0.35, 33, family=TORCH, classes=3)
    network = Network(graph, scrambled(graph)).train()
    batches = pictures(graph, 3)
    re_estimate(network, batches)
    assert all(module.training for module in network.modules())
    made = network.weights()
    images = torch.cat(batches).permute(0, 2, 3, 1).numpy()
    stem = graph.until("stem").map(
        lambda op: (
            Conv(**{**op.__dict__, "act": None, "norm": None}) if isinstance(op, Conv) else op
        )
    )
    bare = {"stem.weight": made["stem.weight"], "stem.bias": np.zeros(16, np.float32)}
    out = np.stack([reference.run(stem, bare, image)["stem"] for image in images]).reshape(-1, 16)
    np.testing.assert_allclose(made["stem.mean"], out.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(made["stem.var"], out.var(0), rtol=1e-4)


def test_deeper_statistics_are_those_that_torch_learns_with() -> None:
    """With one batch, and a momentum of one: torch's own, but for its unbiased variance."""
    graph = mobilenet_v2(0.35, 33, family=TORCH, classes=3)
    ours, theirs = (Network(graph, scrambled(graph)) for _ in range(2))
    batch = pictures(graph, 2)[0]
    re_estimate(ours, [batch])
    for norm in norms(theirs):
        norm.momentum = 1.0
    theirs.train()(batch)
    a, b = ours.weights(), theirs.weights()
    for op in graph.ops:
        if op.statistics:
            count = 3 * op.output.shape[0] * op.output.shape[1]
            np.testing.assert_allclose(a[f"{op.name}.mean"], b[f"{op.name}.mean"], atol=1e-4)
            unbiased = a[f"{op.name}.var"] * count / (count - 1)
            np.testing.assert_allclose(unbiased, b[f"{op.name}.var"], rtol=1e-3, atol=1e-5)
