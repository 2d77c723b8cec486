"""What can be learnt in seconds?  The last layer alone, from features that are computed once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from math import inf
from statistics import mean
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spindle.model.graph import Graph
from spindle.model.ops import Conv, Fit, Image
from spindle.model.ops import Tensor as Place
from spindle.model.weights import Weights
from spindle.training.layout import quick
from spindle.training.network import Network
from spindle.training.transfer import predictors

T = TypeVar("T")
Floats = NDArray[np.float32]
Lessons = tuple[Tensor, Tensor]  # features, classes
Ask = Callable[[NDArray[Any]], Floats]  # pictures or maps, and what a trunk says of each
Reading = Callable[[Graph, Weights, int], "Ask | None"]  # a trunk that so many are to be shown to
PIXELS, MOST = 8 * 224 * 224, 64  # in a batch: what a core's cache still holds; measured
PENALTIES = tuple(10.0 ** (-half / 2) for half in range(11))  # strongest first
FOLDS, FEW = 5, 2000  # of more pictures than those few, one fold says enough
STEPS = 100  # of L-BFGS at most, for each penalty


def trunk(graph: Graph, weights: Weights, taught: int = 0) -> tuple[Graph, Weights]:
    """The part of a classifier before its last convolution, and before so many more."""
    last = predictors(graph, "classify")
    if [(op.norm, op.act, op.inputs[0].shape[:2]) for op in last] != [(None, None, (1, 1))]:
        raise ValueError("only a classifier that ends in one layer can be taught that layer alone")
    part = graph.until(last[0].inputs[0].name)
    part = part.until(before(part, taught).name)
    return part, {name: weights[name] for name in part.arrays}


def before(graph: Graph, taught: int) -> Place:
    """The last tensor through which all goes that so many convolutions stand behind."""
    needed = {graph.output.name}
    for op in reversed(graph.ops[1:]):
        if taught <= 0 and needed == {op.name}:
            return op.output
        taught -= isinstance(op, Conv)
        needed = needed - {op.name} | {tensor.name for tensor in op.reads}
    raise ValueError("this network is too short for its end to be taught alone")


def by_torch(graph: Graph, weights: Weights, device: str = "cpu") -> Ask:
    """The trunk as torch reads it."""
    network = quick(Network(graph, weights).to(device))

    def ask(pictures: NDArray[Any]) -> Floats:
        made = network(torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2))
        assert isinstance(made, Tensor)  # a trunk has one output
        return made.permute(0, 2, 3, 1).flatten(1).cpu().numpy()

    return ask


def features(
    ask: Ask,
    image: Image,
    samples: Iterable[T],
    see: Callable[[T], NDArray[Any]],
    mirrored: bool = False,
    workers: int = 2,
    show: Callable[[int], None] = lambda done: None,
) -> Floats:
    """What a classifier's trunk says of each sample: samples x views x channels.

    `see` gives a sample's pixels as the graph's `image` wants them; a view more is its mirror
    image.  Each worker reads and judges a batch on one core: cores that share a batch wait for
    each other, and between reading and judging as well.
    """
    size = min(max(PIXELS // (image.height * image.width), 1), MOST)

    def judge(batch: list[T]) -> Floats:
        pictures = np.stack([see(sample) for sample in batch])
        views = [pictures]
        if mirrored:
            views.append(np.ascontiguousarray(pictures[:, :, ::-1]))
        return np.stack([ask(view) for view in views], 1)

    made, done = [], 0
    with single(), ThreadPoolExecutor(workers) as pool:
        for rows in in_order(pool, judge, batches(samples, size)):
            made.append(rows)
            show(done := done + len(rows))
    if not made:
        raise ValueError("there are no pictures to learn from")
    return np.concatenate(made)


@contextmanager
def single() -> Iterator[None]:
    """Torch does each op on one core: the workers are what the cores are shared among."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def batches(samples: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(samples)
    while batch := list(islice(rest, size)):
        yield batch


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[T], Floats], items: Iterable[T], ahead: int = 16
) -> Iterator[Floats]:
    """What work makes of each item; only so many are begun before they are asked for."""
    begun: deque[Future[Floats]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) == ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


def fit_classifier(
    rows: Floats, kinds: NDArray[np.int64], classes: int, seed: int = 0
) -> tuple[Floats, Floats]:
    """Weight (classes x channels) and bias of the layer that best tells these features apart."""
    weight, bias, _ = fitted(rows, kinds, classes, seed)
    return weight, bias


