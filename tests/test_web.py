"""The page says what the predictor says: its module in node, the whole of it in a browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import spindle
from spindle.app.building import compile_model
from spindle.model.heads import HEADS
from tests.test_examples import EXAMPLES, SIZES, TOLD, model, picture, said, zig

SURE = 0.01  # which of the boxes are compared
HIDDEN = ("xvfb-run", "-a")  # a screen for those that want one
WEBKIT = Path("/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser")  # the engine of Safari
BROWSERS = {
    "chromium": (
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        "--remote-debugging-port=0", "--user-data-dir={room}",
    ),
    "firefox": ("firefox-esr", "--headless", "--no-remote", "--profile", "{room}"),
    "webkit": (*HIDDEN, str(WEBKIT), "--private"),
}  # fmt: skip
PATIENCE = 300  # seconds that a browser may take on a busy machine
node = pytest.mark.skipif(not shutil.which("node"), reason="node is absent: apt-get install nodejs")

SEES = """
import { readFileSync } from "node:fs";
import { load } from "./spindle.mjs";
const model = await load(readFileSync("model.wasm")), sure = Number(process.argv[2]);
for (const [width, height, bands, file] of JSON.parse(process.argv[3])) {
    const answer = model.see({ width, height, data: readFileSync(file) }, sure);
    if (answer.pixels) answer.pixels = [...answer.pixels];
    if (answer.vector) answer.vector = [...answer.vector];
    console.log(JSON.stringify(answer));
}
"""


def page(head: str, room: Path) -> Path:
    """A folder as somebody would serve it."""
    shutil.copytree(EXAMPLES / "web", room, dirs_exist_ok=True)
    compile_model(model(head), room / "model.wasm", "wasm32")
    return room


@node
@zig
@pytest.mark.parametrize("head", TOLD)
def test_a_page_says_the_same(head: str, tmp_path: Path) -> None:
    room = page(head, tmp_path)
    (room / "sees.mjs").write_text(SEES)
    shown = []
    for width, height in SIZES:
        pixels = picture((width, height))
        for bands in (3, 4):
            file = room / f"{width}x{height}x{bands}"
            filled = np.full((height, width, bands), 255, np.uint8)
            filled[..., :3] = pixels
            file.write_bytes(filled.tobytes())
            shown.append((width, height, bands, file.name))
    told = said(["node", "sees.mjs", SURE, json.dumps(shown)], room).splitlines()
    network = spindle.Predictor(model(head))
    for line, (width, height, *_) in zip(told, shown, strict=True):
        expected = plain(network(picture((width, height)), SURE))
        assert alike(json.loads(line), {"task": HEADS[head].task} | expected)
        assert len(line) > 60, "an answer must say something"


def plain(result: Any) -> dict[str, Any]:
    """A result as the page puts it."""
    match result:
        case spindle.Classification(classes):
            return {"classes": [{"label": name, "score": score} for name, score in classes]}
        case spindle.Boxes(boxes):
            return {"boxes": [asdict(box) for box in boxes]}
        case spindle.Mask(pixels):
            high, wide = pixels.shape
            kinds = pixels.ravel().tolist()
            return {"width": wide, "height": high, "pixels": kinds, "shares": result.shares()}
        case spindle.Pose(points):
            names = "label", "x", "y", "score"
            return {"points": [dict(zip(names, point, strict=True)) for point in points]}
        case spindle.Embedding(vector):
            return {"vector": vector.tolist()}
    raise AssertionError(result)


def alike(one: Any, other: Any) -> bool:
    """Whether two answers say the same, as near as floats do."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(alike(one[k], other[k]) for k in one)
        case [{"left": _}, *_], [{"left": _}, *_]:  # boxes, of which equal ones are in any order
            scores = ([box["score"] for box in boxes] for boxes in (one, other))
            rest = list(other)
            for box in one:
                if not (found := [other for other in rest if alike(box, other)]):
                    return False
                rest.remove(found[0])
            return not rest and alike(*scores)
        case list(), list():
            few = len(one) // 1000  # pixels at a border may go either way
            pairs = list(zip(one, other, strict=True))
            return sum(not alike(*pair) for pair in pairs) <= few
        case str(), str():
            return one == other
    return bool(np.isclose(one, other, rtol=1e-3, atol=1e-3))


