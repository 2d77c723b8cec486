"""Which of somebody's pictures are learned from, and which judge what was learned?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spindle.data.forms.shards import Shards
from spindle.data.samples import Dataset, Listed, Sample, Samples


def parted(dataset: Dataset, share: float = 0.2, seed: int = 0) -> Dataset:
    """With splits "train" and "val"; where there is no val, test or a share of train becomes it."""
    if not 0 < share < 1:
        raise ValueError(f"a share is between 0 and 1, not {share}")
    splits = dict(dataset.splits)
    if "train" in splits and not len(splits["train"]):
        first = f"; the first problem is {dataset.problems[0]}" if dataset.problems else ""
        raise ValueError(f"{dataset.path} has nothing in its part train to learn from{first}")
    if "train" not in splits:
        splits = {"train": pool(dataset, splits)}
    if not len(splits.get("val", ())) and len(splits.get("test", ())):
        splits["val"] = splits.pop("test")
    if not len(splits.get("val", ())):
        splits["train"], splits["val"] = divide(dataset, splits["train"], share, seed)
    if dataset.task == "embed":
        splits["val"] = with_roles(splits["val"], seed)
    if not len(splits["train"]) or not len(splits["val"]):
        raise ValueError(
            f"{dataset.path} has too few pictures to learn from some and judge by others"
        )
    order = sorted(splits, key=lambda name: (name != "train", name != "val", name))
    return replace(dataset, splits={name: splits[name] for name in order})


def pool(dataset: Dataset, splits: dict[str, Samples]) -> Samples:
    """All there is, where nothing is called train."""
    filled = [samples for samples in splits.values() if len(samples)]
    if len(filled) == 1:
        return filled[0]
    if all(isinstance(samples, Listed) for samples in filled) and filled:
        return Listed(sample for samples in filled for sample in samples)
    raise ValueError(f"{dataset.path} has no split called train, but {', '.join(splits)}")


def divide(dataset: Dataset, train: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """A share of every class, by whole groups; of people, a share of these."""
    match train:
        case Listed():
            return divide_listed(dataset, train, share, seed)
        case Shards():  # what they hold is not known before it is read
            order = np.random.default_rng(seed).permutation(len(train))
            count = round(share * len(train))
            return train.chosen(order[count:]), train.chosen(order[:count])
    raise ValueError(f"no share can be taken out of {dataset.path}; it needs a split called val")


def divide_listed(
    dataset: Dataset, train: Listed, share: float, seed: int
) -> tuple[Listed, Listed]:
    rng = np.random.default_rng(seed)
    strata = strata_of(dataset, train, round(1 / share))
    groups: dict[str, list[int]] = defaultdict(list)
    for i, sample in enumerate(train):
        whole = f"identity {sample.kind}" if dataset.task == "embed" else sample.group
        groups[whole or f"picture {i}"].append(i)
    by_stratum: dict[int, list[list[int]]] = defaultdict(list)
    for members in groups.values():
        by_stratum[strata[members[0]]].append(members)
    taken: set[int] = set()
    for stratum in sorted(by_stratum):
        within = by_stratum[stratum]
        taken.update(chosen([within[place] for place in rng.permutation(len(within))], share))
    left = Listed(sample for i, sample in enumerate(train) if i not in taken)
    return left, Listed(sample for i, sample in enumerate(train) if i in taken)


def chosen(groups: list[list[int]], share: float) -> list[int]:
    """So many of the groups, in this order, that their members come nearest to the share; at
    least one group, and never all."""
    wanted = share * sum(map(len, groups))
    taken: list[int] = []
    for members in groups[:-1]:
        if not taken or abs(len(taken) + len(members) - wanted) < abs(len(taken) - wanted):
            taken += members  # where a group is too large, a smaller one may still fit
    return taken


def strata_of(dataset: Dataset, samples: Sequence[Sample], few: int) -> list[int]:
    """The class of each sample; of a picture with many things the rarest of theirs, or -1 where
    that is the rarest of too few pictures."""
    if dataset.task == "embed":
        return [0] * len(samples)
    if dataset.task == "classify":
        return [sample.kind for sample in samples]
    said = [kinds_in(sample) for sample in samples]
    often = Counter(kind for kinds in said for kind in kinds)
    rarest = [min(kinds, key=lambda kind: (often[kind], kind), default=-1) for kinds in said]
    sizes = Counter(rarest)
    return [kind if sizes[kind] >= few else -1 for kind in rarest]


def kinds_in(sample: Sample) -> set[int]:
    return set(sample.objects.kinds.tolist()) if sample.objects else set()


def with_roles(samples: Samples, seed: int) -> Samples:
    """One picture of each person for every camera asks, the rest is what it is looked for in."""
    if not isinstance(samples, Listed) or any(sample.role for sample in samples):
        return samples
    pictures = Counter(sample.kind for sample in samples)
    asked: set[tuple[int, int]] = set()
    found: dict[int, Sample] = {}
    for _, sample in samples.shuffled(seed):
        who = sample.kind, sample.camera
        asks = who not in asked and sample.kind >= 0 and pictures[sample.kind] > 1
        asked.add(who)
        found[id(sample)] = replace(sample, role="query" if asks else "gallery")
    return Listed(found[id(sample)] for sample in samples)


def part_of(dataset: Dataset, part: str, share: float = 0.2, seed: int = 0) -> Samples:
    """One part of the data, as training has parted it: val, test, train, or all."""
    if part == "all":
        return pool(dataset, dict(dataset.splits))
    splits = dataset.splits if len(dataset.splits.get(part, ())) else {}
    splits = splits or parted(dataset, share, seed).splits
    if part not in splits:
        raise ValueError(f"{dataset.path} has no part {part!r}, but {', '.join(splits)}")
    samples = splits[part]
    return with_roles(samples, seed) if dataset.task == "embed" else samples
