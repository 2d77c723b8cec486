"""Which ops run together, and how many rows at a time?  Decided from a model of the caches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from spindle.compiler.fused import Sum
from spindle.compiler.layout import LINE, Layout, vectors
from spindle.compiler.layout import layouts as plain
from spindle.compiler.targets import Isa
from spindle.compiler.tiling import GROUP, NEAREST, even_tiling
from spindle.compiler.walk import Group, apart, extent, reach, rings, sinks
from spindle.model.answers import ArgMax, Normalize, Softmax
from spindle.model.graph import Graph
from spindle.model.ops import Add, Conv, Deconv, Image, Mean, Op, Resize, Rows, Tensor

CACHE = 512 << 10  # bytes of a core's second level; more for rings was never quicker
NEARER = 1 / 8  # of what it takes to fetch a byte from beyond the second, from there
MEETING = 16 << 10  # bytes, in about a microsecond
FEW_ROWS = 7  # of fewer for each thread, they take channels rather than rows


@dataclass(frozen=True)
class Plan:
    """Groups of ops in running order, for so many threads at most."""

    graph: Graph
    groups: tuple[Group, ...]
    layouts: dict[str, Layout]
    threads: int = 1


@dataclass(frozen=True)
class Limits:
    """What a plan is made to keep to."""

    cache: int = CACHE
    rings: int | None = None  # bytes of each group's, where memory is short
    streamed: int = 1  # so many of the first chains run as one group, row by row
    split: bool = False  # the other groups by section 5.1, those that can
    meeting: int = 0  # bytes that could be fetched while threads wait for each other, once a strip


def schedule(graph: Graph, isa: Isa, threads: int, limits: Limits = Limits()) -> Plan:
    layouts = plain(graph, isa)
    limits = replace(limits, meeting=MEETING if threads > 1 else 0)
    first, *rest = parted(chains(graph), limits.streamed)
    groups = (shaped(Group(ops, {}), graph, threads, isa) for ops in (first, *rest))
    if limits.split:
        groups = (replace(one, split=splittable(one, graph, threads)) for one in groups)
    done = [timed(group, graph, layouts, limits, isa) for group in groups]
    return planned(graph, done, isa, threads)


def splittable(group: Group, graph: Graph, threads: int) -> bool:
    """Whether a group is one wide tensor between two thin ones, so that its tiles add up."""
    if threads > 1 or len(group.ops) != 3 or len(group.wide) != 1 or group.ops[0].grid:
        return False
    expand, filter_, project = group.ops
    return (
        sinks(group, graph) == [project]
        and filter_.inputs[0].name == expand.name in group.wide
        and isinstance(filter_, Conv)
        and isinstance(project, Conv)
        and project.pointwise
        and project.inputs[0].name == filter_.name
        and not any(tensor in group for tensor in (*expand.inputs, *project.inputs[1:]))
    )


def planned(graph: Graph, groups: Iterable[Group], isa: Isa, threads: int) -> Plan:
    """The plan of groups whose rows are settled."""
    layouts = plain(graph, isa)
    done = tuple(shaped(group, graph, threads, isa) for group in groups)
    for group in done:
        layouts |= tiled(group, graph, layouts, isa)
    return Plan(graph, done, layouts, threads)


def shaped(group: Group, graph: Graph, threads: int, isa: Isa) -> Group:
    """What follows from the ops of a group: its wide tensors, and how threads share it."""
    lanes = threads == 1 or not splits(group, graph, threads)
    return replace(group, wide=tiles(group, graph, isa), lanes=lanes)


def parted(found: list[tuple[Op, ...]], streamed: int) -> list[tuple[Op, ...]]:
    """The first chains as one, as far as they are made row by row."""
    whole = (n for n, ops in enumerate(found) for op in ops if not walks(op))
    streamed = max(min(streamed, next(whole, streamed)), 1)
    return [sum(found[:streamed], ()), *found[streamed:]]


def walks(op: Op) -> bool:
    """Whether it makes its rows one after another, each of some rows of what it reads."""
    return not isinstance(op, (Mean, Rows)) and all(reach(op, tensor) for tensor in op.inputs)


def tiles(group: Group, graph: Graph, isa: Isa) -> dict[str, int]:
    """The wide tensors of a group, which only what never mixes channels reads; their tiles."""
    found = {}
    ends = sinks(group, graph)
    standing = rings(group, graph) if group.rows else {}
    for op in group.ops:
        readers = group.readers(op.output)
        if (
            isinstance(op, Conv)
            and not isinstance(op, (Deconv, Sum))
            and not op.depthwise
            and op not in ends
            and len(readers) == 1
            and apart(readers[0])
        ):
            across = vectors(op.channels, isa)
            depth = op.kernel**2 * op.inputs[0].shape[2]
            rows = standing.get(op.name, 1)
            even = even_tiling(op.output.shape[1], across, depth, isa, rows)
            found[op.name] = GROUP if op.whole else even.vectors[0][0]
    return found


def tiled(group: Group, graph: Graph, layouts: dict[str, Layout], isa: Isa) -> dict[str, Layout]:
    """How the wide tensors lie, and what is made of them."""
    found, ends = {}, sinks(group, graph)
    for name, across in group.wide.items():
        (reader,) = group.readers(graph[name])
        count = -(-vectors(graph[name].shape[2], isa) // across)
        shape = {"pitch": across * isa.lanes, "tiles": count}
        sliced = group.rows[reader.name] >= extent(reader)
        rest = narrowest(graph[name], reader, across, isa)
        found[name] = replace(layouts[name], **shape, sliced=sliced or group.split, rest=rest)
        if reader not in ends and isinstance(reader, Conv):
            pitch = layouts[reader.name].pitch
            each = layouts[reader.name].each
            if rest and not any(map(apart, group.readers(reader.output))):
                pitch = vectors(reader.channels, isa) * isa.lanes
            odd = pitch if pitch * each % (2 * LINE) else pitch + LINE // each  # lest all meet
            found[reader.name] = replace(layouts[reader.name], pitch=odd)
            if group.split:  # what its tiles leave are sums, which briefs do not hold
                found[reader.name] = replace(layouts[reader.name], **shape, sliced=True)
                found |= {op.name: replace(layouts[op.name], each=4) for op in ends}
    return found


def narrowest(wide: Tensor, reader: Op, across: int, isa: Isa) -> int:
    """The channels of a wide tensor's last plane, if several pixels of it fill a group of bytes."""
    rest = vectors(wide.shape[2], isa) % across
    if not (isa.gathered and wide.grid and rest and across % rest == 0):
        return 0
    fits = isinstance(reader, Conv) and not isinstance(reader, Deconv)
    return rest * isa.lanes if fits and reader.output.shape[1] >= across // rest else 0


