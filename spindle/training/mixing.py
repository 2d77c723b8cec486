"""What is done to a whole batch at once?  Colour, policy, erasing, mixup and cutmix, on its device.

All that is drawn by lot is drawn by numpy from the seed of the step: neither the device nor the
number of workers has a say in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spindle.model.heads import Task

Floats = NDArray[np.float64]
Seed = int | Sequence[int]

WHOLE: tuple[Task, ...] = ("classify", "embed")  # no place in the picture has a truth of its own
GREY = np.array([0.299, 0.587, 0.114])
YIQ = np.array([GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
HUE = 0.25  # of a full turn, where brightness may double

GEOMETRY = ("shear across", "shear down", "move across", "move down", "turn")
COLOUR = ("brightness", "contrast", "saturation")
PLAIN = ("sharpness", "posterize", "solarize", "autocontrast", "equalize")
PLACELESS = ("identity", *COLOUR, *PLAIN)


@dataclass(frozen=True)
class Mixing:
    """How far pictures of a batch are changed; nothing by default."""

    colour: float = 0.0  # the most by which brightness, contrast and saturation change
    policy: Literal["none", "wide", "rand"] = "none"  # TrivialAugment wide, RandAugment
    magnitude: int = 9  # of RandAugment's two changes, of 30
    erase: float = 0.0  # the chance that a rectangle is erased
    mixup: float = 0.0  # alpha; 0 for none
    cutmix: float = 0.0  # alpha; 0 for none.  Where both are, a batch has one of them


@dataclass(frozen=True)
class Reach:
    """How far a policy's changes go at their strongest."""

    shear: float
    move: float  # shares of a side
    turn: float  # degrees
    enhance: float
    bits: int  # that posterizing drops


REACHES = {"wide": Reach(0.99, 32 / 224, 135, 0.99, 6), "rand": Reach(0.3, 150 / 331, 30, 0.9, 4)}


@dataclass(frozen=True)
class Mix:
    """A batch in which each picture is to this share itself, and for the rest its partner."""

    batch: Tensor  # batch x 3 x height x width, 0 to 255
    partner: Tensor  # int64: the place in the batch
    share: Tensor  # float32


def vary(batch: Tensor, mixing: Mixing, task: Task, seed: Seed) -> Mix:
    """A batch of bytes (batch x 3 x height x width) changed as the seed will have it.

    Where places have a truth of their own (boxes, masks, points), nothing is moved: of a policy
    only the changes of colour are drawn, and two pictures cannot be mixed.
    """
    if task != "classify" and (mixing.mixup or mixing.cutmix):
        raise ValueError(
            f"mixup and cutmix mix classes, and {task} has more than those: set both to 0"
        )
    rng = np.random.default_rng(seed)
    if mixing.policy != "none":
        kinds = (*PLACELESS, *GEOMETRY) if task in WHOLE else PLACELESS
        reach = REACHES[mixing.policy]
        for _ in range(2 if mixing.policy == "rand" else 1):
            strength = np.full(len(batch), mixing.magnitude / 30)
            if mixing.policy == "wide":
                strength = rng.integers(0, 31, len(batch)) / 30
            batch = change(batch, rng.choice(kinds, len(batch)), strength, reach, rng)
    if mixing.colour:
        batch = recolour(batch, jitter(mixing.colour, len(batch), rng))
    if mixing.erase:
        batch = erase(batch, mixing.erase, rng)
    blends = [blend for blend in ("mixup", "cutmix") if getattr(mixing, blend)]
    if not blends:
        alone = torch.arange(len(batch), device=batch.device)
        return Mix(batch, alone, torch.ones(len(batch), device=batch.device))
    blend = blends[int(rng.integers(len(blends)))]
    return (mixup if blend == "mixup" else cutmix)(batch, getattr(mixing, blend), rng)


def on(batch: Tensor, values: NDArray[Any], *shape: int) -> Tensor:
    """Numbers beside the batch: floats for floats."""
    tensor = torch.from_numpy(np.ascontiguousarray(values)).to(batch.device)
    tensor = tensor.float() if tensor.is_floating_point() else tensor
    return tensor.reshape(len(tensor), *shape) if shape else tensor


@dataclass(frozen=True)
class Colours:
    """For each picture, factors of brightness, contrast and saturation, and turns of its hue."""

    brightness: Floats
    contrast: Floats
    saturation: Floats
    hue: Floats


def jitter(reach: float, count: int, rng: np.random.Generator) -> Colours:
    factors = rng.uniform(max(1 - reach, 0), 1 + reach, (3, count))
    hue = rng.uniform(-reach * HUE, reach * HUE, count)
    return Colours(factors[0], factors[1], factors[2], hue)


