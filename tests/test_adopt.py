"""Networks written elsewhere say the same once adopted: the judge is their own forward pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from spindle.model.weights import load, save
from spindle.training.adopt import adopt_weights
from tests import others
from tests.others import SIZE, agrees, normalised, said

Write = Callable[[nn.Module, Path], Path]


def plain(net: nn.Module, folder: Path) -> Path:
    torch.save(net.state_dict(), folder / "net.pth")
    return folder / "net.pth"


def parallel(net: nn.Module, folder: Path) -> Path:
    state = {f"module.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state, "best_acc": 0.7}, folder / "net.pth.tar")
    return folder / "net.pth.tar"


def learning(net: nn.Module, folder: Path) -> Path:
    torch.save({"model": net.state_dict(keep_vars=True)}, folder / "net.pt")
    return folder / "net.pt"


def tensors(net: nn.Module, folder: Path) -> Path:
    safetensors.torch.save_model(net, str(folder / "net.safetensors"))
    return folder / "net.safetensors"


@pytest.mark.parametrize(
    ("project", "width", "classes", "write"),
    [
        ("torchvision", 0.35, 7, plain),
        ("torchvision", 0.5, 1000, parallel),
        ("torchvision", 1.4, 7, tensors),
        ("timm", 0.5, 1000, tensors),
        ("timm", 0.35, 2, learning),
        ("d-li14", 0.35, 1000, plain),
        ("d-li14", 0.5, 7, parallel),
        ("tonylins", 1.0, 1000, parallel),
        ("tonylins", 1.0, 7, tensors),
    ],
)
def test_torch_networks_say_the_same(
    project: str, width: float, classes: int, write: Write, tmp_path: Path
) -> None:
    net = others.network(project, width, classes)
    model = adopt_weights(write(net, tmp_path), SIZE)
    theirs = others.logits(net, normalised(others.MEAN, others.STD)).numpy()
    agrees(said(model)[0, 0], theirs[0])
    assert model.task == "classify" and model.labels == ()
    assert model.source == (f"{write(net, tmp_path).name}, named as {project} names",)


def test_tonylins_has_also_put_the_classifier_in_a_row(tmp_path: Path) -> None:
    net = others.network("tonylins", 1.0, 7)
    state = net.state_dict()
    old = {name.replace("classifier.", "classifier.1."): a for name, a in state.items()}
    torch.save(old, tmp_path / "old.pth")
    model = adopt_weights(tmp_path / "old.pth", SIZE)
    theirs = others.logits(net, normalised(others.MEAN, others.STD)).numpy()
    agrees(said(model)[0, 0], theirs[0])


def test_half_precision_is_read(tmp_path: Path) -> None:
    net = others.network("timm", 0.35, 7).bfloat16()
    model = adopt_weights(tensors(net, tmp_path), SIZE)
    theirs = others.logits(net, normalised(others.MEAN, others.STD)).numpy()
    agrees(said(model)[0, 0], theirs[0])


def test_timm_looks_at_pictures_made_smaller_more_finely(tmp_path: Path) -> None:
    image = adopt_weights(plain(others.network("timm", 0.35, 7), tmp_path)).graph.image
    assert (image.height, image.width) == (224, 224)
    assert (image.resample, image.fit, image.fraction) == ("bicubic", "crop", 0.875)


def test_a_network_taught_blue_first_reads_red_first(tmp_path: Path) -> None:
    net = others.network("torchvision", 0.35, 7)
    model = adopt_weights(plain(net, tmp_path), SIZE, bgr=True)
    theirs = others.logits(net, normalised(others.MEAN, others.STD).flip(1)).numpy()
    agrees(said(model)[0, 0], theirs[0])
    assert "BGR" in model.source[1] and len(model.source) == 2
    straight = adopt_weights(tmp_path / "net.pth", SIZE)
    assert not np.allclose(said(model), said(straight), rtol=0.01)


def test_what_is_adopted_can_be_kept(tmp_path: Path) -> None:
    labels = [f"kind {number}" for number in range(7)]
    path = plain(others.network("d-li14", 0.35, 7), tmp_path)
    model = adopt_weights(path, SIZE, labels)
    save(model, tmp_path / "own.safetensors")
    kept = load(tmp_path / "own.safetensors")
    assert kept.graph == model.graph and kept.source == model.source
    assert kept.labels == tuple(labels)
    assert all(np.array_equal(kept.weights[name], a) for name, a in model.weights.items())


def test_labels_are_counted(tmp_path: Path) -> None:
    path = plain(others.network("torchvision", 0.35, 7), tmp_path)
    with pytest.raises(ValueError, match="net.pth knows 7 classes, but has 2 labels"):
        adopt_weights(path, labels=["ant", "bee"])


def test_own_classes_that_happen_to_be_1001_all_stay(tmp_path: Path) -> None:
    path = plain(others.network("torchvision", 0.35, 1001), tmp_path)
    assert adopt_weights(path).graph["logits"].shape[2] == 1001


@pytest.mark.parametrize(
    ("project", "name", "shape", "sentence"),
    [
        ("torchvision", "features.4.conv.1.0.weight", (48, 1, 5, 5), "(48, 1, 3, 3)"),
        ("timm", "blocks.1.0.conv_pw.weight", (48, 9, 1, 1), "(48, 8, 1, 1)"),
        ("d-li14", "conv.1.running_mean", (12,), "(1280,)"),
        ("tonylins", "classifier.weight", (7, 12), "(7, 1280)"),
        ("tonylins", "classifier.bias", (6,), "(7,)"),
        ("timm", "conv_stem.weight", (), "(16, 3, 3, 3)"),
        ("timm", "classifier.weight", (), "(1000, 1280, 1, 1)"),
    ],
)
def test_a_shape_that_does_not_fit_is_said_as_the_file_has_it(
    project: str, name: str, shape: tuple[int, ...], sentence: str, tmp_path: Path
) -> None:
    width = 1.0 if project == "tonylins" else 0.35
    state = others.network(project, width, 7).state_dict()
    torch.save(state | {name: torch.zeros(shape)}, tmp_path / "net.pth")
    with pytest.raises(ValueError) as caught:
        adopt_weights(tmp_path / "net.pth")
    message = str(caught.value)
    assert "net.pth" in message and f"{name} is {shape} where {sentence} should be" in message


def test_an_array_too_few_is_named(tmp_path: Path) -> None:
    state = others.network("torchvision", 0.35, 7).state_dict()
    del state["features.9.conv.3.running_var"]
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"net.pth: .*features.9.conv.3.running_var is absent"):
        adopt_weights(tmp_path / "net.pth")


def test_arrays_too_many_are_named(tmp_path: Path) -> None:
    state = others.network("torchvision", 0.35, 7).state_dict()
    more = {f"neck.{number}": torch.zeros(2) for number in range(7)}
    torch.save(state | more, tmp_path / "net.pth")
    with pytest.raises(
        ValueError, match=r"net.pth: .*7 arrays have no place here: neck.0, .* \.\."
    ):
        adopt_weights(tmp_path / "net.pth")


def test_the_same_array_twice_is_refused(tmp_path: Path) -> None:
    state = others.network("tonylins", 1.0, 7).state_dict()
    torch.save(state | {"classifier.1.bias": torch.zeros(7)}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"net.pth holds two arrays that mean classifier.bias"):
        adopt_weights(tmp_path / "net.pth")


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    net = others.network("torchvision", 0.35, 7)
    net.state_dict()["features.3.conv.3.bias"][2] = torch.nan
    with pytest.raises(ValueError, match=r"net.pth: features.3.conv.3.bias .* not finite"):
        adopt_weights(plain(net, tmp_path))


def test_another_network_is_recognised_as_another(tmp_path: Path) -> None:
    names = [f"layer{stage}.{n}.conv{n}.weight" for stage in (1, 2, 3, 4) for n in (1, 2)]
    torch.save(
        {"conv1.weight": torch.zeros(2)} | dict.fromkeys(names, torch.zeros(2)), tmp_path / "r.pth"
    )
    with pytest.raises(ValueError, match=r"r.pth: these are no weights of a MobileNetV2 .*conv1"):
        adopt_weights(tmp_path / "r.pth")


@pytest.mark.parametrize("state", [{}, {"epoch": 3}, {"state_dict": {}}])
def test_a_file_without_arrays_holds_nothing(state: dict[str, Any], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "empty.pth")
    with pytest.raises(ValueError, match=re.escape("empty.pth: these are no weights")):
        adopt_weights(tmp_path / "empty.pth")


def test_a_picture_may_be_prepared_otherwise_than_its_project_does(tmp_path: Path) -> None:
    net = others.network("torchvision", 0.35, 7)
    path = plain(net, tmp_path)
    model = adopt_weights(path, SIZE, fit="stretch", mean=(1.0, 2.0, 3.0))
    usual = adopt_weights(path, SIZE).graph.image
    assert (model.graph.image.fit, model.graph.image.mean) == ("stretch", (1.0, 2.0, 3.0))
    assert (usual.fit, usual.std) == ("crop", model.graph.image.std)
    assert "pictures as said: fit stretch" in model.source
    with pytest.raises(ValueError, match="one mean and one std a channel"):
        adopt_weights(path, SIZE, mean=(1.0,))
    with pytest.raises(ValueError, match="nothing is known of hue"):
        adopt_weights(path, SIZE, hue=3)