REFUSED = """
import { load } from "./spindle.mjs";
const model = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0), newer = Uint8Array.of(0, 97, 115, 109, 9);
for (const bytes of [new TextEncoder().encode("<html>"), new Uint8Array(2), newer, model])
    await load(bytes).catch(error => console.log(error.message));
const { validate } = WebAssembly;
WebAssembly.validate = bytes => bytes.length !== 29 && validate(bytes);
await load(model).catch(error => console.log(error.message));
globalThis.WebAssembly = undefined;
await load(model).catch(error => console.log(error.message));
"""


@node
def test_a_page_says_why_it_cannot(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "web" / "spindle.mjs", tmp_path)
    (tmp_path / "refused.mjs").write_text(REFUSED)
    told = said(["node", "refused.mjs"], tmp_path).splitlines()
    reasons = ["no compiled model"] * 2 + ["--target wasm32", "no model that Spindle"]
    reasons += ["lacks the vectors of WebAssembly", "lacks WebAssembly"]
    assert len(told) == len(reasons)
    for line, reason in zip(told, reasons, strict=True):
        assert reason in line


TELLS = """
const told = () => document.querySelector("#answer li, .wrong");
while (!told()) await new Promise(next => setTimeout(next, 50));
await fetch("told", { method: "POST", body: document.body.innerHTML });
"""
GREETS = """<!doctype html><script>fetch("told", { method: "POST", body: "here" })</script>"""
FILMS = """
while (!model) await new Promise(next => setTimeout(next, 50));
$("camera").click();
"""


class Listening(SimpleHTTPRequestHandler):
    """Serves a folder, and hears what a page in it has to tell."""

    told: SimpleQueue[str] = SimpleQueue()

    def do_POST(self) -> None:
        self.told.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests have nobody to tell."""


@contextmanager
def served(room: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Listening, directory=str(room)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def ready(browser: str) -> None:
    """Skips where it is absent, or shows no page on this machine, not even one of a line."""
    for program in BROWSERS[browser]:
        if program[0] not in "-{" and not shutil.which(program):
            pytest.skip(f"{Path(program).name} is absent, which shows pages")
    if not greeted(browser):
        pytest.skip(f"{browser} shows no page at all on this machine")


@cache
def greeted(browser: str) -> bool:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        room = Path(place)
        (room / "index.html").write_text(GREETS)
        with served(room) as address, suppress(Empty):
            return shown(browser, f"{address}/index.html", room / "browser") == "here"
    return False


def shown(browser: str, address: str, room: Path) -> str:
    """What stands in a page once it has an answer, or a reason for none."""
    words = [word.format(room=room) for word in BROWSERS[browser]]
    room.mkdir(exist_ok=True)
    home = os.environ | {"HOME": str(room)}
    with subprocess.Popen(
        [*words, address], env=home, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            return Listening.told.get(timeout=PATIENCE)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def site(room: Path, script: str) -> Path:
    """The page with a classifier and a picture, which then does more."""
    page("classifier", room)
    Pillow.fromarray(picture(SIZES[0])).save(room / "0.png")
    with (room / "page.mjs").open("a") as module:
        module.write(script)
    return room


@zig
@pytest.mark.parametrize("browser", BROWSERS)
def test_a_browser_shows_it(browser: str, tmp_path: Path) -> None:
    ready(browser)
    room = site(tmp_path / "site", TELLS)
    result = spindle.Predictor(model("classifier"))(room / "0.png")
    assert isinstance(result, spindle.Classification)
    with served(room) as address:
        told = shown(browser, f"{address}/index.html?picture=0.png", tmp_path / "browser")
        for label, score in result.classes:
            assert f"<span>{label}</span>" in told and f"<span>{score:.2f}</span>" in told
        told = shown(browser, f"{address}/index.html?model=absent.wasm", tmp_path / "browser")
        assert "absent.wasm cannot be had: the server says 404" in told


@zig
def test_a_browser_films(tmp_path: Path) -> None:
    ready("chromium")
    with served(site(tmp_path / "site", FILMS + TELLS)) as address:
        told = shown("chromium", f"{address}/index.html", tmp_path / "browser")
    assert told.count("<meter") == 3 and ">Stop<" in told
