"""Files that hold no weights, or more than weights, are refused in one sentence that names them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from spindle.training import sources
from spindle.training.adopt import adopt_weights
from spindle.training.sources import READERS, read_arrays
from tests.slim import write as write_bundle

ARRAYS = {"conv/kernel": np.arange(600, dtype=np.float32), "conv/bias": np.ones(3, np.float32)}


def write_h5(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


WRITERS: dict[str, Callable[[Path], Any]] = {
    ".pth": lambda path: torch.save({k: torch.tensor(v) for k, v in ARRAYS.items()}, path),
    ".safetensors": lambda path: safetensors.numpy.save_file(ARRAYS, path),
    ".h5": lambda path: write_h5(path, ARRAYS),
    ".npz": lambda path: np.savez_compressed(path, **ARRAYS),  # type: ignore[arg-type]
    ".index": lambda path: write_bundle(path.with_suffix(""), dict(ARRAYS)),
}


def refused(path: Path) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(ValueError) as caught:
        adopt_weights(path)
    sentence = str(caught.value)
    assert path.name in sentence and "\n" not in sentence and len(sentence) < 400
    return sentence.replace(str(path), path.name)


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_container_gives_back_what_was_put_in(suffix: str, tmp_path: Path) -> None:
    WRITERS[suffix](tmp_path / f"net{suffix}")
    read = read_arrays(tmp_path / f"net{suffix}")
    assert set(read) == set(ARRAYS)
    assert all(np.array_equal(read[name], array) for name, array in ARRAYS.items())


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.999])
def test_a_file_cut_short_is_refused(suffix: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    WRITERS[suffix](path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert refused(path).startswith(f"net{suffix} cannot be read as weights: ")


@pytest.mark.parametrize("suffix", READERS)
def test_an_absent_file_is_said_to_be_absent(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    absent = f"{path}.index" if suffix == ".ckpt" else str(path)
    assert refused(path) == f"net{suffix}: there is no file {absent}".replace(str(path), path.name)


@pytest.mark.parametrize("suffix", [suffix for suffix in READERS if suffix != ".ckpt"])
def test_a_web_page_is_no_weights(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"<!DOCTYPE html><html><body>Not found</body></html>" * 9)
    assert refused(path).startswith(f"net{suffix} cannot be read as weights: ")


@pytest.mark.parametrize("name", ["net.onnx", "net", "net.PTH", "net.data-00000-of-00001"])
def test_a_file_of_another_kind_is_told_the_kinds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    kinds = ".pth, .pt, .bin, .tar, .safetensors, .h5, .npz, .index, .ckpt"
    assert refused(tmp_path / name) == f"{name}: weights end in {kinds}; this one does not"


class Running:
    """What a pickle may hold: here harmless, but it would leave a trace."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_never_runs(zipped: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / "net.pth", tmp_path / "trace"
    state = {"weight": torch.ones(2), "more": Running(trace)}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    assert refused(path).endswith("more than arrays, and running what it holds is refused")
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the trace is real: whoever trusts the file leaves it
    assert trace.exists()


def test_a_whole_module_is_more_than_arrays(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "net.pth")
    assert "holds more than arrays" in refused(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("state", "kind"), [([1], "list"), (torch.ones(2), "Tensor"), (None, "NoneType")]
)
def test_a_torch_file_must_be_a_dict(state: object, kind: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "net.pth")
    sentence = "net.pth cannot be read as weights: it holds a {}, not a dict of arrays"
    assert refused(tmp_path / "net.pth") == sentence.format(kind)


def test_objects_in_an_npz_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", a=np.array([{}], dtype=object))
    assert "allow_pickle=False" in refused(tmp_path / "net.npz")


def test_an_npy_is_no_npz(tmp_path: Path) -> None:
    with (tmp_path / "net.npz").open("wb") as file:
        np.save(file, np.ones(3))
    assert refused(tmp_path / "net.npz").endswith("it does not begin as .npz files do")


def test_whole_numbers_and_words_are_passed_over(tmp_path: Path) -> None:
    torch.save(
        {"steps": torch.tensor(3), "epoch": 4, 5: "five", "w": torch.ones(2)}, tmp_path / "n.pt"
    )
    assert set(read_arrays(tmp_path / "n.pt")) == {"w"}
    np.savez(tmp_path / "n.npz", steps=np.arange(3), w=np.ones(2), word=np.array("word"))
    assert set(read_arrays(tmp_path / "n.npz")) == {"w"}


def test_every_precision_becomes_float32(tmp_path: Path) -> None:
    kinds = (torch.float16, torch.bfloat16, torch.float64, torch.float32)
    torch.save({str(kind): torch.full((2,), 1.5, dtype=kind) for kind in kinds}, tmp_path / "n.pt")
    read = read_arrays(tmp_path / "n.pt")
    assert len(read) == 4
    for array in read.values():
        assert array.dtype == np.float32 and array.tolist() == [1.5, 1.5]


def test_what_is_too_large_for_float32_is_no_silent_number(tmp_path: Path) -> None:
    np.savez(tmp_path / "n.npz", w=np.array([1e300, 1.0]))
    assert read_arrays(tmp_path / "n.npz")["w"].tolist() == [np.inf, 1.0]


def claims_npz(path: Path) -> None:
    """An array that is said to be large, and compresses to nothing."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("w.npy", bytes(3 << 20))


def claims_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("conv/kernel", (1 << 50,), np.float32, chunks=(1 << 20,))


def claims_torch(path: Path) -> None:
    torch.save({"w": torch.ones(1).expand(1 << 50)}, path)


def claims_npy_header(path: Path) -> None:
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }\n" % (1 << 50)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("net.npz", claims_npz),
        ("net.npz", claims_npy_header),
        ("net.h5", claims_h5),
        ("net.pth", claims_torch),
    ],
)
def test_claimed_sizes_are_not_believed(
    name: str, claim: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(tmp_path / name)
    monkeypatch.setattr(sources, "LARGEST", 1 << 20)
    sentence = refused(tmp_path / name)
    assert "far more than these networks have" in sentence or "allocate" in sentence


def test_an_h5_file_keeps_its_arrays_in_itself(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(bytes(8))
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.create_dataset("a/kernel", (2,), np.float32, external=[(tmp_path / "other", 0, 8)])
    assert refused(tmp_path / "net.h5").endswith("it keeps a/kernel in another file")


def test_an_h5_file_names_an_array_once(tmp_path: Path) -> None:
    write_h5(tmp_path / "net.h5", {"one/conv/kernel": np.ones(2), "two/conv/kernel:0": np.ones(2)})
    assert refused(tmp_path / "net.h5").endswith("it holds two arrays named conv/kernel")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz"])
@given(data=st.data())
@settings(max_examples=60)
def test_damage_is_refused_or_read_never_worse(
    suffix: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    WRITERS[suffix](path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    assert path.name in refused(path)
