"""What lies in a tar file, one member after the other, wherever the file is?"""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

BLOCK = tarfile.BLOCKSIZE
LARGEST = 1 << 31  # of one member, in bytes
WAIT = 30.0  # seconds without a byte
PAUSES = (0.2, 1.0, 3.0)  # seconds before a broken connection is tried again


@dataclass(frozen=True)
class Member:
    name: str
    start: int  # of its first header in the tar file
    end: int  # of its last block
    content: bytes


def is_remote(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def is_packed(file: BinaryIO) -> bool:
    begin = file.read(2)
    file.seek(0)
    return begin == b"\x1f\x8b"


@contextmanager
def told(place: str) -> Iterator[None]:
    """Whatever goes wrong inside is one sentence that names the tar file."""
    try:
        yield
    except (EOFError, OSError, zlib.error, tarfile.TarError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = f" ({said})" if said else ""
        raise ValueError(f"{place} is broken or cut short{reason}: get it again") from None


def walk(place: str) -> Iterator[Member]:
    """The files in a tar file, here or on a server, packed or not."""
    with told(place), ExitStack() as stack:
        raw: BinaryIO
        if is_remote(place):
            raw = stack.enter_context(io.BufferedReader(Remote(place), 1 << 20))
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
        else:
            raw = stack.enter_context(Path(place).open("rb"))
            packed = is_packed(raw)
        if packed:
            unpacked = stack.enter_context(gzip.GzipFile(fileobj=raw))
            raw = stack.enter_context(io.BufferedReader(unpacked, 1 << 20))
        yield from members(raw)


def walk_span(file: BinaryIO, place: str, start: int, end: int) -> Iterator[Member]:
    """The files between two places of an open tar file."""
    with told(place):
        file.seek(start)
        yield from members(file, start, end)


def members(stream: BinaryIO, at: int = 0, until: int | None = None) -> Iterator[Member]:
    long, start, last = "", at, ""
    while until is None or at < until:
        head = stream.read(BLOCK)
        if not head.strip(b"\0") and (len(head) == BLOCK or not head and last):
            return  # the mark at the end, which not all writers leave
        if len(head) < BLOCK:
            raise EOFError(f"nothing follows {last}" if last else "nothing is in it")
        info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        if not 0 <= info.size <= LARGEST:
            raise EOFError(f"{info.name} has {info.size} bytes")
        padded = -(-info.size // BLOCK) * BLOCK
        content = stream.read(padded)
        at += BLOCK + len(content)
        if len(content) < padded:
            raise EOFError(f"{info.name} is not all there")
        content = content[: info.size]
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
            long = name_of(info.type, content) or long
            continue
        if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            last = long or info.name
            yield Member(last, start, at, content)
        if info.type != tarfile.XGLTYPE:  # which speaks of all that follow
            long, start = "", at


def name_of(kind: bytes, content: bytes) -> str:
    """The name of the next member, where it is too long for its own header."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return content.rstrip(b"\0").decode("utf-8", "surrogateescape")
    while content:  # records as pax has them: "21 path=some/name.jpg\n"
        count, _, _ = content.partition(b" ")
        length = int(count) if count.isdigit() else 0
        if not len(count) < length <= len(content):
            raise EOFError("a header of it makes no sense")
        key, _, value = content[len(count) + 1 : length - 1].partition(b"=")
        if key == b"path":
            return value.decode("utf-8", "surrogateescape")
        content = content[length:]
    return ""


class Remote(io.RawIOBase):
    """A file on a server, read from its beginning; goes on where a connection broke."""

    def __init__(self, url: str):
        self.url, self.at, self.length, self.tag = url, 0, -1, ""
        self.answer: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        reason: object = ""
        for pause in (*PAUSES, 0.0):
            try:
                if self.answer is None:
                    self.begin()
                assert self.answer is not None
                piece = self.answer.read(len(room))
                if piece or self.at == self.length or self.length < 0:
                    room[: len(piece)] = piece
                    self.at += len(piece)
                    return len(piece)
                reason = f"the connection broke after {self.at} of {self.length} bytes"
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"the server says {error}"
                if error.code < 500:
                    break
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", None) or error or type(error).__name__
            self.drop()
            time.sleep(pause)
        raise OSError(f"{' '.join(str(reason).split())[:200]}")

    def begin(self) -> None:
        """Asks for what is still missing; what a server sends again from the start is skipped."""
        asked = {"Range": f"bytes={self.at}-", "If-Range": self.tag} if self.at else {}
        asked = {key: value for key, value in asked.items() if value}
        request = urllib.request.Request(self.url, headers=asked)
        answer = urllib.request.urlopen(request, timeout=WAIT)  # noqa: S310
        self.answer = answer
        if not self.at:
            self.length = -1 if answer.length is None else answer.length
            self.tag = answer.headers.get("ETag", "")
        elif answer.headers.get("ETag", "") != self.tag:
            raise EOFError("it has changed on the server meanwhile")
        elif answer.status != 206:
            left = self.at
            while left and (piece := answer.read(min(left, 1 << 20))):
                left -= len(piece)

    def drop(self) -> None:
        if self.answer is not None:
            self.answer.close()
        self.answer = None

    def close(self) -> None:
        self.drop()
        super().close()


def headers(url: str) -> Message:
    """What a server says of a file, without sending it."""
    for method in ("HEAD", "GET"):
        try:
            request = urllib.request.Request(url, method=method)
            with urllib.request.urlopen(request, timeout=WAIT) as answer:  # noqa: S310
                known: Message = answer.headers
                return known
        except urllib.error.HTTPError as error:
            error.close()
            if method == "GET" or error.code not in (403, 405, 501):
                raise ValueError(f"{url} cannot be opened: the server says {error}") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ValueError(f"{url} cannot be opened: {reason}; is it online?") from None
    raise AssertionError
