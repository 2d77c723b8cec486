"""How good is a network while it learns?  Batches through it, judged as any predictor is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from itertools import islice
from operator import add

import numpy as np
import torch

from spindle.data.judges.judge import Judge
from spindle.data.metrics import from_json, judge, moved
from spindle.data.reading import names, read_output
from spindle.data.samples import Dataset, Sample
from spindle.model import tasks
from spindle.model.graph import Graph
from spindle.model.weights import Weights
from spindle.training.feed import Show, feed, listed, workers
from spindle.training.layout import quick
from spindle.training.machines import Machine
from spindle.training.network import Network
from spindle.training.run import Moment, Watch

BATCH = 32


def judged(graph: Graph, weights: Weights, data: Dataset, machine: Machine, watch: Watch) -> Judge:
    """What all machines together think of these weights on the data's "val" pictures."""
    graph = graph.until(graph.output.name)
    network = Network(graph, {name: weights[name] for name in graph.arrays})
    ask = quick(network.to(machine.device))
    words = names(data.task, tasks.answers(graph, data.task), data.labels)
    judging = judge(data.task, data.labels)
    own = islice(data.splits["val"], machine.rank, None, machine.world)
    done, total = 0, -(-len(data.splits["val"]) // machine.world)
    for seen in feed(Show(graph.image), grouped(own), listed, workers(machine)):
        pixels = torch.from_numpy(np.stack([one.pixels for one in seen]))
        made = ask(pixels.permute(0, 3, 1, 2).to(machine.device))
        assert isinstance(made, torch.Tensor)  # the first output alone was asked for
        for one, output in zip(seen, made.float().permute(0, 2, 3, 1).cpu().numpy(), strict=True):
            result = read_output(data.task, output, one.frame, one.size, words)
            judging.see(one.sample, moved(result, *one.offset), one.size)
            done += 1
            watch(Moment("judging", done, total))
    if machine.world == 1:
        return judging
    sums = machine.gathered(json.dumps(judging.to_json()))
    return reduce(add, (from_json(json.loads(said)) for said in sums))


def grouped(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    while batch := list(islice(samples, BATCH)):
        yield batch