def recolour(batch: Tensor, colours: Colours) -> Tensor:
    """Brightness, contrast, saturation and hue in this order, as one matrix a picture; floats.

    Saturation and hue leave greys alone, so contrast's mean grey passes them unchanged, and all
    four are `matrix @ pixel + level`; hue is turned in YIQ, where that is linear.
    """
    turn = 2 * pi * colours.hue
    rotation = np.zeros((len(turn), 3, 3))
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1] = rotation[:, 2, 2] = np.cos(turn)
    rotation[:, 1, 2], rotation[:, 2, 1] = -np.sin(turn), np.sin(turn)
    colourless = np.tile(GREY, (3, 1))
    vivid = colours.saturation[:, None, None]
    matrix = np.linalg.inv(YIQ) @ rotation @ YIQ @ (vivid * np.eye(3) + (1 - vivid) * colourless)
    matrix *= (colours.contrast * colours.brightness)[:, None, None]
    pixels = batch.flatten(2).float()
    grey = pixels.mean(2) @ on(batch, GREY)
    level = on(batch, (1 - colours.contrast) * colours.brightness) * grey
    changed = torch.baddbmm(level[:, None, None], on(batch, matrix), pixels)
    return changed.clamp_(0, 255).view(batch.shape)


def change(
    batch: Tensor, kinds: NDArray[Any], strength: Floats, reach: Reach, rng: np.random.Generator
) -> Tensor:
    """One change of a policy for each picture, each of its own kind; bytes stay bytes."""
    signed = rng.choice((-1.0, 1.0), len(batch)) * strength
    changed = batch.clone()
    for names in (GEOMETRY, COLOUR, *((kind,) for kind in PLAIN)):
        chosen = np.flatnonzero(np.isin(kinds, names))
        if chosen.size:
            place = on(batch, chosen)
            part, kind, amount = batch[place], kinds[chosen], signed[chosen]
            changed[place] = act(names, part, kind, amount, reach).to(batch.dtype)
    return changed


def act(
    names: tuple[str, ...], batch: Tensor, kinds: NDArray[Any], amount: Floats, reach: Reach
) -> Tensor:
    """What pictures become that are all to be changed in one of these ways."""
    if names == GEOMETRY:
        return move(batch, kinds, amount, reach).round_()
    if names == COLOUR:
        return enhance(batch, kinds, amount, reach).round_()
    match names[0]:
        case "sharpness":
            return sharpen(batch, 1 + reach.enhance * amount).round_().clamp_(0, 255)
        case "posterize":
            dropped = np.round(np.abs(amount) * reach.bits).astype(np.int64)
            return batch & on(batch, (255 >> dropped << dropped).astype(np.uint8), 1, 1, 1)
        case "solarize":
            limit = np.round(255 * (1 - np.abs(amount))).astype(np.uint8)
            return torch.where(batch >= on(batch, limit, 1, 1, 1), 255 - batch, batch)
        case "autocontrast":
            return stretch(batch)
    return equalize(batch)


def move(batch: Tensor, kinds: NDArray[Any], amount: Floats, reach: Reach) -> Tensor:
    """Sheared, moved or turned about the middle, one resampling for all; what comes in is grey."""
    count, _, high, wide = batch.shape
    turn = np.radians(reach.turn * amount) * (kinds == "turn")
    affine = np.zeros((count, 2, 3))  # from a pixel of the result to one of the picture
    affine[:, 0, 0] = affine[:, 1, 1] = np.cos(turn)
    affine[:, 0, 1] = np.sin(turn) + reach.shear * amount * (kinds == "shear across")
    affine[:, 1, 0] = -np.sin(turn) + reach.shear * amount * (kinds == "shear down")
    affine[:, 0, 2] = reach.move * amount * (kinds == "move across") * wide
    affine[:, 1, 2] = reach.move * amount * (kinds == "move down") * high
    x, y = (torch.arange(side, device=batch.device) - (side - 1) / 2 for side in (wide, high))
    (xx, xy, x1), (yx, yy, y1) = (row.unbind(1) for row in on(batch, affine, 2, 3, 1, 1).unbind(1))
    grid = torch.empty(count, high, wide, 2, device=batch.device)  # torch's sides are -1 to 1
    grid[..., 0] = (xx * x + (xy * y[:, None] + x1)) * (2 / wide)
    grid[..., 1] = (yx * x + (yy * y[:, None] + y1)) * (2 / high)
    return functional.grid_sample(batch.float() - 128, grid, align_corners=False) + 128


def enhance(batch: Tensor, kinds: NDArray[Any], amount: Floats, reach: Reach) -> Tensor:
    factor = 1 + reach.enhance * amount
    bright, contrast, vivid = (np.where(kinds == kind, factor, 1.0) for kind in COLOUR)
    return recolour(batch, Colours(bright, contrast, vivid, np.zeros(len(kinds))))


