"""What does somebody mean who types a size, a list of numbers, or the name of a file of labels?"""

from __future__ import annotations

from pathlib import Path

from spindle.model import atomic


def sides(size: str | None) -> int | tuple[int, int] | None:
    """224, or 192x256: height and width."""
    if size is None:
        return None
    parts = size.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError(f"size {size!r} is neither a number nor height x width, such as 192x256")
    return int(parts[0]) if len(parts) == 1 else (int(parts[0]), int(parts[1]))


def numbers(text: str | None, what: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"{text!r} is no list of {what} such as 0.5,1,1.5") from None


def model_file(out: str) -> Path:
    """Where a model file may be written, which is asked before hours of work and not after."""
    path = Path(out)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: the name of a model file ends in .safetensors")
    return atomic.placed(path)


def lines(path: str | None) -> tuple[str, ...]:
    try:
        text = Path(path).read_text("utf-8-sig") if path else ""
        return tuple(text.rstrip().splitlines())
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8: save it so, a label on each line") from None