def fitted(
    rows: Floats, kinds: NDArray[np.int64], classes: int, seed: int = 0
) -> tuple[Floats, Floats, float]:
    """That layer, by multinomial logistic regression, and how surprising held-out pictures were.

    Its penalty is the one under which they surprise least.  Rows are samples x views x channels: a
    picture's views stay together, and of a held-out one only the first counts.
    """
    views, channels = rows.shape[1:]
    flat = rows.reshape(-1, channels)
    middle = flat.mean(0, dtype=np.float64)
    scale = float(np.sqrt(flat.var(0, dtype=np.float64).mean())) or 1.0
    truth = torch.from_numpy(kinds)
    with single():
        x = torch.from_numpy(((rows - middle) / scale).astype(np.float32))
        axes = spread(x.flatten(0, 1))
        x = x @ axes

        def lessons(chosen: Tensor) -> Lessons:
            return x[chosen].flatten(0, 1), truth[chosen].repeat_interleave(views)

        start = torch.zeros(classes, axes.shape[1] + 1)
        folds = [torch.from_numpy(held) for held in held_out(kinds, seed)]
        parts = [(lessons(~held), (x[held, 0], truth[held])) for held in folds]
        penalty, surprise = choose(parts, start)
        theta = descend(start, *lessons(torch.arange(len(x))), penalty).double()
        weight = (theta[:, :-1] @ axes.double().T / scale).numpy()
    bias = theta[:, -1].numpy() - weight @ middle
    return weight.astype(np.float32), bias.astype(np.float32), surprise


def spread(x: Tensor) -> Tensor:
    """The directions in which features differ at all, as columns: few, of few pictures."""
    lengths, axes = torch.linalg.eigh(x.T @ x)
    kept: Tensor = axes[:, lengths > 1e-6 * lengths[-1]]
    return kept


def held_out(kinds: NDArray[np.int64], seed: int) -> list[NDArray[np.bool_]]:
    """Which pictures are held out, fold by fold: of each class its share."""
    fold = np.empty(len(kinds), np.int64)
    order = np.random.default_rng(seed).permutation(len(kinds))
    for kind in np.unique(kinds):
        own = order[kinds[order] == kind]
        fold[own] = (np.arange(len(own)) + kind) % FOLDS
    count = FOLDS if len(kinds) <= FEW else 1
    folds = [fold == number for number in range(count)]
    return [held for held in folds if held.any() and not held.all()]


def choose(parts: list[tuple[Lessons, Lessons]], start: Tensor) -> tuple[float, float]:
    """The penalty after which what was held out surprises least, and by how much that does.

    From the strongest down, each going on from the last, until two in a row are worse.
    """
    best, chosen, worse = inf, PENALTIES[len(PENALTIES) // 2], 0
    thetas = [start for _ in parts]
    for penalty in PENALTIES if parts else ():
        thetas = [
            descend(theta, *lessons, penalty)
            for theta, (lessons, _) in zip(thetas, parts, strict=True)
        ]
        surprise = mean(
            functional.cross_entropy(said(theta, x), truth).item()
            for theta, (_, (x, truth)) in zip(thetas, parts, strict=True)
        )
        if surprise < best:
            best, chosen, worse = surprise, penalty, 0
        else:
            worse += 1
        if worse == 2:
            break
    return chosen, best


def said(theta: Tensor, x: Tensor) -> Tensor:
    return functional.linear(x, theta[:, :-1], theta[:, -1])


def descend(start: Tensor, x: Tensor, truth: Tensor, penalty: float) -> Tensor:
    """The weights, with the biases as their last column, that fit best under a penalty.

    L-BFGS, in units in which the loss is about equally curved every way: few steps are enough.
    """
    unit = torch.cat([(penalty + x.square().mean(0) / 4).rsqrt(), torch.ones(1)])
    step = (start / unit).requires_grad_()
    optimizer = torch.optim.LBFGS(  # ends where no answer would change any more
        [step], max_iter=STEPS, tolerance_grad=1e-4, tolerance_change=1e-6,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> float:
        optimizer.zero_grad()
        theta = step * unit
        lost = functional.cross_entropy(said(theta, x), truth)
        lost = lost + penalty / 2 * theta[:, :-1].square().sum()
        lost.backward()  # type: ignore[no-untyped-call]
        return float(lost.item())

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return (step * unit).detach()


def refit(graph: Graph, fit: Fit) -> Graph:
    """The same network, for pictures brought to its size in another way."""
    return graph.map(lambda op: replace(op, fit=fit) if isinstance(op, Image) else op)


def with_last(graph: Graph, weights: Weights, weight: Floats, bias: Floats) -> Weights:
    """A classifier's weights with another last layer."""
    (last,) = predictors(graph, "classify")
    shape = graph.arrays[f"{last.name}.weight"]
    return weights | {f"{last.name}.weight": weight.reshape(shape), f"{last.name}.bias": bias}
