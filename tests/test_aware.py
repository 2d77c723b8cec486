"""A network that learns with the rounding of bytes is, to the bit, the one that will run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spindle.app.cli import main
from spindle.compiler import reference
from spindle.compiler.fuse import fuse
from spindle.compiler.integers import integers
from spindle.data.synthetic import KINDS
from spindle.model import weights as files
from spindle.model.family import mobilenet_v2
from spindle.model.graph import Builder, Graph
from spindle.model.grids import check, grids
from spindle.model.heads import HEADS
from spindle.model.ops import Conv, Deconv
from spindle.model.weights import Model, Weights
from spindle.training import loop
from spindle.training.aware import Steps, numbers
from spindle.training.learner import Learner
from spindle.training.network import Network, reader
from spindle.training.recipe import RECIPES
from spindle.training.run import Watch, quiet
from spindle.training.start import train
from tests.gridded import exact, gridded
from tests.scramble import scrambled
from tests.test_learner import CPU, PLAIN, batches, changed
from tests.test_lessons import drawn as drawn_data
from tests.test_loop import SHORT, Killed, bits
from tests.test_recipe import lessons

Pictures = NDArray[np.uint8]


def drawn(graph: Graph, seed: int = 0, number: int = 2) -> Pictures:
    shape = number, *graph.input.shape
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def within(graph: Graph, weights: Weights, pictures: Pictures) -> dict[str, NDArray[np.float32]]:
    """What every op makes while torch reads it: steps of those on a grid, else numbers."""
    network, made = Network(graph, weights).eval(), {}
    for name, module in network.named_children():
        module.register_forward_hook(lambda m, i, o, name=name: made.update({name: o}))
    with torch.no_grad():
        network(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    whole = {op.name for op in graph.ops if op.grid}
    return {
        name: (x.counts if name in whole and isinstance(x, Steps) else numbers(x))
        .permute(0, 2, 3, 1).numpy()
        for name, x in made.items()
    }  # fmt: skip


def agree(graph: Graph, weights: Weights, pictures: Pictures) -> None:
    """Every tensor of bytes is the compiler's: to the bit, where no float has been before it."""
    check(graph, weights)
    ours, (fused, own) = within(graph, weights, pictures), fuse(graph, weights)
    known, values = grids(fused, own), dict[str, NDArray[Any]]()
    sums = reference.counted(fused, own, known)
    for op in fused.ops:
        inputs = [values[tensor.name] for tensor in op.inputs] or [pictures]
        values[op.name] = reference.bytewise(op, inputs, own, known, sums)
        if op.grid:
            apart = abs(ours[op.name] + known[op.name].zero - values[op.name].astype(int))
            assert apart.mean() <= (0 if exact(fused, op.name) else 0.5), op.name
        else:
            apart = abs(ours[op.name] - values[op.name])
            assert apart.mean() <= 1e-2 * abs(values[op.name]).mean() + 1e-6, op.name


@pytest.mark.parametrize("head", ["ssdlite", "deeplab-aspp", "pose", "pose-light", "embedding"])
def test_every_head_is_the_compiler_s_to_the_bit(head: str) -> None:
    graph = mobilenet_v2(0.1, 64, head, classes=5)
    agree(*gridded(graph, scrambled(graph)), drawn(graph))


