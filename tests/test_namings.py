"""Every naming against the package that made it: real Keras and real transformers networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from spindle.training.adopt import adopt_weights
from tests.others import PICTURE, SIZE, agrees, said, transformers_logits, transformers_net

quiet = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        package = pytest.importorskip("keras")
        if package.config.backend() != "torch":
            pytest.skip("Keras is here on another backend")
        return package


@pytest.fixture
def net(keras: Any) -> Any:
    """Keras' own network of width 0.35, far from idle."""
    made = keras.applications.MobileNetV2(weights=None, alpha=0.35, input_shape=(*SIZE, 3))
    rng = np.random.default_rng(1)
    for variable in made.variables:
        shape = tuple(variable.shape)
        match variable.name:
            case "kernel":
                taps = 9 if "depthwise" in variable.path else np.prod(shape[:-1])
                values = rng.normal(0, (2 / taps) ** 0.5, shape)
            case "gamma" | "moving_variance":
                values = rng.uniform(0.5, 1.5, shape)
            case _:
                values = rng.normal(0, 0.3, shape)
        variable.assign(values.astype(np.float32))
    return made


def whole(net: Any, folder: Path) -> Path:
    net.save(folder / "net.h5")
    return folder / "net.h5"


def trained(net: Any, folder: Path) -> Path:
    net.compile("rmsprop", "sparse_categorical_crossentropy")
    net.optimizer.build(net.trainable_variables)
    return whole(net, folder)


def weights(net: Any, folder: Path) -> Path:
    net.save_weights(folder / "net.weights.h5")
    return folder / "net.weights.h5"


def trained_weights(net: Any, folder: Path) -> Path:
    net.compile("rmsprop", "sparse_categorical_crossentropy")
    net.optimizer.build(net.trainable_variables)
    return weights(net, folder)


def legacy_weights(net: Any, folder: Path) -> Path:
    """`layer/layer/weight` with the names in attributes, as Keras 2 wrote and Keras 3 still can."""
    formats = pytest.importorskip("keras.src.legacy.saving.legacy_h5_format")
    with h5py.File(folder / "old.h5", "w") as file:
        formats.save_weights_to_hdf5_group(file, net)
    return folder / "old.h5"


def published(net: Any, folder: Path) -> Path:
    """The layer names of the files that Keras publishes, which are not those of its networks."""
    with h5py.File(folder / "published.h5", "w") as file:
        for layer in net.layers:
            for variable in layer.variables:
                name, weight = published_layer(layer.name), variable.name
                weight = (
                    "depthwise_kernel" if "depthwise" in name and weight == "kernel" else weight
                )
                file[f"{name}/{name}/{weight}:0"] = np.array(variable)
    return folder / "published.h5"


def published_layer(name: str) -> str:
    if name == "predictions":
        return "Logits"
    if not name.startswith(("block_", "expanded_conv_")):
        return name
    block, part = name.replace("expanded_conv", "block_0").removeprefix("block_").split("_", 1)
    if part.endswith("_BN"):
        return f"bn{block}_conv_{block}_bn_{part.removesuffix('_BN')}"
    return f"mobl{block}_conv_{block}_{part}"


@quiet
@pytest.mark.parametrize(
    "write", [whole, trained, weights, trained_weights, legacy_weights, published]
)
def test_keras_says_the_same(write: Any, net: Any, tmp_path: Path) -> None:
    path = write(net, tmp_path)
    model = adopt_weights(path, SIZE)
    theirs = net(PICTURE[None].astype(np.float32) / 127.5 - 1).detach().numpy()
    agrees(said(model, "probabilities")[0, 0], theirs[0])
    assert model.source == (f"{path.name}, named as Keras names",)


def test_transformers_says_the_same(tmp_path: Path) -> None:
    net = transformers_net("ImageClassification", num_labels=12)
    net.save_pretrained(tmp_path)
    model = adopt_weights(tmp_path / "model.safetensors", SIZE)
    agrees(said(model)[0, 0], transformers_logits(net)[0])
    assert model.source == ("model.safetensors, named as transformers names",)


def test_the_background_of_imagenet_is_left_out(tmp_path: Path) -> None:
    net = transformers_net("ImageClassification", num_labels=1001)
    torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
    model = adopt_weights(tmp_path / "pytorch_model.bin", SIZE)
    agrees(said(model)[0, 0], transformers_logits(net)[0, 1:])
    assert model.source[1:] == ("class 0 (background) of 1001 was left out",)


def test_who_names_1001_classes_keeps_them(tmp_path: Path) -> None:
    net = transformers_net("ImageClassification", num_labels=1001)
    torch.save(net.state_dict(), tmp_path / "pytorch_model.bin")
    labels = [str(number) for number in range(1001)]
    model = adopt_weights(tmp_path / "pytorch_model.bin", SIZE, labels)
    agrees(said(model)[0, 0], transformers_logits(net)[0])
    assert model.labels == tuple(labels) and len(model.source) == 1


@pytest.mark.parametrize("stride", [8, 16])
def test_transformers_segments_the_same(stride: int, tmp_path: Path) -> None:
    net = transformers_net("SemanticSegmentation", num_labels=21, output_stride=stride)
    net.save_pretrained(tmp_path)
    model = adopt_weights(tmp_path / "model.safetensors", SIZE, output_stride=stride)
    theirs = transformers_logits(net)[0].transpose(1, 2, 0)
    assert theirs.shape == (SIZE[0] // stride, SIZE[1] // stride, 21)
    agrees(said(model), theirs)
    assert model.source == ("model.safetensors, named as transformers DeepLab names",)
    assert (model.task, model.labels[0], model.labels[20]) == ("segment", "background", "tvmonitor")


def test_own_masks_have_no_labels_of_voc(tmp_path: Path) -> None:
    net = transformers_net("SemanticSegmentation", num_labels=5, output_stride=16)
    net.save_pretrained(tmp_path)
    assert adopt_weights(tmp_path / "model.safetensors", SIZE).labels == ()
    model = adopt_weights(tmp_path / "model.safetensors", SIZE, ["a", "b", "c", "d", "e"])
    assert model.graph["logits"].shape[2] == len(model.labels) == 5


def test_a_trunk_alone_is_no_classifier(tmp_path: Path) -> None:
    net = transformers_net("ImageClassification", num_labels=2)
    torch.save(net.mobilenet_v2.state_dict(), tmp_path / "trunk.pth")
    with pytest.raises(
        ValueError, match=r"trunk.pth: .*classifier.weight is absent \(and 1 more\)"
    ):
        adopt_weights(tmp_path / "trunk.pth")
