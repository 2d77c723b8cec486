"""What does a batch of answers cost?  For each task, against the truth or against a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spindle.data.samples import VOID
from spindle.model import ops, tasks
from spindle.model.answers import Detect, Normalize, Softmax
from spindle.model.graph import Graph, pruned
from spindle.model.heads import Task
from spindle.training.multibox import multibox

Tensors = dict[str, Tensor]
Truths = Tensors | Sequence[dict[str, Any]]  # of a batch, or one of each picture in numpy
NOBODY = -1  # the kind of a picture that teaches none
NARROWEST = 1.5  # pixels of a hill's sigma: of a narrower one too few pixels tell where to climb
ROWS = ("boxes", "kinds", "ignored", "crowds")  # of which each picture has its own number

# what each task learns on, in the order in which `learnt` gives it
ROLES: dict[Task, tuple[str, ...]] = {
    "classify": ("logits",),
    "detect": ("boxes", "classes"),
    "segment": ("logits",),
    "pose": ("heatmaps",),
    "embed": ("pooled", "embedding", "identities"),
}


@dataclass(frozen=True)
class Terms:
    """What may differ from one lesson's costs to the next."""

    smoothing: float = 0.0  # of classes, pixels' classes and identities: the share all others get
    negatives: float = 3.0  # detect: anchors on nothing that count, for each one on a box
    focal: float = 0.0  # detect: weigh all anchors by how wrong they are, instead of choosing
    alpha: float = 0.25  # detect, with focal: the share of the positives
    balance: float = 0.0  # segment: rare classes count for more, by this power of how rare
    sigma: float = 2.0  # pose: of the target, in pixels of a heatmap 64 high
    triplet: float = 1.0  # embed: beside 1 for the identities
    across: Callable[[Tensor], Tensor] = lambda count: count
    """From how many things this machine's batch has to the mean over all machines: then the mean
    of their gradients is the gradient of one machine with all their batches."""

    def per(self, cost: Tensor, count: Tensor) -> Tensor:
        """A sum of costs, for each of so many; a batch that teaches nothing costs its sum."""
        count = self.across(count.to(cost.dtype))
        return cost / torch.where(count > 0, count, 1)


def learnt(graph: Graph, task: Task) -> Graph:
    """The graph cut to the outputs that are learnt on, in the order of ROLES; its weights stay."""
    return pruned(graph.ops, tuple(roles(graph, task).values()))


def roles(graph: Graph, task: Task) -> dict[str, ops.Tensor]:
    """The tensors that are learnt on, found by what the deciding op reads."""
    tasks.answering(graph, task)
    last = tasks.deciding(graph)
    match task:
        case "classify":
            found: tuple[ops.Tensor, ...] = (
                last.inputs if isinstance(last, Softmax) else (last.output,)
            )
        case "embed":
            rest = (tensor for tensor in graph.outputs[1:] if tensor.shape[:2] == (1, 1))
            found = before_the_neck(graph), graph.output, *rest
        case _:
            found = last.inputs
    return dict(zip(ROLES[task], found, strict=False))


def before_the_neck(graph: Graph) -> ops.Tensor:
    makers = {op.name: op for op in graph.ops}
    op = tasks.deciding(graph)
    while isinstance(op, Normalize | ops.BatchNorm):
        op = makers[op.inputs[0].name]
    return op.output


def named(made: Tensor | tuple[Tensor, ...], task: Task) -> Tensors:
    """What a learnt graph's Network gives, each output under its role."""
    outputs = made if isinstance(made, tuple) else (made,)
    return dict(zip(ROLES[task], outputs, strict=False))


def collate(truths: Sequence[dict[str, Any]]) -> Tensors:
    """The truths of a batch in one; objects are padded to the most of any picture, at least one."""
    return {key: stacked(key, [np.asarray(truth[key]) for truth in truths]) for key in truths[0]}


def stacked(key: str, arrays: list[NDArray[Any]]) -> Tensor:
    if key in ROWS:
        most = max(1, *map(len, arrays))
        shape = (len(arrays), most, *arrays[0].shape[1:])
        padded = np.full(shape, NOBODY if key == "kinds" else 0, arrays[0].dtype)
        for row, array in zip(padded, arrays, strict=True):
            row[: len(array)] = array
        return torch.from_numpy(padded)
    return torch.from_numpy(np.stack(arrays))