def chains(graph: Graph) -> list[tuple[Op, ...]]:
    """The ops of each group: what a wide tensor joins is never apart."""
    makers = {op.name: op for op in graph.ops}
    readers = Counter(t.name for op in graph.ops for t in op.inputs)
    readers.update(tensor.name for tensor in graph.outputs)
    home: dict[str, int] = {}
    found: list[list[Op]] = []
    for op in graph.ops:
        joined = [t for t in op.inputs[:1] if readers[t.name] == 1 and follows(op, makers[t.name])]
        if joined and home[joined[0].name] == latest(op, home):
            place = home[joined[0].name]
        else:
            place = len(found)
            found.append([])
        home[op.name] = place
        found[place].append(op)
    return [tuple(group) for group in found]


def latest(op: Op, home: dict[str, int]) -> int:
    """The last of the groups that make what this op reads."""
    return max(home[tensor.name] for tensor in op.inputs)


def follows(op: Op, maker: Op) -> bool:
    """Whether an op reads what should never stand whole, or is too light to stand alone."""
    match op:
        case Deconv() | Resize():
            return False
        case Conv():
            if isinstance(maker, Image):
                return True
            if not isinstance(maker, Conv) or isinstance(maker, Deconv):
                return False
            return op.depthwise != maker.depthwise and (op.depthwise or op.pointwise)
        case Mean() | Rows():
            return isinstance(maker, Conv) and not isinstance(maker, Deconv)
        case ArgMax() | Softmax() | Normalize():
            return maker.output.shape[0] > 1 and isinstance(maker, (Conv, Add, Resize))
    return False


