"""How is a file written so that nothing is ever lost or left half-written?"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def placed(path: Path) -> Path:
    """A file that can be written: its folder is there."""
    if not path.resolve().parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for {path.name}: make it first")
    return path


def write(path: Path, content: bytes) -> None:
    """Beside it, flushed to the disk, then renamed over it: whole or not at all."""
    target = path.resolve()  # a link stays a link
    if target.exists() and not target.is_file() and not target.is_dir():
        target.write_bytes(content)  # a device or a pipe keeps nothing that could be lost
        return
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            part.chmod(target.stat().st_mode & 0o777)
        part.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with suppress(OSError):  # renamed away, if all went well
            part.unlink()
