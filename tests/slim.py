"""TensorFlow's checkpoints, written: the format from its description, the names as slim has them.

No line is shared with the reader. The checksums of arrays are left out: they would take minutes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pairs = Iterable[tuple[bytes, bytes]]
CODES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10, "float16": 19}
TRUNK = {
    "first_conv": "Conv", "conv_3x3": "expanded_conv/depthwise", "conv_1x1": "Conv_1",
    "reduce_1x1": "expanded_conv/project", "conv_pool": "image_pooling", "conv_aspp": "aspp0",
    "conv_projection": "concat_projection",
}  # fmt: skip
BLOCK = {"expand_1x1": "expand", "conv_3x3": "depthwise", "reduce_1x1": "project"}
NORM = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
    "running_var": "moving_variance",
}  # fmt: skip


def crc(data: bytes) -> int:
    """CRC-32C bit by bit, over the reflected polynomial."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = (rest >> 1) ^ (0x82F63B78 * (rest & 1))
    return rest ^ 0xFFFFFFFF


def number(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + number(high) if high else bytes([low])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """A protocol buffer; what is zero is left out, as version 3 does."""
    parts = []
    for key, value in fields:
        if isinstance(value, bytes):
            parts.append(number(key << 3 | 2) + number(len(value)) + value)
        elif value:
            parts.append(number(key << 3) + number(value))
    return b"".join(parts)


def entry(code: int, shape: Iterable[int], offset: int, size: int, shard: int = 0) -> bytes:
    sides = message(*((2, message((1, side))) for side in shape))
    head = message((1, code), (2, sides), (3, shard), (4, offset), (5, size))
    return head + number(6 << 3 | 5) + struct.pack("<I", 0xDEADBEEF)


def packed(pairs: Pairs, interval: int = 16) -> bytes:
    """The inside of a block: keys without what they share, restarts, and their count."""
    body, restarts, before = b"", [0], b""
    for count, (key, value) in enumerate(pairs):
        shared = 0
        if count and count % interval == 0:
            restarts.append(len(body))
        elif count:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        sizes = number(shared) + number(len(key) - shared) + number(len(value))
        body, before = body + sizes + key[shared:] + value, key
    return body + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def closed(inside: bytes, kind: int = 0) -> bytes:
    """A block as it lies in the file, with its kind and its masked checksum."""
    whole = inside + bytes([kind])
    sum_ = crc(whole)
    return whole + struct.pack("<I", ((sum_ >> 15 | sum_ << 17) + 0xA282EAD8) % 2**32)


def ended(blocks: dict[bytes, bytes], places: dict[bytes, bytes] | None = None) -> bytes:
    """A table of blocks, each by its last key: with an empty metaindex, an index, and a footer."""
    file, found = b"", {}
    for last, inside in blocks.items():
        found[last] = number(len(file)) + number(len(inside))
        file += closed(inside)
    meta = number(len(file)) + number(len(packed([])))
    file += closed(packed([]))
    rows = packed((places or found).items(), interval=1)
    footer = meta + number(len(file)) + number(len(rows))
    return file + closed(rows) + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def table(pairs: dict[bytes, bytes], most: int = 1024) -> bytes:
    blocks, row, size = dict[bytes, bytes](), list[tuple[bytes, bytes]](), 0
    for key in sorted(pairs):
        row.append((key, pairs[key]))
        size += len(key) + len(pairs[key])
        if size > most:
            blocks[key], row, size = packed(row), [], 0
    return ended(blocks | {row[-1][0]: packed(row)} if row else blocks)


def write(path: Path, arrays: dict[str, NDArray[Any]], shards: int = 1) -> Path:
    """A whole checkpoint; gives the path of its index."""
    data, pairs = [b""] * shards, {b"": message((1, shards), (3, message((1, 1))))}
    for count, (name, array) in enumerate(sorted(arrays.items())):
        place, code = count % shards, CODES[array.dtype.name]
        size = array.nbytes
        pairs[name.encode()] = entry(code, array.shape, len(data[place]), size, place)
        data[place] += array.tobytes()
    for place, content in enumerate(data):
        path.with_name(f"{path.name}.data-{place:05d}-of-{shards:05d}").write_bytes(content)
    index = path.with_name(f"{path.name}.index")
    index.write_bytes(table(pairs))
    return index


def slim_name(name: str) -> str:
    """What slim calls an array of transformers."""
    head, _, part = name.removeprefix("mobilenet_v2.").rpartition(".")
    if head.startswith("segmentation_head.classifier"):
        return f"logits/semantic/{'weights' if part == 'weight' else 'biases'}"
    if head == "classifier":
        return f"MobilenetV2/Logits/Conv2d_1c_1x1/{'weights' if part == 'weight' else 'biases'}"
    *place, conv, kind = head.split(".")
    unit = TRUNK.get(conv, "")
    if place[:1] == ["layer"]:
        unit = f"expanded_conv_{int(place[1]) + 1}/{BLOCK[conv]}"
    if place != ["segmentation_head"]:
        unit = f"MobilenetV2/{unit}"
    if kind == "normalization":
        return f"{unit}/BatchNorm/{NORM[part]}"
    return f"{unit}/{'depthwise_weights' if unit.endswith('depthwise') else 'weights'}"


def slim(net: Any) -> dict[str, NDArray[Any]]:
    """A network of transformers as slim trains it: averages, slots of RMSProp, a step counter."""
    rng = np.random.default_rng(5)
    arrays: dict[str, NDArray[Any]] = {"global_step": np.array(9, np.int64)}
    for key, tensor in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        name, array = slim_name(key), tensor.numpy()
        if name.endswith("weights"):
            array = array.reshape(*array.shape, *(1, 1)[: 4 - array.ndim])
            array = array.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))
        arrays[name] = np.ascontiguousarray(array)
        if "moving" not in name:
            arrays[f"{name}/ExponentialMovingAverage"] = arrays[name]
            for other in ("", "/RMSProp", "/RMSProp_1"):
                arrays[name + other] = rng.normal(size=arrays[name].shape).astype(np.float32)
    return arrays
