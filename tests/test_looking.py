"""A compiled model says of files what numpy says of them, one or many, in words and pictures."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle import app
from spindle.app.cli import main
from spindle.app.looking import camera
from spindle.app.predictor import Predictor, load
from spindle.app.readings import MANY
from spindle.app.seeing import LONG
from spindle.compiler import api
from spindle.data.results import Boxes, Classification, Result
from spindle.data.synthetic import scene
from spindle.model import weights
from spindle.model.family import mobilenet_v2
from spindle.model.heads import HEADS
from spindle.model.weights import Model
from tests.scramble import scrambled

pytestmark = pytest.mark.skipif(
    not any((find_spec("ziglang"), shutil.which("clang"), shutil.which("gcc"))),
    reason="there is no C compiler here: pip install ziglang",
)
SIDE = 65
SIZES = [(SIDE, SIDE), (140, 90), (90, 300), (1, 1), (7, LONG + 9), (1200, 900)]


@pytest.fixture(scope="module", params=["classifier", "ssdlite"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file and its library."""
    folder = tmp_path_factory.mktemp("looking")
    graph = mobilenet_v2(0.1, SIDE, request.param, 3)
    model = Model(graph, scrambled(graph), HEADS[request.param].task, ("ant", "bee", "cat"))
    weights.save(model, folder / "m.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINDLE_CACHE", str(folder / "cache"))
        Predictor(model).compile(folder / "m.so")
    return folder


def same(ours: Result, theirs: Result) -> None:
    match ours, theirs:
        case Classification(), Classification():
            scores, wanted = dict(ours.classes), dict(theirs.classes)
            assert scores == pytest.approx(wanted, abs=1e-4)
        case Boxes(), Boxes():
            assert len(ours.boxes) == len(theirs.boxes)
            for a, b in zip(ours.boxes[:5], theirs.boxes[:5], strict=True):
                assert a.label == b.label and a.score == pytest.approx(b.score, abs=1e-4)
                assert a.left == pytest.approx(b.left, abs=0.1)
                assert a.bottom == pytest.approx(b.bottom, abs=0.1)
        case _:
            raise AssertionError((ours, theirs))


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_any_size_is_fitted_alike_in_c(place: Path, size: tuple[int, int]) -> None:
    picture = Pillow.fromarray(scene(3, 90, 120).picture).resize(size)
    same(load(place / "m.so")(picture, 0), load(place / "m.safetensors")(picture, 0))


def test_c_takes_what_we_leave_to_it() -> None:
    assert LONG <= api.LARGEST


def photographs(folder: Path) -> list[str]:
    """Of several shapes; one is broken, one is no picture."""
    folder.mkdir()
    for number in range(7):
        picture = Pillow.fromarray(scene(number, 60 + 9 * number, 200 - 20 * number).picture)
        picture.save(folder / f"{number}.{'png' if number % 2 else 'jpg'}")
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:300])
    (folder / "4.jpg").write_text("not a picture")
    return [str(folder / name) for name in ("0.jpg", "1.png", "2.jpg", "5.png", "6.jpg")]


