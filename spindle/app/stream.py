"""How are many pictures looked at in little time?  Several at once, and told in their order."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from PIL import Image as Pillow

Item = TypeVar("Item")
Seen = TypeVar("Seen")
AHEAD = 2  # pictures for each thread that are looked at, or wait to be told


def in_order(
    look: Callable[[Item], Seen], items: Iterable[Item], threads: int
) -> Iterator[tuple[Item, Seen]]:
    """Each item with what `look` says of it, in their order; never more than a few in memory.

    A thread takes a picture from its file to its result, so that one decodes while another runs
    the network: both leave Python to the others meanwhile.
    """
    Pillow.init()  # once, before many threads would
    waiting: deque[tuple[Item, Future[Seen]]] = deque()
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                if len(waiting) == AHEAD * threads:
                    first, seen = waiting.popleft()
                    yield first, seen.result()
                waiting.append((item, pool.submit(look, item)))
            while waiting:
                first, seen = waiting.popleft()
                yield first, seen.result()
        finally:
            pool.shutdown(cancel_futures=True)
