"""What is a network as C?  The text, the weights beside it, and what is known of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """All that a C compiler needs, but for the headers in kernels/."""

    name: str  # how every name that C sees from outside begins
    c: str
    h: str
    weights: bytes  # to lie at an address of 64
    arena: int  # bytes, for pictures of the network's own size
    threads: int  # the most that can share one picture
    info: dict[str, Any]  # task, labels, preprocessing, outputs, versions, hash ... as plain JSON
