"""How is a model quantized by some pictures, or by none?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spindle.compiler.fold import fold
from spindle.compiler.guess import guess
from spindle.compiler.ladder import Rung, answering, climb
from spindle.compiler.quantize import PLAIN, Manner, edges, quantize
from spindle.compiler.ranges import observe
from spindle.model.weights import Model

Array = NDArray[Any]
Method = Literal["measured", "minmax", "percentile", "plain"]
MOST = 1 << 25  # numbers in the largest tensor of all pictures that go through both networks
FEWEST, ENOUGH = 4, 16  # such pictures; a quarter of them judges
MOST_FLOATS = 1 / 8  # of all tensors that are bytes


@dataclass(frozen=True)
class Quantized:
    """A model that reckons with bytes, and what that loses."""

    model: Model
    rungs: tuple[Rung, ...] = ()  # of pictures that nothing was learned from
    floats: tuple[str, ...] = ()  # tensors that are left in float32, or should be

    @property
    def db(self) -> float:
        return answering(list(self.rungs))


def calibrated(
    model: Model,
    images: Array | None,
    method: Method = "measured",
    mixed: bool = False,
    pairs: bool = True,
    show: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Quantized:
    """The model in int8, by pictures (bytes of its own size), or by what its norms have counted.

    With `mixed`, the tensors that lose most stay float32.  Without `pairs`, weights are a little
    more exact, and slower on machines that have AVX2 but not VNNI.
    """
    if model.graph.of_bytes:
        raise ValueError("this model is quantized already: give the one that it was made from")
    if method not in get_args(Method):
        raise ValueError(f"there is no method {method!r}: choose {', '.join(get_args(Method))}")
    graph, exact = fold(model.graph, model.weights)
    if not edges(graph, exact):
        raise ValueError("nothing in this network can be bytes: it has no convolution to convolve")
    manner = PLAIN if method == "plain" else Manner(method, pairs=pairs)
    if images is None:
        seen = guess(model.graph, model.weights, graph, exact)
        made = quantize(graph, exact, seen, replace(manner, setting="minmax"))
        return Quantized(renewed(model, *made, "by what its batch norms had counted"))
    if not len(images):
        raise ValueError("there are no pictures to calibrate by: name a folder that holds some")
    both = min(max(MOST // max(op.output.size for op in graph.ops), FEWEST), ENOUGH, len(images))
    shown = np.linspace(0, len(images) - 1, both).astype(int)
    judges = shown[3::4]
    rest = np.setdiff1d(np.arange(len(images)), judges)
    order = [*np.setdiff1d(shown, judges), *(judges if len(judges) else shown)]
    learnt = len(shown) - len(judges)
    seen = observe(graph, exact, images[rest], lambda n: show("looking", n, len(rest)))
    floats: tuple[str, ...] = ()
    for last in (False, True):
        made = quantize(graph, exact, seen, manner, floats)
        rungs, moved = climb(
            *made, exact, images[order], learnt,
            lambda n: show("weighing", n, len(graph.ops)), correct=method != "plain",
        )  # fmt: skip
        if last or not mixed:
            break
        floats = suggested(rungs)
    left = f", {', '.join(floats)} left in float32" if floats else ""
    words = f"by {len(images)} pictures ({method}){left}"
    return Quantized(
        renewed(model, made[0], moved, words), tuple(rungs), floats or suggested(rungs)
    )


def renewed(model: Model, graph: Any, weights: Any, words: str) -> Model:
    source = (*model.source, f"quantized to int8 {words}")
    return replace(model, graph=graph, weights=weights, source=source, hash="", versions={})


def suggested(rungs: list[Rung]) -> tuple[str, ...]:
    """The few tensors that by themselves lose half of all that is lost, the worst first."""
    worst = sorted((rung for rung in rungs if not rung.answers), key=lambda rung: rung.own)
    noise = [10 ** (-rung.own / 10) for rung in worst]
    enough = int(np.searchsorted(np.cumsum(noise), sum(noise) / 2)) + 1
    return tuple(rung.name for rung in worst[: min(enough, int(len(worst) * MOST_FLOATS) + 1)])
