"""What arrays does somebody else's file hold?  Each container as names and float32 arrays."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from spindle.training.bundle import read_bundle

LARGEST = 1 << 31  # bytes: the widest of these networks with its optimizer has a tenth of that
VARIABLES = ("kernel", "bias")
NORM_VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")
Arrays = dict[str, NDArray[np.float32]]


def read_arrays(path: Path) -> Arrays:
    """The floating point arrays of a checkpoint, whatever wrote it; nothing in it is ever run."""
    if path.suffix not in READERS:
        raise ValueError(f"{path}: weights end in {', '.join(READERS)}; this one does not")
    try:
        arrays = READERS[path.suffix](path)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} is damaged or holds more than arrays, and running what it holds is refused"
        ) from None
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no file {error.filename or path}") from None
    except Exception as error:  # a broken file makes its reader say anything, a hostile one more
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0]
        raise ValueError(f"{path} cannot be read as weights: {reason[:200]}") from None
    wanted = {name: a for name, a in arrays.items() if np.issubdtype(a.dtype, np.floating)}
    with np.errstate(over="ignore"):  # too large for float32 is infinite, which no model may be
        return {name: np.asarray(array, np.float32) for name, array in wanted.items()}


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    begin(path, b"PK")
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        weigh(entry.file_size for entry in file.zip.infolist())
        return dict(file)


def read_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """A torch checkpoint: a state dict, or a larger dict with one inside."""
    begin(path, b"PK", b"\x80")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}, not a dict of arrays")
    for key in ("model_ema", "state_dict_ema", "state_dict", "model"):
        if isinstance(state.get(key), dict):
            state = state[key]
            break
    return to_numpy(state)


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    return to_numpy(safetensors.torch.load_file(path))


def to_numpy(state: dict[Any, Any]) -> dict[str, NDArray[Any]]:
    tensors = {
        name.removeprefix("module."): value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    weigh(tensor.nbytes for tensor in tensors.values())
    return {name: tensor.detach().float().numpy() for name, tensor in tensors.items()}


def read_h5(path: Path) -> dict[str, NDArray[Any]]:
    """Keras: `layer/weight`, whatever stands before; version 3 keeps the layer's name aside."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            name = spelt(name, item)
            if name in found:
                raise ValueError(f"it holds two arrays named {name}")
            if item.external or item.is_virtual:
                raise ValueError(f"it keeps {name} in another file")
            found[name] = item

    with h5py.File(path) as file:
        file.visititems(visit)
        weigh(item.nbytes for item in found.values())
        return {name: item[()] for name, item in found.items() if item.shape is not None}


def spelt(name: str, item: h5py.Dataset) -> str:
    *_, layer, weight = ("", *name.split("/"))
    if layer == "vars" and "name" in item.parent.attrs:
        layer = str(item.parent.attrs["name"])
        parts = NORM_VARIABLES if len(item.parent) == 4 else VARIABLES
        weight = parts[int(weight)] if int(weight) < len(parts) else weight
    return f"{layer}/{weight.split(':')[0]}"


def begin(path: Path, *starts: bytes) -> None:
    """Refuses a file that does not begin as its kind does: most often a web page, or nothing."""
    with path.open("rb") as file:
        if not file.read(2).startswith(starts):
            raise ValueError(f"it does not begin as {path.suffix} files do")


def weigh(sizes: Iterable[int]) -> None:
    """Refuses what would not fit, before anything is unpacked."""
    if (total := sum(sizes)) > LARGEST:
        raise ValueError(f"it speaks of {total} bytes of arrays, far more than these networks have")


def read_ckpt(path: Path) -> dict[str, NDArray[Any]]:
    return read_bundle(Path(f"{path}.index"))


READERS: dict[str, Callable[[Path], dict[str, NDArray[Any]]]] = {
    ".pth": read_pickle,
    ".pt": read_pickle,
    ".bin": read_pickle,
    ".tar": read_pickle,
    ".safetensors": read_safetensors,
    ".h5": read_h5,
    ".npz": read_npz,
    ".index": read_bundle,
    ".ckpt": read_ckpt,
}
