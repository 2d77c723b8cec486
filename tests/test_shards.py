"""Shards hold what was put into them, wherever they are, in an order that the seed decides."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spindle.data.check import examine
from spindle.data.forms import shard as rooms
from spindle.data.forms.shards import Shards, expanded, find_shards
from spindle.data.forms.tar import walk
from spindle.data.samples import Sample

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINDLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("spindle.data.forms.tar.PAUSES", (0.0, 0.0, 0.0))


def write_tar(path: Path, files: Files, form: int = tarfile.GNU_FORMAT) -> Path:
    mode: Any = "w:gz" if path.suffix in (".gz", ".tgz") else "w"
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, mode, format=form) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def picture(number: int) -> bytes:
    return random.Random(number).randbytes(300 + number)


def classes(numbers: range) -> Files:
    files: Files = {}
    for number in numbers:
        files |= {f"{number:04}.jpg": picture(number), f"{number:04}.cls": b"%d" % (number % 3)}
    return files


def three(folder: Path, ending: str = "tar") -> Path:
    for part, numbers in enumerate((range(10), range(10, 13), range(13, 30))):
        write_tar(folder / f"train-{part:03}.{ending}", classes(numbers))
    return folder


def key(sample: Sample) -> int:
    number = int(sample.name.rpartition("/")[2])
    assert sample.picture == picture(number) and sample.kind == number % 3
    return number


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tgz"])
@pytest.mark.parametrize("buffer", [0, 2000, 1 << 20])
def test_every_machine_has_its_share_and_nothing_is_lost(
    tmp_path: Path, ending: str, buffer: int
) -> None:
    data = find_shards(str(three(tmp_path / "data", ending)))
    assert (data.task, data.labels) == ("classify", ("0", "1", "2"))
    samples = data.splits["train"]
    assert isinstance(samples, Shards)
    samples.buffer = buffer
    assert [key(sample) for sample in samples] == list(range(30)) and len(samples) == 30
    for world in (1, 2, 3, 7, 30, 31):
        shares = [list(samples.shuffled(5, rank, world)) for rank in range(world)]
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        places = sorted(place for share in shares for place, _ in share)
        assert places == list(range(30))
        assert sorted(key(sample) for share in shares for _, sample in share) == list(range(30))
    orders = [[key(sample) for _, sample in samples.shuffled(seed)] for seed in (1, 1, *range(9))]
    assert orders[0] == orders[1] and len({tuple(order) for order in orders}) > 3


def test_where_one_can_go_straight_the_permutation_is_exact(tmp_path: Path) -> None:
    samples = find_shards(str(three(tmp_path / "data"))).splits["train"]
    wanted = np.random.default_rng(4).permutation(30).tolist()
    assert [key(sample) for _, sample in samples.shuffled(4)] == wanted
    halves = [[key(s) for _, s in samples.shuffled(4, rank, 2)] for rank in (0, 1)]
    assert halves == [wanted[::2], wanted[1::2]]


@pytest.mark.parametrize("ending", ["tar", "tgz"])
def test_some_can_be_chosen(tmp_path: Path, ending: str) -> None:
    samples = find_shards(str(three(tmp_path / "data", ending))).splits["train"]
    assert isinstance(samples, Shards)
    some = samples.chosen(np.array([29, 3, 11]))
    assert [key(sample) for sample in some] == [3, 11, 29] and len(some) == 3
    shares = [list(some.shuffled(1, rank, 2)) for rank in (0, 1)]
    assert sorted(key(sample) for share in shares for _, sample in share) == [3, 11, 29]
    assert [key(sample) for sample in some.chosen(np.array([2]))] == [29]


def test_a_machine_opens_only_the_shards_of_its_stretch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = find_shards(str(three(tmp_path / "data", "tgz"))).splits["train"]
    touched: list[str] = []

    def watched(place: str) -> Any:
        touched.append(place)
        return walk(place)

    monkeypatch.setattr("spindle.data.forms.shards.walk", watched)
    for rank in range(10):
        touched.clear()
        assert len(list(samples.shuffled(0, rank, 10))) == 3
        assert len(touched) <= 2
        assert [place for place, _ in groupby(touched)] == touched


def test_the_index_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = three(tmp_path / "data")
    first = find_shards(str(folder))
    seen: list[str] = []
    real = rooms.look_into

    def watched(place: str, mark: str, straight: bool) -> rooms.Shard:
        seen.append(place)
        return real(place, mark, straight)

    monkeypatch.setattr(rooms, "look_into", watched)
    again = find_shards(str(folder))
    assert not seen and [key(s) for s in again.splits["train"]] == list(range(30))
    write_tar(folder / "train-001.tar", classes(range(40, 45)))
    assert len(find_shards(str(folder)).splits["train"]) == 32 and len(seen) == 1
    for file in (tmp_path / "cache" / "shards").iterdir():
        file.write_text('{"count": "x"}')
    assert len(find_shards(str(folder)).splits["train"]) == 32 and len(seen) == 4
    with pytest.raises(ValueError, match="train-001.tar has changed since"):
        list(first.splits["train"])


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_names_of_any_length_and_all_that_tar_allows(tmp_path: Path, form: int) -> None:
    long = "a/" * 30 + ("x" * 90 if form == tarfile.USTAR_FORMAT else "ü" * 150)
    files = {f"{long}.jpg": b"one", f"{long}.txt": b"cat\n", "./b.png": b"two", "./b.txt": b"dog"}
    path = write_tar(tmp_path / "all.tar", files, form)
    with tarfile.open(path, "a") as tar:
        tar.add(tmp_path, "folder", recursive=False)
    with tarfile.open(path) as tar:
        names = [member.name for member in tar if member.isfile()]
    assert [member.name for member in walk(str(path))] == names
    data = find_shards(str(path))
    assert data.labels == ("cat", "dog") and [*data.splits] == ["all"]
    found = [*data.splits["all"]]
    assert [(sample.picture, sample.kind) for sample in found] == [(b"one", 0), (b"two", 1)]


def test_json_masks_and_poses(tmp_path: Path) -> None:
    boxes = {"boxes": [[1, 2, 3, 4]], "kinds": [1]}
    folder = tmp_path / "detect"
    write_tar(
        folder / "val-0.tar", {"a.jpg": b"p", "a.json": json.dumps({"objects": boxes}).encode()}
    )
    (folder / "labels.txt").write_text("cat\ndog\n")
    data = find_shards(str(folder))
    (sample,) = data.splits["val"]
    assert data.task == "detect" and data.labels == ("cat", "dog") and sample.objects
    assert sample.objects.boxes.tolist() == [[1, 2, 3, 4]] and sample.objects.kinds.tolist() == [1]
    folder = tmp_path / "segment"
    files = {"a.jpg": b"p", "a.png": b"m", "b.png": b"q", "b.seg.png": b"n"}
    write_tar(folder / "train-0.tgz", files)
    with pytest.raises(ValueError, match="write them into labels.txt"):
        find_shards(str(folder))
    (folder / "classes.txt").write_text("ground\nroad")
    data = find_shards(str(folder))
    assert data.task == "segment"
    assert [(s.picture, s.mask) for s in data.splits["train"]] == [(b"p", b"m"), (b"q", b"n")]
    points = boxes | {"points": [[[1, 2, 2], [3, 4, 0]]]}
    folder = tmp_path / "pose"
    write_tar(folder / "0.tar", {"a.jpg": b"p", "a.json": json.dumps({"objects": points}).encode()})
    data = find_shards(str(folder))
    assert data.task == "pose" and data.labels == ("point 0", "point 1")


def test_what_is_wrong_with_a_shard_is_said_and_the_rest_is_used(tmp_path: Path) -> None:
    folder = three(tmp_path / "data", "tgz")
    whole = (folder / "train-002.tgz").read_bytes()
    (folder / "train-002.tgz").write_bytes(whole[: len(whole) // 2])
    strange: Files = {"x.cls": b"1", "y.jpg": b"p", "z.jpg": b"p", "z.cls": b"one"}
    write_tar(folder / "train-003.tar", strange | classes(range(50, 52)))
    (folder / "train-004.tar").touch()
    data = find_shards(str(folder))
    said = [str(problem) for problem in data.problems]
    assert len(said) == 5
    assert "train-002.tgz is broken or cut short" in said[0] and "samples before that" in said[0]
    assert "x is left out: it has 0 pictures among cls" in said[1]
    assert "y is left out: nothing says what it shows" in said[2]
    assert "z is left out: its .cls is not the number of a class, but b'one'" in said[3]
    assert "train-004.tar is broken or cut short (nothing is in it)" in said[4]
    numbers = [key(sample) for sample in data.splits["train"]]
    assert numbers == [*range(numbers[-3] + 1), 50, 51] and 13 < len(numbers) < 32
    assert sorted(key(s) for _, s in data.splits["train"].shuffled(0)) == numbers
    found = examine(data)
    assert "train-002.tgz is broken or cut short" in str(found)
    assert len(found.clean(data).splits["train"]) == 0  # no jpg of this test is a picture


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tar", b"not a tar file" * 100, "a.tar is broken or cut short"),
        ("a.tar.gz", gzip.compress(b"no" * 600, mtime=0)[:-3], "a.tar.gz is broken or cut short"),
        ("a.tar.gz", b"\x1f\x8bxxxxxxxxxxxxxx", "a.tar.gz is broken or cut short"),
        ("a.tar", b"\0" * 10240, "there is no sample in"),
    ],
)
def test_what_is_no_shard_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        find_shards(str(tmp_path / name))


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    folder = three(tmp_path / "data")
    (folder / "labels.txt").write_text("cat\ndog\n")
    with pytest.raises(ValueError, match="speaks of the class 2, but there are 2 labels"):
        find_shards(str(folder))
    with pytest.raises(ValueError, match="absent.tar cannot be read: No such file"):
        find_shards(str(tmp_path / "absent.tar"))
    with pytest.raises(ValueError, match="there is no shard at"):
        find_shards(str(tmp_path / "nothing*.tar"))
    with pytest.raises(ValueError, match="shards come from files, http and https"):
        find_shards("s3://bucket/a.tar")


def test_patterns(tmp_path: Path) -> None:
    folder = three(tmp_path / "data")
    every = sorted(str(file) for file in folder.iterdir())
    assert expanded(str(folder)) == expanded(f"{folder}/train-*.tar") == every
    assert expanded(f"{folder}/train-{{000..002}}.tar") == every
    assert expanded(f"{folder}/train-00{{2,0}}.tar") == [every[2], every[0]]
    assert expanded("http://h/{a,b}-{08..10}.tar")[2:4] == [
        "http://h/a-10.tar",
        "http://h/b-08.tar",
    ]
    with pytest.raises(ValueError, match="no range from low to high"):
        expanded("x{5..2}.tar")


class Server(BaseHTTPRequestHandler):
    """Serves a folder, and breaks the connection as often as it is told to."""

    folder = Path()
    breaks, sent, ranges, heads, asked = 0, 1 / 3, True, True, 0

    def do_HEAD(self) -> None:  # noqa: N802
        if not self.heads:
            self.send_error(405)
            return
        self.answer(only_head=True)

    def do_GET(self) -> None:  # noqa: N802
        Server.asked += 1
        self.answer()

    def answer(self, only_head: bool = False) -> None:
        file = self.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        wanted = self.headers.get("Range")
        begin = int(wanted[6:-1]) if wanted and self.ranges else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.send_header("ETag", f'"{hash(content)}"')
        self.end_headers()
        if only_head:
            return
        content = content[begin:]
        if Server.breaks and self.path.startswith("/train"):
            Server.breaks -= 1
            content = content[: int(len(content) * Server.sent)]
        self.wfile.write(content)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    Server.folder, Server.breaks, Server.sent = tmp_path / "data", 0, 1 / 3
    Server.ranges = Server.heads = True
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_shards_on_a_server_whose_connections_break(
    tmp_path: Path, server: str, ending: str, ranges: bool
) -> None:
    (three(tmp_path / "data", ending) / "labels.txt").write_text("a\nb\nc\n")
    Server.breaks, Server.ranges, Server.heads = 3, ranges, ranges
    place = f"{server}/train-{{000..002}}.{ending}"
    data = find_shards(place)
    assert not data.problems and data.labels == ("a", "b", "c") and Server.breaks == 0
    samples = data.splits["train"]
    assert [key(sample) for sample in samples] == list(range(30))
    shares = [list(samples.shuffled(3, rank, 2)) for rank in (0, 1)]
    assert sorted(key(sample) for share in shares for _, sample in share) == list(range(30))
    before = Server.asked
    assert len(find_shards(place).splits["train"]) == 30
    assert Server.asked - before <= (1 if ranges else 4)  # the labels, and heads where they must
    Server.breaks, Server.sent = 1000, 0.0
    with pytest.raises(ValueError, match=f"train-000.{ending} is broken or cut short .*broke"):
        list(samples)


def test_a_server_that_has_nothing(tmp_path: Path, server: str) -> None:
    with pytest.raises(ValueError, match="train.tar cannot be opened: the server says .*404"):
        find_shards(f"{server}/train.tar")


def test_cifar(data: Path) -> None:
    found = find_shards(str(data / "cifar10" / "train-0000.tar.gz"))
    assert len(found.splits["train"]) == 10_000 and len(found.labels) == 10
    _, sample = next(found.splits["train"].shuffled(1))
    assert isinstance(sample.picture, bytes) and sample.picture[:2] == b"\xff\xd8"