@settings(max_examples=40)
@given(
    st.integers(0, 10**6), st.sampled_from(["full", "depthwise", "up", "up filter"]),
    st.sampled_from([1, 2, 3, 5]), st.integers(1, 2), st.integers(0, 2),
    st.sampled_from([None, "relu", "relu6"]), st.booleans(),
)  # fmt: skip
def test_every_convolution_is_too(
    seed: int, kind: str, kernel: int, stride: int, padding: int, act: object, same: bool
) -> None:
    g = Builder((7, 6))
    x = g.add(Conv("first", (g.image,), 6, act=None))
    settings = {"kernel": kernel, "stride": stride, "act": act}
    settings["groups"] = 6 if kind in ("depthwise", "up filter") else 1
    if kind.startswith("up"):
        x = g.add(Deconv("middle", (x,), 6, padding=min(padding, kernel // 2), **settings))  # type: ignore[arg-type]
    else:
        x = g.add(Conv("middle", (x,), 6, padding="same" if same else padding, **settings))  # type: ignore[arg-type]
    side = g.concat([x, g.add(Conv("beside", (x,), 6, act=None))], "both")
    thin = g.add(Conv("thin", (side,), 12))
    added = g.sum(side, thin, "added")
    mean = g.mean(added, "mean")
    spread = g.concat([g.resize(mean, "spread", added), added], "wide")
    graph = g.graph(g.add(Conv("last", (spread,), 3)))
    for share in (1.0, 0.7):  # the others stay floats
        agree(*gridded(graph, scrambled(graph, seed), seed, share), drawn(graph, seed + 1))


def tiny(head: str = "classifier", seed: int = 0) -> Model:
    task = HEADS[head].task
    labels = lessons(task).labels
    graph = mobilenet_v2(0.1, 64, head, classes=len(labels))
    return Model(*gridded(graph, scrambled(graph, seed), seed), task, labels)


def test_numbers_go_in_and_come_out_unchanged_and_a_file_says_the_same(tmp_path: Path) -> None:
    model = tiny()
    assert not changed(Network(model.graph, model.weights).weights(), model.weights)
    files.save(model, tmp_path / "a.safetensors")
    read = files.load(tmp_path / "a.safetensors")
    pictures = drawn(model.graph)
    one, other = (reader(m.graph, m.weights)(pictures) for m in (model, read))
    for name in one:
        assert (one[name] == other[name]).all()


def test_gradients_are_those_of_the_numbers_that_bytes_stand_for() -> None:
    """Against torch's own convolution of them: rounding has no slope, an end lets nothing pass."""
    g = Builder((6, 6))
    x = g.add(Conv("first", (g.image,), 4, act=None))
    graph = g.graph(g.add(Conv("last", (g.conv(x, "mid", 5, 3, norm=None),), 2)))
    graph, weights = gridded(graph, scrambled(graph))
    weights["mid.scale"] *= np.float32(0.6)  # some of it is cut off
    weights["mid.step"] *= np.float32(0.9)
    network = Network(graph, weights).eval()
    first, mid = (network.get_submodule(name) for name in ("first", "mid"))
    pixels = torch.from_numpy(drawn(graph, 1)).permute(0, 3, 1, 2)
    scale = {name: torch.from_numpy(weights[f"{name}.scale"]) for name in ("first", "mid")}
    counts = first(network.get_submodule("image")(pixels)).counts.detach().requires_grad_()
    made = mid(Steps(counts, scale["first"], torch.zeros(4)))
    slopes = torch.randn(made.counts.shape, generator=torch.manual_seed(0))
    (numbers(made) * slopes).sum().backward()  # type: ignore[no-untyped-call]

    unit = weights["mid.step"].reshape(-1, 1, 1, 1) / weights["first.scale"]
    steps = np.rint(weights["mid.weight"] / unit)
    near = torch.from_numpy(steps.clip(-127, 127) * unit).permute(0, 3, 1, 2).contiguous()
    inside = torch.from_numpy(abs(steps) <= 127).permute(0, 3, 1, 2)
    bias = torch.from_numpy(weights["mid.bias"])
    read = (counts.detach() * scale["first"][:, None, None]).requires_grad_()
    sums = functional.conv2d(read, near.requires_grad_(), bias.requires_grad_(), padding=1)
    high = sums / scale["mid"][:, None, None]
    kept = (high > -0.5) & (high < 255.5)
    (torch.where(kept, sums, 0) * slopes).sum().backward()  # type: ignore[no-untyped-call]
    assert not kept.all() and not inside.all()
    for ours, theirs in (
        (mid.get_parameter("conv.weight"), slope(near) * inside),
        (mid.get_parameter("conv.bias"), slope(bias)),
        (counts, slope(read) * scale["first"][:, None, None]),
    ):
        assert torch.allclose(slope(ours), theirs, 1e-3, 1e-3 * float(theirs.abs().max()))


def slope(x: Tensor) -> Tensor:
    assert x.grad is not None
    return x.grad


RECIPE = replace(PLAIN, norms="frozen", rate=1e-2, average=0.9)


def test_what_is_learnt_is_what_will_run(tmp_path: Path) -> None:
    model = tiny()
    teacher = mobilenet_v2(0.1, 64, classes=len(model.labels))
    learner = Learner(
        model.graph, model.weights, model.task, RECIPE, CPU, 2,
        Model(teacher, scrambled(teacher), model.task),
    )  # fmt: skip
    for batch in batches(RECIPE, learner.network.graph):
        learner.step([batch])
    learnt = learner.weights()
    moved = changed(model.weights, learnt)
    assert {f"{op.name}.{part}" for op in model.graph.ops for part in op.weights} <= moved
    assert not any(name.endswith((".scale", ".zero")) for name in moved)
    files.save(replace(model, weights=learnt), tmp_path / "learnt.safetensors")
    read = files.load(tmp_path / "learnt.safetensors")
    agree(read.graph, read.weights, drawn(read.graph))
    known = grids(read.graph, learnt)
    for op in read.graph.ops:
        if isinstance(op, Conv) and op.whole:
            steps = integers(op, learnt, known).weight.astype(int)
            if op.groups == 1:
                pairs = steps[..., 0:-1:2] + steps[..., 1::2]
            else:
                pairs = steps[:, 0:1] + steps[:, 2:3]
            assert abs(pairs).max(initial=0) <= 128, op.name


def test_a_killed_run_ends_in_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: str, watch: Watch = quiet) -> None:
        data = lessons("classify", 16, judged=4)
        train(data, tmp_path / folder, SHORT, tiny(), tiny(seed=1), device="cpu", watch=watch)

    said = []

    def killed(moment: object) -> None:
        said.append(moment)
        if len(said) == 3:
            raise Killed

    run("whole")
    monkeypatch.setattr(loop, "SAFE", 0.0)
    with pytest.raises(Killed):
        run("killed", killed)
    run("killed")
    assert bits(tmp_path / "killed") == bits(tmp_path / "whole")
    made = files.load(tmp_path / "whole" / "model.safetensors")
    assert [op.grid for op in made.graph.ops] == [op.grid for op in tiny().graph.ops]


@pytest.mark.parametrize("head", ["ssdlite", "deeplab", "pose-light", "embedding"])
def test_every_task_learns_so(head: str, tmp_path: Path) -> None:
    model = tiny(head)
    recipe = replace(RECIPES["aware"], epochs=1, batch=4)
    made = train(lessons(model.task), tmp_path, recipe, model, model, device="cpu")
    kept = {op.name: op.grid for op in model.graph.until(model.graph.output.name).ops}
    assert {op.name: op.grid for op in made.graph.ops} == kept
    assert changed(made.weights, model.weights)


def test_bytes_learn_nothing_but_what_they_know(tmp_path: Path) -> None:
    model = tiny()
    with pytest.raises(ValueError, match="bytes fit only what they are measured on"):
        train(lessons("classify"), tmp_path, SHORT, replace(model, labels=("a", "b", "c")))
    with pytest.raises(ValueError, match="bytes fit only what they are measured on"):
        train(lessons("classify"), tmp_path, SHORT, model, size=96)
    with pytest.raises(ValueError, match="a last layer of bytes is not fitted alone"):
        train(lessons("classify"), tmp_path, RECIPES["frozen"], model, device="cpu")


def test_a_float_model_is_quantized_and_then_taught_in_a_terminal(tmp_path: Path) -> None:
    data, out = drawn_data(tmp_path, "classify"), tmp_path / "bytes"
    graph = mobilenet_v2(0.1, 64, classes=len(KINDS))
    first = tmp_path / "float.safetensors"
    files.save(Model(graph, scrambled(graph), "classify", KINDS), first)
    short = ["--epochs", "1", "--device", "cpu", "--batch", "8"]
    asked = ["--int8", "--weights", str(first), "--size", "32x48", *short]
    assert main(["train", data, "--out", str(out), *asked]) == 0
    made = files.load(out / "model.safetensors")
    assert made.graph.of_bytes and made.recipe["rate"] == RECIPES["aware"].rate
    assert made.graph.input.shape == (32, 48, 3)  # brought to its size before it was of bytes
    again = ["--int8", "--weights", str(out / "model.safetensors"), "--size", "32x48", *short]
    assert main(["train", data, "--out", str(tmp_path / "again"), *again]) == 0
    made = files.load(tmp_path / "again" / "model.safetensors")
    assert made.recipe["rate"] == RECIPES["aware"].rate
