"""Which anchors answer for which box, and what their answers cost?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spindle.model import boxes
from spindle.model.answers import Detect

ENOUGH = 0.5  # overlap from which on an anchor answers for a box
Costs = Callable[[Tensor, Tensor, dict[str, Tensor]], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Matches:
    """What each anchor is to say, batch x anchors; one that is neither is not asked."""

    box: Tensor  # the row of its box, where it is positive
    positive: Tensor
    negative: Tensor


def corners(anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Anchors (centre, size) as boxes."""
    return np.concatenate(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1
    )


def area(boxes: Tensor) -> Tensor:
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def shared(a: Tensor, b: Tensor) -> Tensor:
    """The area each box of `a` has in common with each of `b`: batch x n x 4, m x 4."""
    low, high = a[:, :, None, :2].maximum(b[:, :2]), a[:, :, None, 2:].minimum(b[:, 2:])
    sides = (high - low).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def match(truth: dict[str, Tensor], places: Tensor) -> Matches:
    """As TensorFlow's argmax matcher: an anchor answers for the box it overlaps most, if by half;
    and the best anchor of each box answers for it, however little it overlaps.

    Where boxes share their best anchor the first has it.  An anchor on an ignored object says
    nothing; a crowd has no shape, so there it is enough that half of the anchor lies inside.
    """
    found = truth["boxes"]
    common, sizes = shared(found, places), area(places)  # batch x boxes x anchors
    overlap = common / (area(found)[..., None] + sizes - common).clamp(min=1e-12)
    ignored = truth["ignored"]
    real = (truth["kinds"] >= 0) & ~ignored

    judged = torch.where(real[..., None], overlap, -1)
    most, box = judged.max(dim=1)
    highest, anchor = judged.max(dim=2)
    first = torch.zeros_like(judged, dtype=torch.bool)
    first.scatter_(2, anchor[..., None], (highest > 0)[..., None])
    forced, owner = first.any(dim=1), first.byte().argmax(dim=1)

    crowds = truth.get("crowds", torch.zeros_like(ignored))[..., None]
    on = torch.where(crowds, common / sizes.clamp(min=1e-12), overlap) >= ENOUGH
    unasked = (on & ignored[..., None]).any(dim=1)
    positive = forced | (most >= ENOUGH)
    return Matches(torch.where(forced, owner, box), positive, ~positive & ~unasked)


def encode(boxes: Tensor, anchors: Tensor, variances: tuple[float, ...]) -> Tensor:
    """The coder of model/boxes.py, a box for each anchor, any number of batches."""
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6)
    shift = ((boxes[..., :2] + boxes[..., 2:]) / 2 - anchors[:, :2]) / anchors[:, 2:]
    moves = torch.cat([shift, (size / anchors[:, 2:]).log()], dim=-1)
    return moves / moves.new_tensor(variances)


def hardest(costs: Tensor, matches: Matches, ratio: float, least: int) -> Tensor:
    """The negatives that count: of each picture the dearest, so many for each positive."""
    quota = (ratio * matches.positive.sum(dim=1)).clamp(min=least)
    order = torch.where(matches.negative, costs, -1).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return matches.negative & (rank < quota[:, None])


def class_costs(scores: Tensor, kinds: Tensor, score: str, focal: float, alpha: float) -> Tensor:
    """Of each anchor; the scores are batch x anchors x columns, column 0 is the background.

    With sigmoids the background's column learns like any other, as in TensorFlow.  `focal` makes
    what is already right count less.
    """
    if score == "sigmoid":
        target = functional.one_hot(kinds, scores.shape[2]).to(scores.dtype)
        costs = functional.binary_cross_entropy_with_logits(scores, target, reduction="none")
    else:
        target = (kinds > 0).to(scores.dtype)
        costs = functional.cross_entropy(scores.mT, kinds, reduction="none")
    if focal:
        costs = (
            costs * (1 - (-costs).exp()) ** focal * (alpha * target + (1 - alpha) * (1 - target))
        )
    return costs.sum(dim=2) if score == "sigmoid" else costs


def multibox(
    op: Detect, ratio: float = 3.0, least: int = 3, focal: float = 0.0, alpha: float = 0.25
) -> Costs:
    """The costs of a batch of boxes and of classes, each summed, and how many anchors matched.

    Of the negatives the hardest count, `ratio` of them for each positive; or all, where `focal`
    weighs them.
    """
    fixed = boxes.anchors(op)
    cpu = torch.from_numpy(fixed), torch.from_numpy(corners(fixed))

    def costs(
        deltas: Tensor, scores: Tensor, truth: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """From columns, batch x 4 x anchors x 1 and batch x classes x anchors x 1."""
        anchors, places = (part.to(deltas.device) for part in cpu)
        matches = match(truth, places)
        own = matches.box[..., None].expand(-1, -1, 4)
        wanted = encode(truth["boxes"].gather(1, own), anchors, op.variances)
        off = functional.smooth_l1_loss(deltas[..., 0].mT, wanted, reduction="none").sum(dim=2)

        kinds = torch.where(matches.positive, truth["kinds"].gather(1, matches.box) + 1, 0)
        each = class_costs(scores[..., 0].mT, kinds, op.score, focal, alpha)
        asked = matches.negative if focal else hardest(each.detach(), matches, ratio, least)
        return (
            (off * matches.positive).sum(),
            (each * (matches.positive | asked)).sum(),
            matches.positive.sum(),
        )

    return costs
