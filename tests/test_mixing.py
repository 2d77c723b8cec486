"""A batch is changed as Pillow would change each picture, and mixed in the shares that it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageOps
from torch import Tensor

from spindle.training import mixing
from spindle.training.mixing import REACHES, Colours, Mixing, vary

ALL = Mixing(colour=0.4, policy="rand", erase=0.5, mixup=0.2, cutmix=1.0)


def noise(seed: int, count: int = 4, high: int = 24, wide: int = 32) -> Tensor:
    """Smooth pictures, of different brightness."""
    rng = np.random.default_rng(seed)
    pictures = [
        Pillow.fromarray(rng.integers(20 * (i % 4), 256 - 9 * (i % 4), (5, 6, 3)).astype(np.uint8))
        for i in range(count)
    ]
    bicubic = Pillow.Resampling.BICUBIC
    pixels = np.stack([np.asarray(picture.resize((wide, high), bicubic)) for picture in pictures])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def pictures(batch: Tensor) -> list[Pillow.Image]:
    return [Pillow.fromarray(pixels.permute(1, 2, 0).byte().numpy()) for pixels in batch]


def changed(batch: Tensor, kind: str, strength: float, policy: str = "rand") -> Tensor:
    """All pictures changed in one way; the sign of it is up to the seed."""
    count = len(batch)
    rng = np.random.default_rng(0)
    return mixing.change(
        batch, np.full(count, kind), np.full(count, strength), REACHES[policy], rng
    )


def signs(count: int) -> Any:
    return np.random.default_rng(0).choice((-1.0, 1.0), count)


def apart(batch: Tensor, judged: list[Pillow.Image]) -> float:
    """The largest difference of a byte."""
    wanted = np.stack([np.asarray(picture) for picture in judged]).astype(float)
    return float(np.abs(batch.permute(0, 2, 3, 1).double().numpy() - wanted).max())


def by_hand(r: float, g: float, b: float, mean: float, how: list[float]) -> list[float]:
    """One pixel, change by change, as a textbook has it."""
    bright, contrast, vivid, turn = how
    pixel = [c * bright for c in (r, g, b)]
    pixel = [mean * bright + contrast * (c - mean * bright) for c in pixel]
    grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
    r, g, b = (grey + vivid * (c - grey) for c in pixel)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    i = 0.596 * r - 0.274 * g - 0.322 * b
    q = 0.211 * r - 0.523 * g + 0.312 * b
    turned = complex(i, q) * np.exp(2j * np.pi * turn)
    i, q = turned.real, turned.imag
    back = y + 0.956 * i + 0.621 * q, y - 0.272 * i - 0.647 * q, y - 1.106 * i + 1.703 * q
    return [min(max(c, 0.0), 255.0) for c in back]


FACTOR = st.floats(0, 2)


@settings(max_examples=50)
@given(st.integers(0, 999), st.tuples(FACTOR, FACTOR, FACTOR, st.floats(-0.5, 0.5)))
def test_one_matrix_is_four_changes_of_colour(seed: int, how: tuple[float, ...]) -> None:
    batch = noise(seed, count=2, high=3, wide=4)
    made = mixing.recolour(batch, Colours(*(np.full(2, value) for value in how)))
    for picture, result in zip(batch.double(), made, strict=True):
        r, g, b = picture.flatten(1).numpy()
        mean = float((0.299 * r + 0.587 * g + 0.114 * b).mean())
        wanted = [by_hand(*pixel, mean, list(how)) for pixel in zip(r, g, b, strict=True)]
        # the textbook's way back from YIQ is rounded to three digits
        assert np.abs(result.flatten(1).numpy().T - np.array(wanted)).max() < 3


@given(st.integers(0, 999), FACTOR)
def test_brightness_contrast_and_saturation_are_pillows(seed: int, factor: float) -> None:
    batch = noise(seed)
    ways = ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color
    for place, way in enumerate(ways):
        how = [np.ones(4), np.ones(4), np.ones(4), np.zeros(4)]
        how[place] = np.full(4, factor)
        made = mixing.recolour(batch, Colours(*how))
        assert apart(made, [way(picture).enhance(factor) for picture in pictures(batch)]) < 2.1


@given(st.integers(0, 999), st.sampled_from([0, 9, 15, 30]), st.sampled_from(["rand", "wide"]))
def test_a_policys_changes_of_colour_are_pillows(seed: int, bin: int, policy: str) -> None:
    batch, strength, reach = noise(seed), bin / 30, REACHES[policy]
    given, factors = pictures(batch), 1 + signs(4) * strength * reach.enhance
    bits, limit = 8 - round(strength * reach.bits), round(255 * (1 - strength))

    def made(kind: str) -> Tensor:
        return changed(batch, kind, strength, policy)

    assert torch.equal(made("identity"), batch)
    assert apart(made("posterize"), [ImageOps.posterize(p, bits) for p in given]) == 0
    assert apart(made("solarize"), [ImageOps.solarize(p, limit) for p in given]) == 0
    assert apart(made("equalize"), [ImageOps.equalize(p) for p in given]) == 0
    assert apart(made("autocontrast"), [ImageOps.autocontrast(p) for p in given]) <= 1
    for kind, way in (
        ("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color), ("sharpness", ImageEnhance.Sharpness),
    ):  # fmt: skip
        judged = [way(p).enhance(float(f)) for p, f in zip(given, factors, strict=True)]
        assert apart(made(kind), judged) < 2.1, kind


def test_sharpness_is_pillows_for_any_pixels() -> None:
    batch = torch.from_numpy(np.random.default_rng(0).integers(60, 190, (8, 3, 9, 12), np.uint8))
    for strength in (0.3, 0.6):
        factors = 1 + signs(8) * strength * REACHES["rand"].enhance
        judged = [
            ImageEnhance.Sharpness(picture).enhance(float(factor))
            for picture, factor in zip(pictures(batch), factors, strict=True)
        ]
        assert apart(changed(batch, "sharpness", strength), judged) < 2.1


def test_one_colour_is_neither_stretched_nor_equalized() -> None:
    flat = torch.full((2, 3, 20, 20), 77, dtype=torch.uint8)
    assert torch.equal(changed(flat, "autocontrast", 0.5), flat)
    assert torch.equal(changed(flat, "equalize", 0.5), flat)


@given(st.integers(0, 999), st.sampled_from([3, 9, 30]))
def test_a_policys_moves_are_pillows(seed: int, bin: int) -> None:
    batch, strength, reach = noise(seed, high=30, wide=40), bin / 30, REACHES["rand"]
    x, y, amounts = 20.0, 15.0, signs(4) * strength
    for kind in mixing.GEOMETRY:
        judged = []
        for picture, amount in zip(pictures(batch), amounts.tolist(), strict=True):
            turn, shear = np.radians(reach.turn * amount), reach.shear * amount
            c, s = np.cos(turn), np.sin(turn)
            steps = {
                "turn": (c, s, x - c * x - s * y, -s, c, y + s * x - c * y),
                "shear across": (1, shear, -shear * y, 0, 1, 0),
                "shear down": (1, 0, 0, shear, 1, -shear * x),
                "move across": (1, 0, reach.move * amount * 40, 0, 1, 0),
                "move down": (1, 0, 0, 0, 1, reach.move * amount * 30),
            }[kind]
            way, smooth = Pillow.Transform.AFFINE, Pillow.Resampling.BILINEAR
            grey = (128, 128, 128)
            judged.append(picture.transform(picture.size, way, steps, smooth, fillcolor=grey))
        made = changed(batch, kind, strength).float()
        wanted = torch.from_numpy(np.stack([np.asarray(p) for p in judged])).permute(0, 3, 1, 2)
        # along the edge Pillow fills what torch blends
        off = ((made - wanted.float()).abs() > 2).float()
        assert off.mean() < 0.12, kind
        assert off[..., 10:20, 14:26].max() == 0 or kind.startswith("move"), kind


def test_each_picture_has_a_change_of_its_own() -> None:
    batch = noise(1, count=1).repeat(40, 1, 1, 1)
    policies: tuple[Any, ...] = ("wide", "rand")
    for policy in policies:
        made = vary(batch, Mixing(policy=policy), "classify", 0).batch
        assert made.dtype == torch.uint8
        assert len({picture.numpy().tobytes() for picture in made}) > 15


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_where_places_have_a_truth_nothing_moves(task: Any) -> None:
    batch = torch.full((64, 3, 21, 21), 60, dtype=torch.uint8)
    batch[:, :, 4, 15] = 200
    moved = {}
    for asked in (task, "classify"):
        made = vary(batch, Mixing(policy="wide", colour=0.4), asked, 3).batch.float()
        odd = (made - made[:, :, :1, :1]).abs().sum(1).flatten(1)
        shown = odd[odd.amax(1) > 30].argmax(1)
        assert len(shown) > 10
        moved[asked] = (shown != 4 * 21 + 15).sum()
    assert moved[task] == 0 < moved["classify"]
    with pytest.raises(ValueError, match=f"mix classes, and {task} has more"):
        vary(batch, Mixing(mixup=0.2), task, 0)


def test_nothing_asked_nothing_done() -> None:
    batch = noise(0)
    made = vary(batch, Mixing(), "classify", 0)
    assert made.batch is batch and made.share.tolist() == [1] * 4
    assert made.partner.tolist() == [0, 1, 2, 3] and made.partner.dtype == torch.int64


@pytest.mark.parametrize("part", ["colour", "policy", "erase", "mixup", "cutmix", "all"])
def test_the_seed_decides_and_the_batch_given_stays(part: str) -> None:
    asked = ALL if part == "all" else replace(Mixing(), **{part: getattr(ALL, part)})
    batch = noise(0, count=16)
    before = batch.clone()
    one, same, other = (vary(batch, asked, "classify", seed) for seed in ((7, 1), (7, 1), (7, 2)))
    assert torch.equal(one.batch, same.batch) and torch.equal(one.share, same.share)
    assert torch.equal(one.partner, same.partner)
    assert not torch.equal(one.batch, other.batch) and torch.equal(batch, before)
    assert one.batch.shape == batch.shape
    assert one.batch.min() >= 0 and one.batch.max() <= 255


@given(st.integers(0, 10**6), st.floats(0.1, 5), st.sampled_from(["mixup", "cutmix"]))
def test_shares_are_what_is_seen(seed: int, alpha: float, kind: str) -> None:
    """Picture i is all red i."""
    batch = torch.zeros(8, 3, 12, 17, dtype=torch.uint8)
    batch[:, 0] = (torch.arange(8, dtype=torch.uint8) * 20)[:, None, None]
    asked = Mixing(mixup=alpha) if kind == "mixup" else Mixing(cutmix=alpha)
    made = vary(batch, asked, "classify", seed)
    assert sorted(made.partner.tolist()) == list(range(8)) and made.share.dtype == torch.float32
    assert made.share.min() >= 0 and made.share.max() <= 1
    for place, partner, share, picture in zip(
        range(8), made.partner.tolist(), made.share.tolist(), made.batch.float(), strict=True
    ):
        wanted = share * place * 20 + (1 - share) * partner * 20
        assert picture[0].mean().item() == pytest.approx(wanted, abs=1e-3)
        if kind == "mixup":
            assert picture[0].std() < 1e-3
        else:
            assert set(picture[0].unique().tolist()) <= {place * 20.0, partner * 20.0}


def test_where_both_are_asked_for_a_batch_has_one() -> None:
    batch = (torch.arange(8, dtype=torch.uint8) * 16)[:, None, None, None].repeat(1, 3, 16, 16)
    flat = 0
    for seed in range(60):
        made = vary(batch, Mixing(mixup=1.0, cutmix=1.0), "classify", seed).batch
        flat += bool((made.float().std((1, 2, 3)) < 1e-3).all())
    assert 15 < flat < 45


def test_what_is_erased_is_a_rectangle_of_the_mean_colour() -> None:
    batch = noise(3, count=64, high=40, wide=56)
    made = vary(batch, Mixing(erase=0.6), "detect", 0).batch
    shares = []
    for before, after in zip(batch, made, strict=True):
        gone = (before != after).any(0)
        if not gone.any():
            continue
        rows, columns = gone.any(1).nonzero().flatten(), gone.any(0).nonzero().flatten()
        hole = after[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert (hole == hole[:, :1, :1]).all()
        assert (hole[:, 0, 0].float() - before.float().mean((1, 2))).abs().max() <= 1
        shares.append(hole[0].numel() / before[0].numel())
    assert 0.4 * 64 < len(shares) < 0.8 * 64
    assert min(shares) > 0.01 and max(shares) < 0.36 and np.ptp(shares) > 0.15


def test_colour_goes_no_further_than_asked() -> None:
    grey = torch.full((200, 3, 8, 8), 100, dtype=torch.uint8)
    level = vary(grey, Mixing(colour=0.3), "pose", 0).batch.mean((1, 2, 3))
    assert 69.9 < level.min() < 75 and 125 < level.max() < 130.1