def timed(
    group: Group, graph: Graph, layouts: dict[str, Layout], limits: Limits, isa: Isa
) -> Group:
    """The group with as many rows at a time as suits the cache, and the memory there is."""
    sink = sinks(group, graph)[-1]
    at_once = not isinstance(sink, Resize) and not all(reach(sink, t) for t in sink.inputs)
    heights = [extent(sink)] if at_once else strips(extent(sink))
    some = [strip(group, graph, rows) for rows in heights]
    if limits.rings is not None and not at_once:
        some.append(strip(group, graph, 1) | single(group))
    choices = [replace(group, rows=rows) for rows in some]
    choices = [replace(one, wide=tiles(one, graph, isa)) for one in choices]

    def cost(one: Group) -> tuple[int, tuple[int, int]]:
        lying = layouts | tiled(one, graph, layouts, isa)
        above = scratch(one, graph, lying) - (limits.rings or 0)
        return max(above, 0) * (limits.rings is not None), traffic(one, graph, lying, limits)

    return min(choices, key=cost)


def single(group: Group) -> dict[str, int]:
    """One row at a time of every op: the least that must stand."""
    return {op.name: 1 for op in group.ops if op.name not in group.wide}


def traffic(
    group: Group, graph: Graph, layouts: dict[str, Layout], limits: Limits
) -> tuple[int, int]:
    """Bytes that must come from beyond the cache; of equals, the fewest that stand."""
    sink = sinks(group, graph)[-1]
    times = -(-extent(sink) // group.rows[sink.name])
    kept, learnt = scratch(group, graph, layouts), weight(group, layouts)
    far = 1.0 if learnt + kept > limits.cache else 0.0 if learnt <= NEAREST else NEARER
    again = int(far * learnt * (times - 1))
    inner = (
        layouts[name].bytes(graph[name].shape[0], max(layouts[name].tiles, 1))
        for name in inside(group, graph)
        if not layouts[name].sliced
    )
    spilt = 2 * sum(inner) if kept > limits.cache else 0
    waits = limits.meeting * times if group.lanes else 0
    return again + spilt + waits, kept


def weight(group: Group, layouts: dict[str, Layout]) -> int:
    """Bytes of the weights that every strip reads again."""
    convs = (op for op in group.ops if isinstance(op, Conv))
    return sum(layouts[op.inputs[0].name].each * op.params for op in convs)


def strips(height: int) -> list[int]:
    """Numbers of rows that part a plane evenly, fewest first."""
    return sorted({-(-height // parts) for parts in range(1, height + 1)})


def strip(group: Group, graph: Graph, rows: int) -> dict[str, int]:
    """So many rows of the last op; of those before it as many as these rows ask for."""
    sink = sinks(group, graph)[-1]
    found = dict.fromkeys((op.name for op in group.ops), rows)
    found[sink.name] = min(rows, extent(sink))
    for op in reversed(group.ops):
        for tensor in op.inputs:
            if tensor in group:
                how = reach(op, tensor)
                height = tensor.shape[0]
                asked = how.high - how.low + how.scale * (found[op.name] - 1) if how else height
                found[tensor.name] = max(1, min(-(-asked // (how.over if how else 1)), height))
    return found | {name: graph[name].shape[0] for name in group.wide}


def scratch(group: Group, graph: Graph, layouts: dict[str, Layout]) -> int:
    """Bytes of the rings of a group."""
    inner = inside(group, graph)
    high = rings(group, graph)
    return sum(layouts[name].bytes(high[name], layouts[name].planes) for name in inner)


def inside(group: Group, graph: Graph) -> set[str]:
    """The tensors that nobody outside the group reads."""
    return {op.name for op in group.ops} - {op.name for op in sinks(group, graph)}


def splits(group: Group, graph: Graph, threads: int) -> bool:
    """Whether each thread can make rows of its own without reading another's."""
    ends = sinks(group, graph)
    if len(ends) > 1 or isinstance(ends[0], (Mean, Rows)) or extent(ends[0]) < FEW_ROWS * threads:
        return False
    return all(
        reach(op, tensor) or (isinstance(op, Resize) and tensor not in group)
        for op in group.ops
        for tensor in op.inputs
    )
