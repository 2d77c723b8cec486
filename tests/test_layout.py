"""Whatever lies how in memory, the numbers are those of the plain network."""

from __future__ import annotations

import platform
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from spindle.model.family import mobilenet_v2
from spindle.model.graph import FAMILIES, Graph
from spindle.model.heads import HEADS
from spindle.model.ops import Conv
from spindle.training.layout import hold_memory, plain, quick, step, steps, threads
from spindle.training.network import Network
from tests.scramble import scrambled

TAUGHT = {
    "classify": ("logits",),
    "detect": ("boxes", "classes"),
    "segment": ("logits_full",),
    "pose": ("heatmaps",),
    "embed": ("neck",),
}


EVERY = [(head, "paper") for head in HEADS] + [("classifier", "torch"), ("deeplab", "torch")]


def drawn(head: str, family: str = "paper", size: tuple[int, int] = (67, 96)) -> Graph:
    graph = mobilenet_v2(0.1, size, head, family=FAMILIES[family], classes=3)
    graph = graph.until(*TAUGHT[HEADS[head].task])
    return graph.map(lambda op: replace(op, drop=0.0) if isinstance(op, Conv) else op)


def pictures(graph: Graph, batch: int = 2) -> Tensor:
    height, width, channels = graph.input.shape
    torch.manual_seed(0)
    return torch.randint(0, 256, (batch, channels, height, width), dtype=torch.uint8)


@pytest.mark.parametrize(("head", "family"), EVERY)
def test_ours_learns_what_channels_first_learns(head: str, family: str) -> None:
    """Gradients and counted statistics, in double precision, so that only order may differ."""
    graph = drawn(head, family)
    ours, theirs = Network(graph, scrambled(graph)), plain(graph, "channels first")[0]
    theirs.load_state_dict(ours.state_dict())
    for network in (ours.double().train(), theirs.double().train()):
        step(network, pictures(graph, 6))  # so many that a norm over one pixel is no mere sign
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0
        other = expected[name].grad
        assert other is not None
        assert (parameter.grad - other).abs().max() <= 1e-8 * other.abs().max() + 1e-12, name
    for name, count in ours.named_buffers():
        assert torch.allclose(count, theirs.get_buffer(name), rtol=1e-10), name


@pytest.mark.parametrize(("head", "family"), EVERY)
def test_the_quick_one_answers_as_the_network_does(head: str, family: str) -> None:
    graph = drawn(head, family)
    network = Network(graph, scrambled(graph)).train()
    ask = quick(network)
    assert network.training and "stem.norm.weight" in network.state_dict()  # left as it was
    expected, got = network.eval()(pictures(graph, 3)), ask(pictures(graph, 3))
    outputs = ((a, b) for a, b in zip(expected, got, strict=True)) if isinstance(got, tuple) else (
        (expected, got),
    )  # fmt: skip
    for a, b in outputs:
        assert not b.requires_grad and (a - b).abs().max() <= 2e-5 * a.abs().max()


def test_the_quick_one_has_no_norm_left_before_a_convolution_s_end() -> None:
    seen: list[nn.Module] = []
    graph = drawn("classifier")
    hook = nn.modules.module.register_module_forward_hook(lambda m, i, o: seen.append(m))
    try:
        quick(Network(graph))(pictures(graph))
    finally:
        hook.remove()
    assert seen and not any(isinstance(module, nn.BatchNorm2d) for module in seen)


def test_every_picture_lies_with_its_channels_last_however_it_came() -> None:
    graph = drawn("classifier")
    network = Network(graph, scrambled(graph)).eval()
    lying: list[bool] = []
    for op in graph.ops:
        if op.name.startswith("block"):
            network.get_submodule(op.name).register_forward_hook(
                lambda m, i, o: lying.append(o.is_contiguous(memory_format=torch.channels_last))
            )
    came = pictures(graph)
    answers = [network(came), network(came.contiguous(memory_format=torch.channels_last))]
    answers += [network(came.float()), network(came.transpose(2, 3).contiguous().transpose(2, 3))]
    assert len(lying) > 100 and all(lying)
    assert all(torch.equal(answer, answers[0]) for answer in answers)


def test_what_nobody_reads_again_is_let_go() -> None:
    """A feature that is an output, or that a later op reads, must outlive its neighbours."""
    whole = mobilenet_v2(0.35, 64, classes=3)
    graph = whole.until("block04", "block07_expand", "logits")
    network = Network(graph, scrambled(graph)).eval()
    alone = [Network(whole.until(n), scrambled(whole.until(n))) for n in ("block04", "logits")]
    assert len(network(pictures(graph))) == len(graph.outputs) == 3
    gone = [name for names in network.spent for name in names]
    assert len(gone) == len(set(gone)) == len(graph.ops) - 3
    assert not set(gone) & {tensor.name for tensor in graph.outputs}
    for other in alone:
        state = {name: network.state_dict()[name] for name in other.state_dict()}
        other.load_state_dict(state)
        made = dict(zip((t.name for t in graph.outputs), network(pictures(graph)), strict=True))
        assert torch.equal(other.eval()(pictures(graph)), made[other.graph.output.name])


def test_autocast_learns_too() -> None:
    graph = drawn("classifier")
    network = Network(graph, scrambled(graph)).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(pictures(graph)).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_steps_take_turns() -> None:
    graph = drawn("classifier", size=(32, 32))
    made = list(islice(steps(graph, 2, ("channels first", "spindle")), 4))
    assert [way for way, _ in made] == ["channels first", "spindle"] * 2
    assert all(seconds > 0 for _, seconds in made)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with threads(2) as used:
        assert used == torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="0 threads compute nothing"), threads(0):
        pass


def test_memory_is_held_where_the_c_library_can() -> None:
    assert hold_memory() == (platform.libc_ver()[0] == "glibc")
    assert hold_memory(False) == (platform.libc_ver()[0] == "glibc")