def test_a_folder_is_told_in_order_and_the_broken_at_the_end(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = photographs(tmp_path / "photos")
    asked = [str(tmp_path / "photos"), "--json", "--threshold", "0"]
    assert main(["predict", str(place / "m.so"), *asked, "--threads", "3"]) == 1
    out, err = capsys.readouterr()
    ours = [json.loads(line) for line in out.splitlines()]
    assert [said["image"] for said in ours] == good
    assert [line.split(" ")[1][-5:] for line in err.splitlines()] == ["3.png", "4.jpg"]
    assert main(["predict", str(place / "m.safetensors"), *asked]) == 1
    theirs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for a, b in zip(ours, theirs, strict=True):
        one, other = (said[next(k for k in said if k != "image")][0] for said in (a, b))
        assert one["label"] == other["label"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)


def test_a_compiled_model_has_a_reading_of_its_own(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = photographs(tmp_path / "photos")[0]
    assert main(["predict", str(place / "m.so"), good, "--reading", "torch"]) == 2
    assert "is compiled: its reading is c, it has no torch" in capsys.readouterr().err
    assert main(["predict", str(place / "m.so"), good, "--reading", "c", "--threads", "2"]) == 0


def test_pictures_are_drawn_beside(place: Path, tmp_path: Path) -> None:
    good = photographs(tmp_path / "photos")
    drawn = tmp_path / "drawn"
    assert main(["predict", str(place / "m.so"), *good, "--save", str(drawn)]) == 0
    assert sorted(path.name for path in drawn.iterdir()) == [f"{n}.png" for n in (0, 1, 2, 5, 6)]


def large(folder: Path) -> Path:
    """A JPEG whose sides are no multiples of 8, and much larger than a network wants."""
    path = folder / "large.jpg"
    pixels = np.asarray(Pillow.fromarray(scene(5, 90, 120).picture).resize((1203, 901)))
    Pillow.fromarray(pixels).save(path, quality=95)
    return path


def test_a_large_jpeg_decoded_small_says_nearly_the_same(place: Path, tmp_path: Path) -> None:
    predictor, path = load(place / "m.so"), large(tmp_path)
    whole: Any = predictor(Pillow.open(path), 0)
    small: Any = predictor(path, 0)
    if isinstance(whole, Classification):
        assert dict(small.classes) == pytest.approx(dict(whole.classes), abs=0.02)
        assert small != whole  # it was decoded small, or nothing is tried here
        return
    first, second = small.boxes[0], whole.boxes[0]
    assert first.score == pytest.approx(second.score, abs=0.02)
    assert 0 <= first.left <= first.right <= 1203 and 0 <= first.top <= first.bottom <= 901


def test_a_jpeg_of_ordinary_size_is_decoded_whole(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.jpg"
    Pillow.fromarray(scene(2, 2 * SIDE, 3 * SIDE).picture).save(path)
    predictor = load(place / "m.safetensors")
    assert predictor(path, 0) == predictor(Pillow.open(path), 0)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_pattern_is_what_it_fits(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs(tmp_path / "photos")
    (tmp_path / "photos" / "a[1].png").write_bytes((tmp_path / "photos" / "1.png").read_bytes())
    for pattern, wanted in (
        ("photos/[012].*", ["0.jpg", "1.png", "2.jpg"]),
        ("**/6.jpg", ["6.jpg"]),
        ("phot*", ["0.jpg", "1.png", "2.jpg", "5.png", "6.jpg", "a[1].png"]),
        ("photos/a[1].png", ["a[1].png"]),  # a file of this very name
    ):
        main(["predict", str(place / "m.safetensors"), str(tmp_path / pattern), "--json"])
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [Path(line["image"]).name for line in said] == wanted
    assert main(["predict", str(place / "m.safetensors"), str(tmp_path / "none*.jpg")]) == 1
    assert "none*.jpg fits no file" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["predict", str(place / "m.safetensors"), str(tmp_path / "empty")]) == 1
    assert "empty is a folder without pictures: they end in .jpg" in capsys.readouterr().err


def test_a_name_of_odd_letters_stays_on_its_line(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Path(photographs(tmp_path / "photos")[0])
    odd, bad = good.with_name("a\nb\x1b[31m.jpg"), good.with_name("c\nd\x1b[31m.jpg")
    odd.write_bytes(good.read_bytes())
    bad.write_bytes(b"nothing")
    assert main(["predict", str(place / "m.so"), str(odd), str(bad)]) == 1
    out, err = capsys.readouterr()
    assert out.count("\n") == err.count("\n") == 1 and "\x1b" not in out + err
    assert "a?b?[31m.jpg: " in out and "c d?[31m.jpg is not a picture" in err


@pytest.mark.parametrize(
    ("flags", "reason"),
    [(["--threads", "0"], "0 threads look at nothing"), (["--top", "0"], "say 1 or more"),
     (["--save", "taken"], "taken is there already and is no folder")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    place: Path, tmp_path: Path, flags: list[str], reason: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    good = photographs(tmp_path / "photos")[0]
    monkeypatch.chdir(tmp_path)
    Path("taken").write_bytes(b"")
    assert main(["predict", str(place / "m.so"), good, *flags]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and reason in err


def test_a_long_folder_goes_on_where_it_was_stopped(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, out = photographs(tmp_path / "photos"), tmp_path / "r.jsonl"
    asked = ["predict", str(place / "m.so"), str(tmp_path / "photos"), "-o", str(out)]
    assert main(asked) == 1
    said, err = capsys.readouterr()
    assert said == f"{out}: 5 lines\n" and err.count("\n") == 2
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) * 2 // 3])  # stopped within a line
    assert main(asked) == 1 and out.read_bytes() == whole
    assert "3 are in" in capsys.readouterr().err
    assert [line["image"] for line in lines_of(out)] == good
    assert main(["predict", str(place / "m.so"), *good, "-o", str(out)]) == 0
    assert capsys.readouterr().err == f"spindle: 5 are in {out} already\n"
    assert out.read_bytes() == whole


def test_what_moves_takes_an_extra(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'av'")

    monkeypatch.setitem(vars(app), "frames", absent)
    assert main(["predict", str(place / "m.so"), str(tmp_path / "a.mp4")]) == 2
    assert capsys.readouterr().err.endswith("not here: pip install 'spindle[video]'\n")


@pytest.mark.parametrize(
    ("name", "number"),
    [("camera", 0), ("camera:0", 0), ("camera:12", 12), ("camera:", None), ("camera:x", None),
     ("camera:-1", None), ("camera.jpg", None), ("cameras", None)],
)  # fmt: skip
def test_a_camera_has_a_number(name: str, number: int | None) -> None:
    assert camera(name) == number


def test_many_pictures_are_compiled_for(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    foreseen: list[int] = []
    monkeypatch.setattr(Predictor, "foresee", lambda _, pictures: foreseen.append(pictures))
    good = photographs(tmp_path / "photos")
    main(["predict", str(place / "m.safetensors"), good[0]])
    main(["predict", str(place / "m.safetensors"), *good])
    main(["predict", str(place / "m.safetensors"), str(tmp_path / "a.mp4")])
    assert foreseen == [5, MANY]
