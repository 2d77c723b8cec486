"""A picture in whatever form it comes is taken, or its giver is told what to write instead."""

from __future__ import annotations

from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from spindle.app.given import given
from spindle.app.predictor import Predictor
from spindle.data.preprocess import Unreadable, read_picture
from spindle.data.synthetic import scene
from spindle.model.family import mobilenet_v2
from spindle.model.weights import Model, initial

PICTURE = scene(3, 30, 40).picture


def file() -> bytes:
    kept = BytesIO()
    Pillow.fromarray(PICTURE).save(kept, "png")
    return kept.getvalue()


@pytest.mark.parametrize(
    "picture",
    [file(), bytearray(file()), memoryview(file()), BytesIO(file()), PICTURE,
     Pillow.fromarray(PICTURE),
     torch.from_numpy(PICTURE), np.dstack([PICTURE, PICTURE[..., :1]])],
    ids=lambda picture: type(picture).__name__,
)  # fmt: skip
def test_a_picture_is_taken_in_whatever_it_comes(picture: Any) -> None:
    assert np.array_equal(np.asarray(read_picture(given(picture))), PICTURE)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.bool_])
def test_grey_is_taken_as_well(kind: type) -> None:
    grey: Any = PICTURE[..., 0].astype(kind)
    assert given(grey) is grey


CURED = {
    "shares": (PICTURE / 255).astype(np.float32),
    "doubles": PICTURE.astype(np.float64),
    "whole numbers": PICTURE.astype(np.int64),
    "channels first": np.ascontiguousarray(PICTURE.transpose(2, 0, 1)),
    "shares, channels first": PICTURE.transpose(2, 0, 1) / 255,
    "a tensor of shares": torch.from_numpy(PICTURE / 255),
    "a tensor, channels first": torch.from_numpy(PICTURE).permute(2, 0, 1),
    "16 bits": PICTURE.astype(np.uint16) << 8,
    "one in a batch": PICTURE[None],
}


@pytest.mark.parametrize("name", CURED)
def test_the_cure_that_is_named_cures(name: str) -> None:
    picture = CURED[name]
    with pytest.raises(Unreadable, match="a picture is height x width x channels of bytes") as said:
        given(picture)
    cure = str(said.value).partition(": give ")[2]
    cured = eval(cure, {"picture": picture, "numpy": np})  # noqa: S307 (what a user would do)
    assert np.array_equal(np.asarray(read_picture(given(cured))), PICTURE)


def test_a_batch_is_given_as_a_list() -> None:
    graph = mobilenet_v2(0.1, 32, classes=3)
    model, batch = Predictor(Model(graph, initial(graph), "classify")), np.stack([PICTURE] * 2)
    with pytest.raises(Unreadable, match=r"give list\(picture\)"):
        model(batch)
    assert model(list(batch)) == [model(PICTURE)] * 2


@pytest.mark.parametrize(
    ("picture", "reason"),
    [((PICTURE - 127.5) / 50, "before it is normalized: the model does that itself"),
     (np.full((4, 4, 3), np.nan), "before it is normalized"),
     ("https://example.com/cat.jpg", "cat.jpg is an address: fetch it"),
     (StringIO("a cat"), "opened with 'rb'"),
     (torch.zeros(2, 2, 3, requires_grad=True), "this Tensor is no picture: .*detach")],
)  # fmt: skip
def test_what_is_none_is_told_why(picture: Any, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        given(picture)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    graph = mobilenet_v2(0.1, 32, classes=3)
    with pytest.raises(Unreadable, match="is a folder: give its pictures"):
        Predictor(Model(graph, initial(graph), "classify"))(tmp_path)
