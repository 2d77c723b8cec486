"""What is a form in which a model leaves the house?  Who writes it, and who runs it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spindle.app.peers.finish import Kinds
from spindle.app.peers.serving import Load
from spindle.model.graph import Graph
from spindle.model.weights import Model, Weights

Grids = Literal["none", "tensor", "channel"]


@dataclass(frozen=True)
class Leaving:
    """A model on its way out."""

    model: Model
    graph: Graph  # of it, norms folded, as much as the form has words for
    weights: Weights  # of that much
    batch: int | None  # None: free
    notes: str  # what it says of itself, as JSON


@dataclass(frozen=True)
class Form:
    """A way to write a model for others.

    `write` puts `file`, or a folder of that name, into a folder that holds graph.json already;
    `load` opens it there and gives the graph's answers, finished by numpy where the form has no
    words for the last ops, as the peers of the bench do.
    """

    name: str
    file: str
    write: Callable[[Leaving, Path], object]
    load: Load | None  # None: its runtime is for other machines
    left_out: Kinds = ()
    most: int | None = None  # pictures in a batch, where that is limited
    free: bool = False  # whether the batch may be left open
    grids: Grids = "none"  # which bytes it knows: none, of a scale for a tensor, or for a channel
