"""What does each runtime of a bench run?  The same network, in the numbers that it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from spindle.app.peers.prepare import lightened
from spindle.compiler.fold import fold
from spindle.compiler.quantize import Manner, quantize
from spindle.compiler.ranges import observe
from spindle.compiler.uniform import uniform
from spindle.model.weights import Model

Array = NDArray[Any]
OURS = "spindle"
SEEN = 4  # pictures at most that show the others' ranges, and ours where none are given
DRAWN = "; ranges are of drawn pictures, so that only the times mean something"


@dataclass(frozen=True)
class Entry:
    """One network for us, the same for the others, and the precision that it is run in."""

    ours: Model
    theirs: Model
    precision: str

    def given(self, runtime: str) -> Model:
        return self.ours if runtime == OURS else self.theirs


def entered(model: Model, precisions: Sequence[str], pictures: Array) -> list[Entry]:
    """First in float32 and what each makes of that, then in int8.

    The others get one scale for a whole tensor, of which alone they have quick kernels.
    """
    floats = tuple(name for name in precisions if name != "int8")
    if floats and model.graph.of_bytes:
        raise ValueError(f"this model is of bytes: --precision int8, not {', '.join(floats)}")
    light = lightened(model)
    entries = [Entry(light, light, name) for name in floats]
    if "int8" in precisions:
        ours = light if model.graph.of_bytes else in_bytes(light, pictures)
        graph, weights = uniform(ours.graph, ours.weights, pictures[:SEEN])
        entries.append(Entry(ours, replace(ours, graph=graph, weights=weights), "int8"))
    return entries


def in_bytes(model: Model, pictures: Array) -> Model:
    """Quantized in haste: times do not ask which bytes they are."""
    graph, exact = fold(model.graph, model.weights)
    seen = observe(graph, exact, pictures)
    graph, weights = quantize(graph, exact, seen, Manner("minmax", hasty=True))
    return replace(model, graph=graph, weights=weights, hash="")
