"""Which is the fastest plan that fits into so many bytes?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spindle.compiler.place import place
from spindle.compiler.schedule import Limits, Plan, schedule
from spindle.compiler.targets import Isa
from spindle.model.graph import Graph

STREAMED = 12  # chains that may run as one: beyond, rings cost more than the tensors they save
RINGS = (256 << 10, 128 << 10, 64 << 10, 0)  # bytes of each group's


def within(graph: Graph, isa: Isa, threads: int, memory: int, limits: Limits = Limits()) -> Plan:
    """The first that fits of plans that grow slower as they grow smaller."""
    least = None
    for tighter in tightened(limits):
        plan = schedule(graph, isa, threads, tighter)
        size = place(plan).bytes
        if size <= memory:
            return plan
        least = min(size, least or size)
    raise ValueError(
        f"this network does not fit into {memory:,} bytes; the least it can work in is {least:,}"
    )


def tightened(limits: Limits) -> Iterator[Limits]:
    """As much as the cache likes; then shorter rings; then more and more chains streamed."""
    yield limits
    for streamed in range(1, STREAMED + 1):
        for rings in RINGS:
            yield replace(limits, rings=rings, streamed=streamed)
        yield replace(limits, rings=0, streamed=streamed, split=True)