@dataclass(frozen=True)
class Loss:
    """What a batch costs: the sum, to learn from, and each part under its name, to tell.

    In float32 at least, autocast or not.
    """

    parts: Callable[[Tensors, Tensors], Tensors]

    def __call__(self, outputs: Tensors, truth: Truths) -> tuple[Tensor, Tensors]:
        batch = truth if isinstance(truth, dict) else collate(truth)
        device = next(iter(outputs.values())).device
        batch = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
        parts = self.parts({key: precise(value) for key, value in outputs.items()}, batch)
        total = torch.stack(tuple(parts.values())).sum()
        return total, {name: part.detach() for name, part in parts.items()}


def precise(value: Tensor) -> Tensor:
    return value.to(torch.promote_types(value.dtype, torch.float32))


def loss_for(graph: Graph, task: Task, **settings: Any) -> Loss:
    """The costs of this network's answers; `graph` is the whole one, settings are Terms'."""
    tasks.answering(graph, task)
    terms = Terms(**settings)
    match task:
        case "classify":
            return Loss(lambda outputs, truth: classify(outputs, truth, terms))
        case "detect":
            last = tasks.deciding(graph)
            assert isinstance(last, Detect)
            return Loss(detector(last, terms))
        case "segment":
            return Loss(lambda outputs, truth: segment(outputs, truth, terms))
        case "pose":
            return Loss(lambda outputs, truth: pose(outputs, truth, terms))
        case "embed":
            return Loss(lambda outputs, truth: embed(outputs, truth, terms))


def classes(logits: Tensor, kinds: Tensor, terms: Terms, nobody: int = NOBODY) -> Tensor:
    """Cross entropy of each; 0 where the kind is nobody's."""
    return functional.cross_entropy(
        logits, kinds, ignore_index=nobody, label_smoothing=terms.smoothing, reduction="none"
    )


def classify(outputs: Tensors, truth: Tensors, terms: Terms) -> Tensors:
    """`partner` (a place in the batch) and `share` say of mixed pictures what they are made of."""
    logits, kinds = outputs["logits"].flatten(1), truth["kind"]
    costs = classes(logits, kinds, terms)
    if "partner" in truth:
        other = classes(logits, kinds[truth["partner"]], terms)
        costs = truth["share"] * costs + (1 - truth["share"]) * other
    return {"class": terms.per(costs.sum(), (kinds != NOBODY).sum())}


def detector(op: Detect, terms: Terms) -> Callable[[Tensors, Tensors], Tensors]:
    costs = multibox(op, terms.negatives, focal=terms.focal, alpha=terms.alpha)

    def detect(outputs: Tensors, truth: Tensors) -> Tensors:
        box, kind, count = costs(outputs["boxes"], outputs["classes"], truth)
        return {"class": terms.per(kind, count), "box": terms.per(box, count)}

    return detect


def segment(outputs: Tensors, truth: Tensors, terms: Terms) -> Tensors:
    logits, mask = outputs["logits"], truth["mask"].long()
    if logits.shape[2:] != mask.shape[1:]:  # a network that decides at a coarser scale
        logits = functional.interpolate(logits, mask.shape[1:], mode="bilinear")
    mask = torch.where(mask < logits.shape[1], mask, VOID)  # a number without a class is nobody's
    known, costs = mask != VOID, classes(logits, mask, terms, VOID)
    if terms.balance:
        pixels = torch.bincount(mask[known], minlength=logits.shape[1])
        costs = costs * rareness(terms.across(pixels.to(costs.dtype)), terms.balance)[mask * known]
    return {"class": terms.per(costs.sum(), known.sum())}


def rareness(counts: Tensor, balance: float) -> Tensor:
    """What one of each class weighs, 1 in the mean over all that there are."""
    weights = counts.clamp(min=1e-6) ** -balance
    return weights * counts.sum() / (weights * counts).sum().clamp(min=1e-6)


def pose(outputs: Tensors, truth: Tensors, terms: Terms) -> Tensors:
    """Squares against a hill on each point, as a share of the hill's own: 1 for a blank map.

    Of whatever size the map, the gradients stay large enough to be told from nothing.  What is not
    labelled or outside weighs nothing.
    """
    heat, points = outputs["heatmaps"], truth["points"]
    inside = ((points[..., :2] >= 0) & (points[..., :2] < 1)).all(dim=2)
    known = inside & (points[..., 2] > 0)
    sigma = max(terms.sigma * heat.shape[2] / 64, NARROWEST)
    target = hills(points, heat.shape[2], heat.shape[3], sigma)
    costs = (heat - target).square().sum(dim=(2, 3)) / (pi * sigma**2)
    return {"heat": terms.per(torch.where(known, costs, 0).sum(), known.sum())}


