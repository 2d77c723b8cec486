"""Is somebody else at work here?  A lock that one process holds, and no crash leaves behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path, busy: str = "") -> Iterator[None]:
    """One process at a time: the others wait until the one inside has left, or has died.

    Where it is said what to tell them, they do not wait.  The lock is SQLite's, which every system
    has, and which ends with its process but not with a child of that.
    """
    try:
        with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as lock:
            while not locked(lock):
                if busy:
                    raise ValueError(busy)
            yield
    except sqlite3.OperationalError as error:
        raise ValueError(f"{path} cannot be locked: {error}") from None


def locked(lock: sqlite3.Connection) -> bool:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
