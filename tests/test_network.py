"""The torch reading: a normal module that agrees with numpy and learns as the paper's code does."""

from __future__ import annotations

import copy
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spindle.compiler import reference
from spindle.model.family import mobilenet_v1, mobilenet_v2
from spindle.model.graph import FAMILIES, Graph
from spindle.model.heads import HEADS
from spindle.model.mobilenet import Ablation
from spindle.model.ops import Conv, Image
from spindle.training.network import Atrous, Network, reader
from tests.scramble import scrambled

# the last numbers of a head before it decides: a decision may fall either way between equals
UNDECIDED = {
    "classify": ("probabilities", "logits"),
    "detect": ("boxes", "classes"),
    "segment": ("logits_full",),
    "pose": ("heatmaps",),
    "embed": ("embedding", "neck"),
}


def agree(graph: Graph, names: tuple[str, ...], seed: int = 0) -> None:
    graph = replace(graph, outputs=tuple(graph[name] for name in names))
    weights = scrambled(graph, seed)
    picture = np.random.default_rng(seed).integers(0, 256, graph.input.shape, dtype=np.uint8)
    ours, theirs = reference.run(graph, weights, picture), reader(graph, weights)(picture)
    for name in ours:
        assert np.abs(ours[name] - theirs[name]).max() <= 1e-4 * np.abs(ours[name]).max()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("draw", [mobilenet_v2, mobilenet_v1])
def test_every_network_agrees_with_numpy(head: str, family: str, draw: type) -> None:
    graph = draw(0.35, (101, 75), head, family=FAMILIES[family])
    agree(graph, UNDECIDED[HEADS[head].task])


@settings(max_examples=15)
@given(
    st.sampled_from([0.1, 0.35, 0.75, 1.0]),
    st.integers(32, 120),
    st.integers(32, 120),
    st.sampled_from([8, 16, 32]),
    st.booleans(),
    st.sampled_from(["bottleneck", "expansion", "none"]),
    st.integers(1, 6),
)
def test_every_ablation_agrees_with_numpy(
    width: float, high: int, wide: int, stride: int, linear: bool, shortcut: str, expansion: int
) -> None:
    ablation = Ablation(linear, shortcut, expansion)  # type: ignore[arg-type]
    agree(
        mobilenet_v2(width, (high, wide), classes=7, output_stride=stride, ablation=ablation),
        ("logits",),
    )


def test_decisions_agree_too() -> None:
    for head in ("ssdlite", "deeplab", "pose-light"):
        graph = mobilenet_v2(0.35, 96, head)
        weights = scrambled(graph)
        picture = np.random.default_rng(1).integers(0, 256, graph.input.shape, dtype=np.uint8)
        name = graph.output.name
        ours, theirs = (
            reference.run(graph, weights, picture)[name],
            reader(graph, weights)(picture)[name],
        )
        assert np.isclose(ours, theirs, atol=1e-3).mean() > 0.99


def test_weights_go_in_and_come_out_unchanged() -> None:
    for head in ("pose", "pose-light", "embedding"):
        graph = mobilenet_v2(0.35, 64, head)
        weights = scrambled(graph)
        back = Network(graph, weights).weights()
        assert back.keys() == weights.keys()
        assert all((back[name] == weights[name]).all() for name in weights)


def test_names_can_be_read() -> None:
    state = Network(mobilenet_v2(0.35, 64)).state_dict()
    assert list(state)[:2] == ["stem.conv.weight", "stem.norm.weight"]
    assert {
        "block02_expand.conv.weight",
        "block17_filter.norm.running_var",
        "logits.conv.bias",
    } <= set(state)


def test_a_state_dict_travels_and_a_copy_is_a_copy() -> None:
    graph = mobilenet_v2(0.35, 64, classes=3)
    network, other = Network(graph, scrambled(graph)), Network(graph)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    pictures = torch.randint(0, 256, (2, 3, 64, 64))
    twin = copy.deepcopy(network).eval()
    assert torch.equal(network.eval()(pictures), other.eval()(pictures))
    assert torch.equal(network(pictures), twin(pictures))


