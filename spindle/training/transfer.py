"""Where does a network start from?  From nothing, from a model of its task, or from a trunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spindle.data.labels import KEYPOINTS
from spindle.model import tasks
from spindle.model.answers import Detect
from spindle.model.family import NETWORKS, Size, mobilenet_v2, point, sides
from spindle.model.graph import TORCH, Family, Graph, lead
from spindle.model.heads import HEADS, Task
from spindle.model.mobilenet import Ablation
from spindle.model.ops import Add, Conv, Deconv, Op, Rows
from spindle.model.weights import Model, Weights, initial
from spindle.training.adopt import WIDTHS

USUAL: dict[Task, str] = {
    "classify": "classifier",
    "detect": "ssdlite",
    "segment": "deeplab",
    "pose": "pose-light",
    "embed": "embedding",
}
QUIET = 0.01  # a classifier that begins near zero: a short lesson has no time to unlearn more
Start = tuple[Graph, Weights, tuple[str, ...]]
Draw = Callable[..., Graph]


def begin(
    task: Task,
    labels: Sequence[str],
    start: Model | None = None,
    model: str | None = None,
    width: float | None = None,
    size: Size | None = None,
    head: str | None = None,
    family: Family = TORCH,
    output_stride: int | None = None,
    seed: int = 0,
) -> Start:
    """The graph to be taught, its first weights, and in words where these are from.

    A start decides the network, its width and its family; without one these are `model` (a network
    or one of the paper's points), `width` and `family`: torch's, whose norms follow within a short
    lesson.  Of an embedding, `labels` are the identities that it learns on.
    """
    if head is not None and (head not in HEADS or HEADS[head].task != task):
        fitting = ", ".join(name for name, each in HEADS.items() if each.task == task)
        raise ValueError(f"the head {head!r} is none for the task {task}: choose {fitting}")
    if start is None:
        draw, width, size = chosen(model, width, size)
        graph = draw(width, size, head or USUAL[task], len(labels), output_stride, family)
        graph = graph.map(quiet(graph, task))
        return graph, begun(graph, seed), ("from nothing",)
    if model is not None or width is not None:
        raise ValueError(
            "a network that starts from a model keeps that model's kind and width: "
            "leave those two out, or start from nothing"
        )
    if start.graph.of_bytes:
        own = start.graph.input.shape[:2]
        fits = task, None, own, None, start.labels if task != "embed" else tuple(labels)
        wanted = sides(own if size is None else size)
        if (start.task, head, wanted, output_stride, tuple(labels)) != fits:
            raise ValueError(
                f"bytes fit only what they are measured on, a network that can {start.task} "
                f"({listed(start.labels)}), as it is: teach it anything else in float, then --int8"
            )
    if start.task == task and (head is None or wears(start.graph, head)):
        return from_its_own(start, labels, size, output_stride, seed)
    return from_another(start, task, labels, size, head or USUAL[task], output_stride, seed)


def chosen(
    model: str | None, width: float | None, size: Size | None
) -> tuple[Draw, float, Size | None]:
    """The network of this name; a point of the paper says its width and its size as well."""
    model = model or "mobilenetv2"
    if model in NETWORKS:
        return NETWORKS[model], 1.0 if width is None else width, size
    if (variant := point(model)) is None:
        raise ValueError(f"there is no network {model!r}: choose one of {', '.join(NETWORKS)}")
    return mobilenet_v2, variant.width if width is None else width, size or variant.size


def quiet(graph: Graph, task: Task) -> Callable[[Op], Op]:
    """Predictors that begin near zero, unless their head has its own word on that."""
    names = {op.name for op in predictors(graph, task)} if task != "detect" else set()
    return lambda op: (
        replace(op, spread=min(op.spread, QUIET))
        if isinstance(op, Conv) and op.name in names
        else op
    )


def begun(graph: Graph, seed: int) -> Weights:
    """First weights, of which a depthwise deconvolution's enlarge a map smoothly.

    At random, and as small as a dense one's, they would leave the norm after them to its eps.
    """
    weights = initial(graph, seed)
    for op in graph.ops:
        if isinstance(op, Deconv) and op.groups == op.channels:
            away = abs(np.arange(op.kernel) - (op.kernel - 1) / 2)
            slope = (1 - away / op.stride).clip(0)
            weights[f"{op.name}.weight"][:] = np.outer(slope, slope)[None, :, :, None]
    return weights


def predicting(graph: Graph, task: Task) -> list[Op]:
    """The ops whose channels are classes, from those that predict them to the answer."""
    match task:
        case "detect":
            return lead(graph, tasks.deciding(graph).inputs[1])
        case "embed":
            return [op for tensor in graph.outputs[1:] for op in lead(graph, tensor)]
    return lead(graph, graph.output)


def predictors(graph: Graph, task: Task) -> list[Conv]:
    """The convolutions with a row of weights for each class."""
    return [op for op in predicting(graph, task) if isinstance(op, Conv)]


def from_its_own(
    start: Model, labels: Sequence[str], size: Size | None, output_stride: int | None, seed: int
) -> Start:
    """A model of the same task: all of it is kept but the classes that it does not know."""
    graph, task = reclassed(start.graph, start.task, len(labels)), start.task
    if output_stride is not None:
        graph = strided(graph, output_stride)
    if size is not None:
        graph = graph.resized(*sides(size))
    rows = {op.name for op in predictors(graph, task)}
    graph = graph.map(quiet(graph, task))
    known = start.labels
    if task == "pose" and not known and tasks.answers(start.graph, task) == len(KEYPOINTS):
        known = KEYPOINTS
    pairs = matches(labels, known if task != "embed" else ())
    own = 1 if task == "detect" else 0  # a detector's background comes before its labels
    places = [(new + own, old + own) for new, old in pairs] + ([(0, 0)] if own else [])
    none = against(start) if len(pairs) < len(labels) else slice(0, 0)
    weights = initial(graph, seed)
    weights |= {name: start.weights[name] for name in graph.arrays if name not in weights}
    for name, array in weights.items():
        if name.split(".")[0] not in rows:
            weights[name] = start.weights[name].copy()
        elif places:
            classes = tasks.answers(start.graph, task) + own, len(labels) + own
            weights[name] = carried(start.weights[name], array, classes, places, none)
    kept = [labels[new] for new, _ in pairs]
    fresh = [label for label in labels if label not in kept]
    notes = [f"from a model of the same task ({task}), which keeps all but its classes"]
    notes += [f"known already: {listed(kept)}"] if kept else []
    notes += [f"new: {listed(fresh)}"] if fresh and task != "embed" else []
    return graph, weights, tuple(notes)


def listed(words: Sequence[str], most: int = 6) -> str:
    """The first words, and that there are more."""
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest


def matches(labels: Sequence[str], known: Sequence[str]) -> list[tuple[int, int]]:
    """Which label (by its place) is which of the known ones: the same text, in any case."""
    places = {label.casefold(): place for place, label in reversed(list(enumerate(known)))}
    found = [(new, places.get(label.casefold())) for new, label in enumerate(labels)]
    return [(new, old) for new, old in found if old is not None]


def carried(
    before: NDArray[np.float32],
    fresh: NDArray[np.float32],
    classes: tuple[int, int],
    places: list[tuple[int, int]],
    against: slice = slice(0, 0),
) -> NDArray[np.float32]:
    """The fresh rows, with those of the known classes in their places; for each anchor alike.

    A row of a softmax means nothing alone: what it was weighed `against` is taken from it, so that
    a fresh row, which says nothing, is as likely as that was.
    """
    old = before.reshape(-1, classes[0], *before.shape[1:])
    if old[:, against].size:
        old = old - old[:, against].mean(axis=1, keepdims=True)
    new = fresh.reshape(-1, classes[1], *fresh.shape[1:]).copy()
    to, of = np.array(places).T
    new[:, to] = old[:, of]
    return new.reshape(fresh.shape)


def against(start: Model) -> slice:
    """The rows that say "none of these" in what this model has learnt; none for sigmoids."""
    last = tasks.deciding(start.graph)
    if isinstance(last, Detect):
        return slice(0, 1 if last.score == "softmax" else 0)
    if start.task == "segment" and start.labels[:1] == ("background",):
        return slice(0, 1)
    return slice(None) if start.task in ("classify", "segment") else slice(0, 0)


def reclassed(graph: Graph, task: Task, classes: int) -> Graph:
    """The same network for another number of classes."""
    if task == "embed":
        return identified(graph, classes)
    if classes < 1:
        raise ValueError(f"{classes} classes: a network needs at least one")
    own = 1 if task == "detect" else 0
    old, new = tasks.answers(graph, task) + own, classes + own
    names = {op.name for op in predicting(graph, task)}

    def change(op: Op) -> Op:
        if op.name in names and isinstance(op, Conv | Rows):
            return replace(op, channels=op.channels // old * new)
        return op

    return graph.map(change)


def identified(graph: Graph, identities: int) -> Graph:
    """An embedding that learns on so many identities, whether or not it did before."""
    vector = graph.until(graph.output.name)
    if not identities:
        return vector
    neck = tasks.deciding(vector).inputs[0]
    learnt = Conv("identities", (neck,), identities, spread=0.001)
    return Graph((*vector.ops, learnt), (vector.output, learnt.output))


def strided(graph: Graph, output_stride: int) -> Graph:
    """The same network and the same weights, with its trunk at another output stride."""
    draw, size = recognised(graph), (graph.image.height, graph.image.width)
    drawn = draw(size=size, output_stride=output_stride, family=habits(graph)).until("pool")
    pace = {op.name: op for op in drawn.ops}

    def change(op: Op) -> Op:
        new = pace.get(op.name)
        if isinstance(op, Conv) and isinstance(new, Conv):
            return replace(op, stride=new.stride, dilation=new.dilation, padding=new.padding)
        return op

    return graph.map(change)


def recognised(graph: Graph) -> Draw:
    """What draws a network with this graph's trunk and any head."""
    for network in (partial(mobilenet_v2, ablation=ablation(graph)), NETWORKS["mobilenetv1"]):
        for width in WIDTHS:
            if all(graph.arrays.get(name) == shape for name, shape in kernels(network(width))):
                return partial(network, width)
    raise ValueError(
        "this model's trunk is no MobileNet that I can draw, so it cannot be given another head: "
        "start from another model, or from nothing"
    )


def kernels(graph: Graph) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The kernels of a trunk; only some heads keep its last convolution, called head."""
    for op in graph.until("pool").ops:
        if isinstance(op, Conv) and op.name != "head":
            yield f"{op.name}.weight", op.weights["weight"]


def ablation(graph: Graph) -> Ablation:
    """What this graph does otherwise than the paper recommends."""
    usual, ops = Ablation(), {op.name: op for op in graph.ops}
    expand, project = ops.get("block02_expand"), ops.get("block02_project")
    if not (isinstance(expand, Conv) and isinstance(project, Conv)):
        return usual
    sums = {op.name.split("_")[-1] for op in graph.ops if isinstance(op, Add)}
    return Ablation(
        linear=project.act is None,
        shortcut="bottleneck" if "add" in sums else "expansion" if "join" in sums else "none",
        expansion=max(expand.channels // expand.inputs[0].shape[2], 1),
    )


def habits(graph: Graph) -> Family:
    """How this graph pads, normalises and sees; a new head has norms even where it has none."""
    convs = [op for op in graph.ops if isinstance(op, Conv)]
    same = any(op.padding == "same" and op.kernel > 1 for op in convs)
    norm = next((op.norm for op in convs if op.norm), TORCH.norm)
    return Family("same" if same else "symmetric", norm, graph.image)


def from_another(
    start: Model,
    task: Task,
    labels: Sequence[str],
    size: Size | None,
    head: str,
    output_stride: int | None,
    seed: int,
) -> Start:
    """A model with another head: its trunk is carried, in its own habits."""
    draw, family = recognised(start.graph), habits(start.graph)
    graph = draw(
        size=size, head=head, classes=len(labels), output_stride=output_stride, family=family
    )
    rows = {op.name for op in predictors(graph, task)}
    same = {
        op.name: op
        for op in start.graph.ops
        if op.name not in rows
        and f"{op.name}.weight" in graph.arrays
        and graph.arrays[f"{op.name}.weight"] == start.graph.arrays.get(f"{op.name}.weight")
    }

    def as_it_was(op: Op) -> Op:
        old = same.get(op.name)
        if isinstance(op, Conv) and isinstance(old, Conv):
            return replace(op, norm=old.norm, act=old.act, drop=old.drop)
        return op

    graph = graph.map(as_it_was).map(quiet(graph, task))
    weights = begun(graph, seed)
    for name in weights:
        if name.split(".")[0] in same:
            weights[name] = start.weights[name].copy()
    fresh = [op.name for op in graph.ops if op.weights and op.name not in same]
    notes = (
        f"from a model that can {start.task}: the {len(same)} convolutions that it shares",
        f"new: the head {head} ({listed(fresh)})",
    )
    return graph, weights, notes


def wears(graph: Graph, head: str) -> bool:
    """Whether this graph has that head, whatever its variant of it."""
    try:
        draw = recognised(graph)
    except ValueError:
        return False
    drawn = draw(head=head, classes=2)
    return {op.name for op in drawn.ops} == {op.name for op in graph.ops}
