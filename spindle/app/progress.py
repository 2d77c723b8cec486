"""How far are we, and how long will it take?  One line on a terminal, silence elsewhere."""

from __future__ import annotations

import shutil
import sys
import time

BLOCKS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int = 24) -> str:
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def counted(number: float) -> str:
    """Four digits, or as many as stand before the point."""
    return f"{number:.4g}" if number < 1000 else f"{number:.0f}"


def spelt(seconds: float) -> str:
    """A time as one thinks of it: 95 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def clean(text: str) -> str:
    """Names and labels come from files: nothing in them reaches the terminal but their letters."""
    return "".join(c if c.isprintable() else "?" for c in text)


class Bar:
    """A bar that redraws itself at most ten times a second."""

    def __init__(self, title: str, total: int, unit: str = "", scale: float = 1):
        self.title, self.total, self.unit, self.scale = title, total, unit, scale
        self.began = time.monotonic()
        self.first = 0  # what an earlier run had done already
        self.shown = 0.0
        self.live = sys.stderr is not None and sys.stderr.isatty()

    def show(self, done: int, said: str = "") -> None:
        now = time.monotonic()
        if not self.live or (now - self.shown < 0.1 and done < self.total):
            return
        self.shown = now
        share = min(done / self.total, 1.0) if self.total else 0.0
        count = counted(done / self.scale)
        count += f"/{counted(self.total / self.scale)}" if self.total else ""
        line = f"{self.title} {bar(share):<24} {count} {self.unit}".rstrip()
        if self.total and done > self.first:
            left = (now - self.began) * max(self.total - done, 0) / (done - self.first)
            line += f", {spelt(left)} left"
        line = clean(f"{line} {said}".rstrip())
        room = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be taken back
        sys.stderr.write(f"\r\x1b[K{line[:room]}")
        sys.stderr.flush()

    def end(self) -> None:
        if self.live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