def sharpen(batch: Tensor, factor: Floats) -> Tensor:
    """Away from the smoothed picture or towards it; the outermost pixels stay."""
    pixels = batch.float()
    inner = pixels[..., 1:-1, 1:-1]
    rows = pixels[..., :-2] + pixels[..., 1:-1] + pixels[..., 2:]
    nine = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]
    smooth = pixels.clone()
    smooth[..., 1:-1, 1:-1] = (nine + inner * 4) / 13
    return torch.lerp(smooth, pixels, on(batch, factor, 1, 1, 1))


def stretch(batch: Tensor) -> Tensor:
    """Each channel's darkest becomes 0, its brightest 255."""
    low, high = (batch.flatten(2).aminmax(dim=2)[i][..., None, None].float() for i in (0, 1))
    factor = torch.where(high > low, 255 / (high - low).clamp(min=1), 1)
    return ((batch - torch.where(high > low, low, 0)) * factor + 1e-3).floor_()


def equalize(batch: Tensor) -> Tensor:
    """All bytes about equally frequent in each channel, by the rule that Pillow has."""
    values = batch.flatten(2).long()
    count, channels, pixels = values.shape
    row = torch.arange(count * channels, device=batch.device).view(count, channels, 1) * 256
    counts = torch.bincount((values + row).flatten(), minlength=count * channels * 256)
    counts = counts.view(count, channels, 256)
    brightest = counts.gather(2, values.amax(2, keepdim=True))
    step = (pixels - brightest) // 255
    table = (counts.cumsum(2) - counts + step // 2) // step.clamp(min=1)
    table = torch.where(step > 0, table, torch.arange(256, device=batch.device)).clamp_(0, 255)
    return table.to(batch.dtype).gather(2, values).view(batch.shape)


def rectangles(area: Floats, ratio: Floats, high: int, wide: int, at: Floats) -> NDArray[np.int64]:
    """Rows of left, top, right, bottom in pixels: of these shares of the area, about these places.

    What would reach beyond the picture is cut off.
    """
    across, down = np.sqrt(area * ratio) * wide, np.sqrt(area / ratio) * high
    sides = np.stack([across, down], axis=1) / 2
    middle = at * (wide, high)
    edges = np.concatenate([middle - sides, middle + sides], axis=1).round()
    return edges.clip(0, (wide, high, wide, high)).astype(np.int64)


def covered(batch: Tensor, edges: NDArray[np.int64]) -> Tensor:
    """Which pixels are in each picture's rectangle: batch x 1 x height x width."""
    x = torch.arange(batch.shape[3], device=batch.device)
    y = torch.arange(batch.shape[2], device=batch.device)[:, None]
    left, top, right, bottom = on(batch, edges.T)[:, :, None, None, None].unbind()
    return torch.logical_and((x >= left) & (x < right), (y >= top) & (y < bottom))


def erase(batch: Tensor, chance: float, rng: np.random.Generator) -> Tensor:
    """In some pictures a rectangle, up to a third of the area, takes the picture's mean colour."""
    count, _, high, wide = batch.shape
    area = rng.uniform(0.02, 1 / 3, count)
    ratio = np.exp(rng.uniform(log(0.3), log(3.3), count))
    area = np.minimum(area, np.minimum(ratio, 1 / ratio))  # no side is longer than the picture's
    half = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], axis=1) / 2
    edges = rectangles(area, ratio, high, wide, half + rng.random((count, 2)) * (1 - 2 * half))
    edges[rng.random(count) >= chance] = 0
    mean = batch.float().mean((2, 3), keepdim=True)
    return torch.where(covered(batch, edges), mean.to(batch.dtype), batch)


def mixup(batch: Tensor, alpha: float, rng: np.random.Generator) -> Mix:
    """Each picture shines through another."""
    partner = on(batch, rng.permutation(len(batch)))
    share = on(batch, rng.beta(alpha, alpha, len(batch)))
    pixels = batch.float()
    return Mix(torch.lerp(pixels[partner], pixels, share[:, None, None, None]), partner, share)


def cutmix(batch: Tensor, alpha: float, rng: np.random.Generator) -> Mix:
    """A rectangle of each picture shows what another has there; the share is counted in pixels."""
    count, _, high, wide = batch.shape
    partner = on(batch, rng.permutation(count))
    area = 1 - rng.beta(alpha, alpha, count)
    edges = rectangles(area, np.ones(count), high, wide, rng.random((count, 2)))
    gone = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1]) / (high * wide)
    mixed = torch.where(covered(batch, edges), batch[partner], batch)
    return Mix(mixed, partner, on(batch, 1 - gone))
