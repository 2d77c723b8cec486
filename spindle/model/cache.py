"""Where is kept what was fetched or found out once?"""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """SPINDLE_CACHE, or a folder of our own in the user's cache; it is there."""
    given = os.environ.get("SPINDLE_CACHE") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(given).expanduser()
    except RuntimeError:
        raise ValueError("this user has no home: say where to cache in SPINDLE_CACHE") from None
    folder = folder if os.environ.get("SPINDLE_CACHE") else folder / "spindle"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