def test_it_begins_as_the_paper_s_code_does() -> None:
    network = Network(mobilenet_v2())
    kernel = network.get_parameter("block17_project.conv.weight")
    assert kernel.abs().max() <= 2 * 0.09 + 1e-6
    assert abs(kernel.std().item() - 0.09 * 0.8796) < 1e-3  # a normal cut at two deviations
    assert network.get_parameter("stem.norm.weight").eq(1).all()
    assert network.get_parameter("logits.conv.bias").eq(0).all()


@pytest.mark.parametrize(("family", "eps", "share"), [("paper", 1e-3, 0.003), ("torch", 1e-5, 0.1)])
def test_batch_norm_counts_as_its_family_does(family: str, eps: float, share: float) -> None:
    """TensorFlow's decay 0.997 is torch's momentum 0.003: that much of the new batch."""
    network = Network(mobilenet_v2(0.35, 32, family=FAMILIES[family])).train()
    norm = network.get_submodule("stem.norm")
    assert isinstance(norm, torch.nn.BatchNorm2d) and norm.eps == eps
    seen = []
    network.get_submodule("stem.conv").register_forward_hook(lambda m, i, o: seen.append(o))
    network(torch.randint(0, 256, (4, 3, 32, 32)))
    assert norm.running_mean is not None
    expected = share * seen[0].mean(dim=(0, 2, 3))
    assert torch.allclose(norm.running_mean, expected, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_every_weight_of_every_head_learns(head: str) -> None:
    names = {"segment": ("logits",)}.get(HEADS[head].task, UNDECIDED[HEADS[head].task])
    graph = mobilenet_v2(0.35, 96, head, classes=5)
    network = Network(replace(graph, outputs=tuple(graph[n] for n in names))).train()
    graph = network.graph
    outputs = network(torch.randint(0, 256, (2, 3, 96, 96)))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    torch.stack([(out * torch.randn_like(out)).sum() for out in outputs]).sum().backward()  # type: ignore[no-untyped-call]
    needed = {op.name for op in graph.until(*names).ops}
    for name, parameter in network.named_parameters():
        if name.split(".")[0] in needed:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_dropout_is_there_while_learning_only() -> None:
    network = Network(mobilenet_v2(0.35, 32))
    drop = network.get_submodule("logits.drop")
    assert isinstance(drop, torch.nn.Dropout) and drop.p == 0.2


def test_weights_of_another_network_are_refused() -> None:
    weights = scrambled(mobilenet_v2(0.35, 64))
    with pytest.raises(ValueError, match="should be .* is"):
        Network(mobilenet_v2(0.5, 64), weights)


def test_a_name_that_torch_needs_is_refused() -> None:
    image = Image("image", (), 4, 4)
    op = Conv("forward", (image.output,), 2)
    with pytest.raises(ValueError, match="torch has another use for the name 'forward'"):
        Network(Graph((image, op), (op.output,)))


@given(
    *[st.integers(3, 14)] * 2, st.sampled_from([2, 3, 4]), st.sampled_from([3, 5]), st.booleans()
)
def test_a_dilated_filter_is_torchs_own_and_so_are_its_gradients(
    height: int, width: int, rate: int, kernel: int, padded: bool
) -> None:
    edge = rate * (kernel // 2) if padded else 0
    assume(min(height, width) + 2 * edge > rate * (kernel - 1))
    theirs = torch.nn.Conv2d(4, 4, kernel, 1, edge, rate, groups=4, dtype=torch.double)
    ours = Atrous(4, 4, kernel, 1, edge, rate, groups=4, dtype=torch.double)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 4, height, width, dtype=torch.double)
    made = []
    for conv in (theirs, ours):
        seen = x.clone().requires_grad_()
        said = conv(seen)
        said.square().sum().backward()
        made.append((said, seen.grad, *(weight.grad for weight in conv.parameters())))
    for one, other in zip(*made, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-10)
