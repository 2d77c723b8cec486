"""Published weights by name: fetched once from their makers, and proved by their hash."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

from spindle import training
from spindle.app.progress import Bar
from spindle.model import weights
from spindle.model.cache import cache
from spindle.model.family import point
from spindle.training.lock import alone

TORCHVISION = "https://download.pytorch.org/models/"
TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
D_LI14 = "https://raw.githubusercontent.com/d-li14/mobilenetv2.pytorch/master/pretrained/"
SLIM = "https://storage.googleapis.com/mobilenet_v2/checkpoints/mobilenet_v2_{}.tgz"
WAIT = 30.0  # seconds without a byte


@dataclass(frozen=True)
class Published:
    """A file on somebody's server, and the beginning of the hash that its maker gave it."""

    url: str
    hash: str
    size: int = 224  # of the pictures it was taught with
    top1: float = 0.0  # as its maker measured it
    fraction: float = 0.875  # of the shorter side that its maker judges it by
    kind: str = "sha256"


# every official point that anybody publishes together with a hash
PUBLISHED = {
    "mobilenetv2-1.4-224": Published(
        f"{TIMM}mobilenetv2_140_ra-21a4e913.pth", "21a4e913", 224, 76.528
    ),
    "mobilenetv2-1.0-224": Published(
        f"{TORCHVISION}mobilenet_v2-7ebf99e0.pth", "7ebf99e0", 224, 72.154, 224 / 232
    ),
    "mobilenetv2-1.0-192": Published(
        f"{D_LI14}mobilenetv2_192x192-e423d99e.pth", "e423d99e", 192, 71.076
    ),
    "mobilenetv2-1.0-160": Published(
        f"{D_LI14}mobilenetv2_160x160-64dc7fa1.pth", "64dc7fa1", 160, 69.504
    ),
    "mobilenetv2-1.0-128": Published(
        f"{D_LI14}mobilenetv2_128x128-fd66a69d.pth", "fd66a69d", 128, 66.740
    ),
    "mobilenetv2-1.0-96": Published(
        f"{D_LI14}mobilenetv2_96x96-ff0e83d8.pth", "ff0e83d8", 96, 62.696
    ),
    "mobilenetv2-0.75-224": Published(
        f"{D_LI14}mobilenetv2_0.75-dace9791.pth", "dace9791", 224, 69.952
    ),
    "mobilenetv2-0.5-224": Published(
        f"{TIMM}mobilenetv2_050-3d30d450.pth", "3d30d450", 224, 65.928
    ),
    "mobilenetv2-0.35-224": Published(
        f"{D_LI14}mobilenetv2_0.35-b2e15951.pth", "b2e15951", 224, 60.092
    ),
}
LABELS = Published(
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb", kind="md5",
)  # fmt: skip


def known(name: str) -> bool:
    """Whether this is the name of a published point; a ValueError where it is one nobody proves."""
    if name in PUBLISHED or point(name) is None:
        return name in PUBLISHED
    archive = SLIM.format(name.removeprefix("mobilenetv2-").replace("-", "_"))
    raise ValueError(
        f"{name} is published without a hash, so it is not fetched unasked: "
        f"unpack {archive} and name its .ckpt.index file"
    )


def fetch(name: str) -> Path:
    """The model file of a published name; on first use its weights are fetched and adopted."""
    file = PUBLISHED[name]
    path = cache() / f"{name}-{file.hash}-{weights.FORMAT}.safetensors"
    if sound(path):
        return path
    adopt = training.adopt_weights  # before anything is fetched: torch may be absent
    with alone(path.with_suffix(".lock")):
        if not sound(path):
            labels = [
                label.replace("_", " ")
                for _, label in json.loads(download(LABELS).read_text("utf-8")).values()
            ]
            raw = download(file)
            model = adopt(raw, file.size, labels, fraction=file.fraction)
            weights.save(replace(model, metrics={"top1_published": file.top1}), path)
            raw.unlink()
    return path


def sound(path: Path) -> bool:
    """Whether the model is in the cache, and whole."""
    try:
        weights.load(path)
    except (OSError, ValueError):
        return False
    return True


def download(file: Published) -> Path:
    """The file, whole and proved; what an earlier try has left is gone on with."""
    path = cache() / file.url.rsplit("/", 1)[1]
    part = path.with_name(f"{path.name}.part")
    with alone(path.with_name(f"{path.name}.lock")):
        if path.exists() and proved(path, file):
            return path
        begun = part.exists()
        transfer(file.url, part)
        if begun and not proved(part, file):  # the earlier try was of another file
            part.unlink()
            transfer(file.url, part)
        if not proved(part, file):
            part.unlink()
            raise ValueError(
                f"{file.url} does not hold what its maker published "
                f"({file.kind} {file.hash}...); it was not kept, try again"
            )
        part.replace(path)
    return path


def transfer(url: str, part: Path) -> None:
    """`receive`, or one sentence that says why not."""
    try:
        receive(url, part)
    except urllib.error.HTTPError as error:
        error.close()
        raise ValueError(f"{url} cannot be fetched: the server says {error}") from None
    except (OSError, HTTPException) as error:
        said = str(getattr(error, "reason", None) or error) or type(error).__name__
        reason = " ".join(said.split())[:200]  # a server may say anything
        kept = part.stat().st_size if part.exists() else 0
        raise ValueError(
            f"{url} cannot be fetched ({reason})"
            + (f"; {kept} bytes are kept for the next try" if kept else "")
            + (": is this machine online?" if isinstance(error, urllib.error.URLError) else "")
        ) from None


def receive(url: str, part: Path) -> None:
    """Adds to `part` what it still lacks; starts again where the server cannot go on."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=WAIT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if have and error.code == 416:  # nothing is left to send: whole, or not the same file
            error.close()
            return
        raise
    with answer:
        have = have if answer.status == 206 else 0
        whole = have + answer.length if answer.length else 0  # 0 where the server does not say
        bar = Bar(f"fetching {url.rsplit('/', 1)[1]}", whole, "MB", 1e6)
        try:
            with part.open("ab" if have else "wb") as file:
                while piece := answer.read(1 << 18):
                    file.write(piece)
                    have += len(piece)
                    bar.show(have)
                file.flush()
                os.fsync(file.fileno())
        finally:
            bar.end()
        if have < whole:
            raise OSError(f"the connection broke after {have} of {whole} bytes")


def proved(path: Path, file: Published) -> bool:
    with path.open("rb") as content:
        return hashlib.file_digest(content, file.kind).hexdigest().startswith(file.hash)
