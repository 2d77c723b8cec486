"""TensorFlow checkpoints, against a writer of the format that shares no line with the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spindle.training import bundle
from spindle.training.adopt import adopt_weights
from spindle.training.bundle import read_bundle
from spindle.training.sources import read_arrays
from tests.others import SIZE, agrees, said, transformers_logits, transformers_net
from tests.slim import closed, crc, ended, entry, message, number, packed, slim, table, write


def some_arrays() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    arrays: dict[str, NDArray[Any]] = {
        f"tower_{n}/conv/weights": rng.normal(size=(n, 3)).astype(np.float32) for n in range(70)
    }
    return arrays | {
        "global_step": np.array(1234567890123, np.int64),
        "half": rng.normal(size=5).astype(np.float16),
        "double": rng.normal(size=(2, 1, 2)),
        "count": np.arange(4, dtype=np.int32),
    }


def test_the_writer_counts_as_the_standard_does() -> None:
    assert crc(b"123456789") == 0xE3069283
    assert number(300) == b"\xac\x02"


@pytest.mark.parametrize("shards", [1, 3])
def test_every_array_comes_back_to_the_bit(shards: int, tmp_path: Path) -> None:
    arrays = some_arrays()
    index = write(tmp_path / "model.ckpt-7", arrays, shards)
    read = read_bundle(index)
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()


def test_what_is_no_number_is_passed_over(tmp_path: Path) -> None:
    index = write(tmp_path / "m", {"flag": np.array([True]), "weight": np.ones(2, np.float32)})
    assert set(read_bundle(index)) == {"weight"}


@pytest.mark.parametrize("suffix", [".ckpt", ".ckpt.index"])
def test_slim_says_the_same_by_its_averages(suffix: str, tmp_path: Path) -> None:
    net = transformers_net("ImageClassification", num_labels=1001)
    write(tmp_path / "net.ckpt", slim(net))
    model = adopt_weights(tmp_path / f"net{suffix}", SIZE)
    agrees(said(model)[0, 0], transformers_logits(net)[0, 1:])
    assert model.source == (
        f"net{suffix}, named as TF-slim names",
        "the moving averages of the weights were taken",
        "class 0 (background) of 1001 was left out",
    )


def test_deeplab_says_the_same(tmp_path: Path) -> None:
    net = transformers_net("SemanticSegmentation", num_labels=21, output_stride=16)
    model = adopt_weights(write(tmp_path / "net.ckpt", slim(net), shards=2), SIZE)
    agrees(said(model), transformers_logits(net)[0].transpose(1, 2, 0))
    assert model.source[0] == "net.ckpt.index, named as TF DeepLab names"


def hostile(path: Path, pairs: dict[bytes, bytes]) -> Path:
    path.write_bytes(table({b"": message((1, 1))} | pairs))
    path.with_suffix(".data-00000-of-00001").write_bytes(bytes(64))
    return path


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (entry(1, (1 << 40,), 0, 1 << 42), "shorter than its index says"),
        (entry(1, (4,), 1 << 63, 16), "shorter than its index says"),
        (entry(1, (4,), 60, 16), "shorter than its index says"),
        (entry(1, (5,), 0, 16), r"16 bytes for the shape \(5,\)"),
        (entry(1, (2**64 - 1, 2**64 - 4), 0, 16), "16 bytes for the shape"),
        (entry(1, (0, 1 << 63), 0, 0), "cannot be read"),
        (entry(1, (1,) * 70, 0, 4), "70 axes"),
        (entry(1, (4,), 0, 16, shard=1), "there is no file .*data-00001-of-00001"),
        (entry(1, (4,), 0, 16) + message((7, b"")), "slices"),
        (b"\x0b", "no known kind"),
        (b"\x08" + b"\xff" * 11, "has no end"),
        (b"\x12\x7f", "points outside itself"),
    ],
)
def test_an_index_that_asks_too_much_is_refused(
    value: bytes, sentence: str, tmp_path: Path
) -> None:
    path = hostile(tmp_path / "bad.index", {b"weight": value})
    with pytest.raises(ValueError, match=rf"bad\.index.*{sentence}"):
        read_arrays(path)


def test_the_same_bytes_are_not_read_again_and_again(tmp_path: Path) -> None:
    value = entry(1, (16,), 0, 64)
    path = hostile(tmp_path / "bad.index", {b"a%d" % n: value for n in range(50)})
    with pytest.raises(ValueError, match="shorter than all the arrays said to be in it"):
        read_arrays(path)


def test_names_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = hostile(tmp_path / "bad.index", {b"n" * 2000: b""})
    with pytest.raises(ValueError, match="a name of more than 1024 letters"):
        read_arrays(path)
    monkeypatch.setattr(bundle, "MOST_KEYS", 10)
    hostile(path, {b"%d" % n: b"" for n in range(20)})
    with pytest.raises(ValueError, match="more than 10 names"):
        read_arrays(path)


def test_blocks_are_read_once_and_uncompressed(tmp_path: Path) -> None:
    inside = packed([(b"", message((1, 1)))])
    place = number(0) + number(len(inside))
    (tmp_path / "bad.index").write_bytes(ended({b"": inside}, {b"": place, b"x": place}))
    with pytest.raises(ValueError, match="bad.index .*its blocks overlap"):
        read_arrays(tmp_path / "bad.index")
    pressed = ended({b"": inside}).replace(closed(inside), closed(inside, kind=1), 1)
    (tmp_path / "bad.index").write_bytes(pressed)
    with pytest.raises(ValueError, match="bad.index .*compressed"):
        read_arrays(tmp_path / "bad.index")


@pytest.mark.parametrize("header", [b"", message((2, 1), (1, 1))])
def test_a_header_that_is_not_ours_is_refused(header: bytes, tmp_path: Path) -> None:
    path = hostile(tmp_path / "bad.index", {b"": header})
    with pytest.raises(ValueError, match="bad.index .*damaged, or of a machine"):
        read_arrays(path)


def test_an_absent_shard_is_named(tmp_path: Path) -> None:
    index = write(tmp_path / "net.ckpt", some_arrays(), shards=2)
    (tmp_path / "net.ckpt.data-00001-of-00002").unlink()
    with pytest.raises(ValueError, match="there is no file .*net.ckpt.data-00001-of-00002"):
        read_arrays(index)


def test_a_shard_cut_short_is_named(tmp_path: Path) -> None:
    index = write(tmp_path / "net.ckpt", some_arrays())
    shard = tmp_path / "net.ckpt.data-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"net.ckpt.data-00000-of-00001 is shorter"):
        read_arrays(index)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(data=st.data())
@settings(max_examples=150)
def test_a_damaged_index_is_refused_or_harmless(data: st.DataObject, folder: Path) -> None:
    arrays = {"conv/weights": np.ones((2, 3), np.float32), "conv/biases": np.zeros(3, np.float32)}
    index = write(folder / "damaged", arrays)
    whole = bytearray(index.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    index.write_bytes(whole[: data.draw(st.sampled_from([len(whole), len(whole) - 1]))])
    try:
        read = read_arrays(index)
    except ValueError as error:
        assert "damaged.index" in str(error)
    else:
        assert set(read) == set(arrays)
        assert all(np.array_equal(read[name], array) for name, array in arrays.items())


sizes = st.integers(0, 70) | st.integers(0, 2**64 - 1)
values = st.binary(max_size=40) | st.builds(
    entry, st.sampled_from([1, 2, 3, 7, 9, 19]), st.lists(sizes, max_size=4), sizes, sizes,
    st.integers(0, 1),
)  # fmt: skip
insides = st.binary(max_size=60) | st.lists(st.tuples(st.binary(max_size=9), values)).map(packed)


@given(blocks=st.lists(insides, max_size=3), header=st.booleans())
@settings(max_examples=300)
def test_a_hostile_index_with_right_checksums_is_refused(
    blocks: list[bytes], header: bool, folder: Path
) -> None:
    path = folder / "hostile.index"
    first = [packed([(b"", message((1, 1)))])] if header else []
    path.write_bytes(ended({b"%d" % n: inside for n, inside in enumerate([*first, *blocks])}))
    path.with_suffix(".data-00000-of-00001").write_bytes(bytes(64))
    with pytest.raises(ValueError, match="hostile.index"):
        adopt_weights(path)
