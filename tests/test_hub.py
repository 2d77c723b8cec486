"""Published weights are fetched once, whole or not at all, and believed only for their hash."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

import spindle
from spindle.app import hub
from spindle.app.hub import Published
from spindle.data.results import Classification
from spindle.data.synthetic import scene
from spindle.model.cache import cache
from spindle.model.family import mobilenet_v2
from spindle.model.graph import TORCH
from spindle.training.adopt import spots
from spindle.training.namings import TORCHVISION
from spindle.training.network import Network
from tests.scramble import scrambled

NAME = "mobilenetv2-0.35-224"
LABELS = json.dumps({str(i): [f"n{i}", f"label_{i}"] for i in range(1000)}).encode()


def torchvision_file() -> bytes:
    """A state dict as torchvision writes it."""
    graph = mobilenet_v2(0.35, 64, family=TORCH)
    state = Network(graph, scrambled(graph)).state_dict()
    parts = {
        "weight": "conv.weight", "bias": "conv.bias", "gamma": "norm.weight", "beta": "norm.bias",
        "mean": "norm.running_mean", "var": "norm.running_var",
    }  # fmt: skip
    named = {
        spot: state[f"{op.name}.{parts[part]}"] for op, part, _, spot in spots(graph, TORCHVISION)
    }
    named["classifier.1.weight"] = named["classifier.1.weight"][:, :, 0, 0]
    file = io.BytesIO()
    torch.save(named, file)
    return file.getvalue()


@dataclass
class Server:
    """What lies on the server, how it misbehaves, and what it was asked."""

    files: dict[str, bytes]
    url: str = ""
    mood: str = "kind"
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted, name = request.headers.get("Range"), request.path[1:]
        self.asked.append((name, wanted))
        content = self.files[name]
        match self.mood:
            case "404" | "500":
                return request.send_error(int(self.mood))
            case "silent":
                time.sleep(1)
                return None
            case "babbling":
                request.wfile.write(b"well, hello there\r\n\r\n")
                return None
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if self.mood == "rangeless":
            begin = 0
        if begin and begin >= len(content):
            return request.send_error(416)
        request.send_response(206 if begin else 200)
        if self.mood == "unsaid":
            request.end_headers()
        elif self.mood == "chunked":
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            request.wfile.write(b"fff\r\nbroken off")
            return None
        else:
            request.send_header("Content-Length", str(len(content) - begin))
            request.end_headers()
        end = len(content) // 2 if self.mood == "breaking" else len(content)
        request.wfile.write(content[begin:end])
        return None


@pytest.fixture(scope="module")
def raw() -> bytes:
    return torchvision_file()


@pytest.fixture
def server(raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server({"net.pth": raw, "labels.json": LABELS})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{http.server_port}/"
    published = Published(f"{made.url}net.pth", hashlib.sha256(raw).hexdigest()[:8], 64, 60.1)
    labels = Published(f"{made.url}labels.json", hashlib.md5(LABELS).hexdigest(), kind="md5")
    monkeypatch.setattr(hub, "PUBLISHED", {NAME: published})
    monkeypatch.setattr(hub, "LABELS", labels)
    monkeypatch.setattr(hub, "WAIT", 0.3)
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    http.shutdown()
    thread.join()
    http.server_close()


def kept() -> list[str]:
    """What lies in the cache, but for locks."""
    return sorted(path.name for path in cache().iterdir() if path.suffix != ".lock")


def refused() -> str:
    with pytest.raises(ValueError) as caught:
        hub.fetch(NAME)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_first_use_fetches_and_adopts_and_the_second_asks_nobody(server: Server) -> None:
    path = hub.fetch(NAME)
    assert [name for name, _ in server.asked] == ["labels.json", "net.pth"]
    assert kept() == ["labels.json", path.name]
    server.mood = "500"
    assert hub.fetch(NAME) == path
    assert len(server.asked) == 2


def test_a_model_that_was_damaged_in_the_cache_is_fetched_again(server: Server) -> None:
    path = hub.fetch(NAME)
    sound = path.read_bytes()
    path.write_bytes(sound[: len(sound) // 2])
    assert hub.fetch(NAME) == path and path.read_bytes() == sound


def test_a_name_is_loaded_and_looks_at_a_picture(server: Server) -> None:
    predictor = spindle.load(NAME)
    model, picture = predictor.model, scene(0).picture
    assert model.graph.input.shape == (64, 64, 3)
    assert model.labels[:2] == ("label 0", "label 1")
    assert model.metrics == {"top1_published": 60.1}
    assert np.array_equal(
        model.weights["stem.weight"], scrambled(mobilenet_v2(0.35, 64))["stem.weight"]
    )
    result = predictor(picture)
    assert isinstance(result, Classification)
    assert len(result.classes) == 1000
    assert sum(score for _, score in result.classes) == pytest.approx(1, abs=1e-4)
    assert spindle.load(NAME)(picture) == result
    assert len(server.asked) == 2


def test_a_broken_download_is_kept_and_gone_on_with(server: Server, raw: bytes) -> None:
    hub.download(hub.LABELS)
    server.mood = "breaking"
    half = len(raw) // 2
    assert f"{half} bytes are kept for the next try" in refused()
    assert (cache() / "net.pth.part").read_bytes() == raw[:half]
    server.mood = "kind"
    hub.fetch(NAME)
    assert server.asked[-1] == ("net.pth", f"bytes={half}-")
    assert [name for name in kept() if "net" in name] == [hub.fetch(NAME).name]


@pytest.mark.parametrize("mood", ["rangeless", "unsaid", "kind"])
def test_what_was_begun_is_completed_by_servers_of_every_kind(
    server: Server, raw: bytes, mood: str
) -> None:
    server.mood = mood
    (cache() / "net.pth.part").write_bytes(raw[:1000])
    assert hub.download(hub.PUBLISHED[NAME]).read_bytes() == raw
    assert server.asked == [("net.pth", "bytes=1000-")]


@pytest.mark.parametrize("share", [0, 0.3, 1, 1.5])
def test_the_beginning_of_another_file_is_healed(server: Server, raw: bytes, share: float) -> None:
    (cache() / "net.pth.part").write_bytes(b"x" * round(len(raw) * share))
    assert hub.download(hub.PUBLISHED[NAME]).read_bytes() == raw
    assert kept() == ["net.pth"]


def test_a_whole_file_that_was_not_yet_renamed_is_taken(server: Server, raw: bytes) -> None:
    (cache() / "net.pth.part").write_bytes(raw)
    assert hub.download(hub.PUBLISHED[NAME]).read_bytes() == raw
    assert len(server.asked) == 1


def test_what_is_not_what_was_published_is_refused_and_not_kept(server: Server, raw: bytes) -> None:
    server.files["net.pth"] = raw[:-1] + b"?"
    assert "does not hold what its maker published" in refused()
    assert kept() == ["labels.json"]
    server.files["net.pth"] = raw
    assert hub.fetch(NAME).exists()


def test_a_spoilt_file_in_the_cache_is_fetched_again(server: Server, raw: bytes) -> None:
    (cache() / "net.pth").write_bytes(b"spoilt")
    assert hub.download(hub.PUBLISHED[NAME]).read_bytes() == raw


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("404", "the server says HTTP Error 404"),
        ("500", "the server says HTTP Error 500"),
        ("silent", "cannot be fetched ("),
        ("babbling", "cannot be fetched (well, hello there"),
        ("chunked", "cannot be fetched (IncompleteRead"),
    ],
)
def test_a_server_that_fails_is_told_of_in_one_line(server: Server, mood: str, reason: str) -> None:
    server.mood = mood
    said = refused()
    assert reason in said and server.url in said
    server.mood = "kind"
    assert hub.fetch(NAME).exists()


def test_being_offline_is_told_of_in_one_line(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LABELS", Published("http://127.0.0.1:1/labels.json", "00"))
    assert "is this machine online?" in refused()
    assert kept() == []


def test_two_processes_at_once_fetch_one_sound_file(
    server: Server, raw: bytes, tmp_path: Path
) -> None:
    fetch = (
        "import sys; from spindle.app import hub; from spindle.app.hub import Published\n"
        "url, net, labels = sys.argv[1:]\n"
        f"hub.PUBLISHED = {{{NAME!r}: Published(url + 'net.pth', net, 64)}}\n"
        "hub.LABELS = Published(url + 'labels.json', labels, kind='md5')\n"
        f"print(hub.fetch({NAME!r}))"
    )
    said = hub.PUBLISHED[NAME].hash, hub.LABELS.hash
    running = [
        subprocess.Popen([sys.executable, "-c", fetch, server.url, *said], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    paths = [process.communicate()[0].decode().strip() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert paths[0] == paths[1]
    assert spindle.open_model(paths[0]).task == "classify"
    assert sorted(name for name, _ in server.asked) == ["labels.json", "net.pth"]


def test_a_cache_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match="file") as caught:
        hub.fetch(NAME)
    assert str(caught.value.filename).startswith(str(tmp_path))


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SPINDLE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache() == tmp_path / "home" / ".cache" / "spindle"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache() == tmp_path / "xdg" / "spindle"
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "own"))
    assert cache() == tmp_path / "own"


def test_every_published_file_is_proved_by_the_hash_in_its_name() -> None:
    for name, file in hub.PUBLISHED.items():
        assert file.url.startswith("https://") and f"-{file.hash}.pth" in file.url
        assert hub.known(name) and name.endswith(f"-{file.size}")


def test_a_point_without_a_hash_is_not_fetched_unasked() -> None:
    with pytest.raises(ValueError, match=r"without a hash.*mobilenet_v2_1.3_224.tgz"):
        hub.known("mobilenetv2-1.3-224")
    assert not hub.known("somebody-elses")