def hills(points: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """A hill of height 1 on each point, batch x points x height x width.

    Its top is the point itself, between pixels: the middle of pixel i lies at (i + 0.5) / width,
    as Peaks reads it.
    """

    def slope(shares: Tensor, count: int) -> Tensor:
        pixels = torch.arange(count, device=shares.device) + 0.5
        return (-0.5 * ((pixels - shares[..., None] * count) / sigma).square()).exp()

    return slope(points[..., 1], height)[..., None] * slope(points[..., 0], width)[..., None, :]


def embed(outputs: Tensors, truth: Tensors, terms: Terms) -> Tensors:
    kinds, parts = truth["kind"], {}
    if "identities" in outputs:
        costs = classes(outputs["identities"].flatten(1), kinds, terms)
        parts["identity"] = terms.per(costs.sum(), (kinds != NOBODY).sum())
    else:  # the neck still counts its statistics: a gradient of 0 keeps it known to all machines
        parts["identity"] = 0 * outputs["embedding"].sum()
    parts["triplet"] = terms.triplet * triplet(outputs["pooled"].flatten(1), kinds)
    return parts


def triplet(vectors: Tensor, kinds: Tensor) -> Tensor:
    """Batch-hard with a soft margin: the farthest of its own against the nearest stranger."""
    apart = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")
    known = kinds != NOBODY
    same = kinds[:, None] == kinds
    own = same & ~torch.eye(len(kinds), dtype=torch.bool, device=kinds.device)
    strange = ~same & known
    judged = known & own.any(dim=1) & strange.any(dim=1)
    far = torch.where(own, apart, 0).amax(dim=1)
    near = torch.where(strange, apart, torch.inf).amin(dim=1)
    costs = functional.softplus(torch.where(judged, far - near, 0))
    return torch.where(judged, costs, 0).sum() / judged.sum().clamp(min=1)


def distil(
    outputs: Tensors, teacher: Tensors, task: Task, temperature: float = 1.0,
    score: Literal["sigmoid", "softmax"] = "sigmoid",
) -> Tensor:  # fmt: skip
    """How far a network's answers are from a teacher's; both under their roles, 0 for the same.

    A temperature above 1 shows how the teacher ranks what it takes for unlikely; `score` is that
    of both networks' Detect.
    """
    ours = {key: value.float() for key, value in outputs.items()}
    theirs = {key: value.detach().float() for key, value in teacher.items()}
    match task:
        case "classify" | "segment":
            return softened(*pair(ours, theirs, "logits"), temperature).mean()
        case "pose":
            return functional.mse_loss(*pair(ours, theirs, "heatmaps"))
        case "embed":
            near = functional.cosine_similarity(*pair(ours, theirs, "embedding"))
            return (1 - near).mean()
        case "detect":
            deltas = pair(ours, theirs, "boxes")
            return taught(deltas, pair(ours, theirs, "classes"), temperature, score)


def pair(ours: Tensors, theirs: Tensors, role: str) -> tuple[Tensor, Tensor]:
    """Both answers of one role; a teacher's map is brought to the size of the pupil's."""
    own, other = ours[role], theirs[role]
    if role in ("logits", "heatmaps") and own.shape[2:] != other.shape[2:]:
        other = functional.interpolate(other, own.shape[2:], mode="bilinear")
    if own.shape != other.shape:
        raise ValueError(
            f"the teacher's {role} are {tuple(other.shape[1:])}, the network's "
            f"{tuple(own.shape[1:])}: a teacher has the same labels, anchors and length of vectors"
        )
    return own, other


def softened(own: Tensor, other: Tensor, temperature: float) -> Tensor:
    """The divergence of each row's classes from the teacher's; the gradient keeps its scale."""
    logs = (own / temperature).log_softmax(dim=1), (other / temperature).log_softmax(dim=1)
    return functional.kl_div(*logs, reduction="none", log_target=True).sum(1) * temperature**2


def taught(
    deltas: tuple[Tensor, Tensor], scores: tuple[Tensor, Tensor], temperature: float, score: str
) -> Tensor:
    """Boxes count where the teacher sees something; it all is told for each thing it sees."""
    own, other = scores
    if score == "sigmoid":
        chance = (other / temperature).sigmoid()
        cross, least = (
            functional.binary_cross_entropy_with_logits(x / temperature, chance, reduction="none")
            for x in scores
        )
        seen, apart = other[:, 1:].sigmoid().amax(dim=1), (cross - least).sum(1) * temperature**2
    else:
        seen, apart = 1 - other.softmax(dim=1)[:, 0], softened(own, other, temperature)
    off = functional.smooth_l1_loss(*deltas, reduction="none").sum(dim=1)
    return (apart.sum() + (off * seen).sum()) / seen.sum().clamp(min=1)
