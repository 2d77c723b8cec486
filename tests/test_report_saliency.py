"""The map is Grad-CAM as torch's autograd finds it, and lies where the network looked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from spindle.app.bench import lively, noise
from spindle.app.report.saliency import looker, overlaid
from spindle.compiler import reference
from spindle.data.preprocess import Frame
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import TORCH, Graph
from spindle.model.weights import Model
from spindle.training.network import Network


def grad_cam(
    graph: Graph, weights: dict[str, np.ndarray], pixels: np.ndarray, kind: int
) -> np.ndarray:
    """As Selvaraju et al. define it: the features weighted by their mean gradient, then ReLU."""
    made = {op.name: op for op in graph.ops}
    logits = made[graph.output.name].inputs[0].name
    features = made[made[logits].inputs[0].name].inputs[0].name
    both = graph.until(features, logits)
    network = Network(both, {name: weights[name] for name in both.arrays}).eval()
    kept: list[torch.Tensor] = []
    network.get_submodule(features).register_forward_hook(
        lambda module, given, output: kept.append(output)
    )
    picture = torch.from_numpy(pixels[None]).permute(0, 3, 1, 2).float().requires_grad_()
    outputs = network(picture)
    (gradient,) = torch.autograd.grad(outputs[1][0, kind].sum(), kept[0])
    weight = gradient.mean((2, 3), keepdim=True)
    return torch.relu((weight * kept[0]).sum(1))[0].detach().numpy()


@pytest.mark.parametrize("seed", [0, 3, 6])
@pytest.mark.parametrize("make", ["v2", "v1", "torch"])
def test_it_is_grad_cam(make: str, seed: int) -> None:
    family = {"family": TORCH} if make == "torch" else {}
    draw = mobilenet_v1 if make == "v1" else mobilenet_v2
    graph = draw(0.25, (96, 128), classes=7, **family)  # type: ignore[arg-type]
    weights = lively(graph, seed)
    model = Model(graph, weights, "classify", tuple("abcdefg"))
    pixels = noise(graph, 1)[0]
    cut = looker(model)
    assert cut is not None
    kind = int(reference.run(graph, weights, pixels)[graph.output.name].argmax())
    ours, theirs = cut.heat(pixels, kind), grad_cam(graph, weights, pixels, kind)
    assert ours.shape == theirs.shape == (3, 4)
    assert theirs.max() > 0
    assert ours == pytest.approx(theirs / theirs.max(), abs=1e-4)


def test_other_heads_have_none() -> None:
    for head in ("ssdlite", "deeplab", "pose", "embedding"):
        graph = mobilenet_v2(0.1, 96, head, classes=5)
        assert looker(Model(graph, {}, "detect")) is None


def test_the_heat_lies_where_it_was_seen() -> None:
    picture = Pillow.new("RGB", (200, 100), (100, 100, 100))
    heat = np.zeros((4, 4))
    heat[0, 3] = 1  # above right, of the middle square
    pixels = np.asarray(overlaid(picture, heat, Frame(0.25, 0, 0.75, 1))).astype(int)
    assert pixels.shape == (100, 200, 3)
    row, column = np.unravel_index(pixels.sum(axis=2).argmax(), (100, 200))
    assert row < 25 and 125 <= column < 150
    assert (pixels[:, :48] == pixels[0, 0]).all() and (pixels[:, 152:] == pixels[0, 0]).all()
    assert pixels[80, 60].sum() > pixels[80, 20].sum()  # what was not seen lies in the dark


def test_a_picture_keeps_its_size() -> None:
    graph = mobilenet_v2(0.1, 64, classes=3)
    graph = graph.map(lambda op: replace(op, fit="pad") if op is graph.image else op)
    cut = looker(Model(graph, lively(graph), "classify", ("a", "b", "c")))
    assert cut is not None
    assert cut.shown(Pillow.new("RGB", (50, 90), (1, 200, 30)), 1).size == (50, 90)
