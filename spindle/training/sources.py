"""What arrays does somebody else's file hold?  Each container as names and float32 arrays."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import h5py
import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from spindle.training.bundle import read_bundle

Arrays = dict[str, NDArray[np.float32]]


def read_arrays(path: Path) -> Arrays:
    """The floating point arrays of a checkpoint, whatever wrote it; nothing in it is ever run."""
    if path.suffix not in READERS:
        raise ValueError(f"{path}: weights end in {', '.join(READERS)}; this one does not")
    try:
        arrays = READERS[path.suffix](path)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} holds more than arrays, and running what it holds is refused"
        ) from None
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no file {error.filename}") from None
    except (
        OSError, ValueError, KeyError, IndexError, EOFError, RuntimeError, AttributeError,
        BadZipFile, SafetensorError,
    ) as error:  # fmt: skip
        raise ValueError(
            f"{path} cannot be read as weights: {str(error).splitlines()[0]}"
        ) from None
    wanted = {name: a for name, a in arrays.items() if np.issubdtype(a.dtype, np.floating)}
    return {name: np.asarray(array, np.float32) for name, array in wanted.items()}


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def read_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """A torch checkpoint: a state dict, or a larger dict with one inside."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("model_ema", "state_dict_ema", "state_dict", "model"):
        if isinstance(state.get(key), dict):
            state = state[key]
            break
    return {
        name.removeprefix("module."): tensor.float().numpy()
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
    }


def read_h5(path: Path) -> dict[str, NDArray[Any]]:
    """Keras: `layer/weight`, whatever stands before; version 3 keeps the layer's name aside."""
    arrays: dict[str, NDArray[Any]] = {}
    variables = {
        "Dense": ("kernel", "bias"),
        "Norm": ("gamma", "beta", "moving_mean", "moving_variance"),
    }

    def visit(name: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        *_, layer, weight = name.split("/")
        if layer == "vars":
            layer = str(item.parent.attrs["name"])
            kind = "Norm" if len(item.parent) == 4 else "Dense"
            weight = variables[kind][int(weight)]
        arrays[f"{layer}/{weight.split(':')[0]}"] = item[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return arrays


def read_ckpt(path: Path) -> dict[str, NDArray[Any]]:
    return read_bundle(Path(f"{path}.index"))


READERS: dict[str, Callable[[Path], dict[str, NDArray[Any]]]] = {
    ".pth": read_pickle,
    ".pt": read_pickle,
    ".bin": read_pickle,
    ".tar": read_pickle,
    ".safetensors": safetensors.numpy.load_file,
    ".h5": read_h5,
    ".npz": read_npz,
    ".index": read_bundle,
    ".ckpt": read_ckpt,
}
