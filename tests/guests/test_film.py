"""A video is its frames, upright and in time; what cannot be read says so."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.app.cli import main
from spindle.app.predictor import load
from spindle.data.preprocess import Unreadable
from spindle.data.synthetic import scene
from spindle.model import weights
from tests.small import small

av = pytest.importorskip("av", reason="PyAV is absent: pip install 'spindle[video]'")
from spindle.app import film  # noqa: E402 (it opens PyAV)

SHADES = (30, 90, 150, 210)


def clip(path: Path, rate: int = 4) -> Path:
    """A frame of each shade, its left half black."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for shade in SHADES:
            pixels = np.full((32, 64, 3), shade, np.uint8)
            pixels[:, :32] = 0
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        file.mux(stream.encode())
    return path


def test_every_frame_comes_in_its_time(tmp_path: Path) -> None:
    seen = [*film.frames(str(clip(tmp_path / "a.mp4")))]
    assert [time for time, _ in seen] == [0, 0.25, 0.5, 0.75]
    for (_, picture), shade in zip(seen, SHADES, strict=True):
        assert picture.size == (64, 32)
        assert np.asarray(picture)[:, 40:].mean() == pytest.approx(shade, abs=6)
        assert np.asarray(picture)[:, :24].mean() < 12


def test_what_was_filmed_lying_is_turned_upright() -> None:
    """What the frame says is counter-clockwise: its left goes down."""

    class Frame:
        rotation = 90

        def to_image(self) -> Any:
            picture = Pillow.new("L", (4, 2))
            picture.paste(255, (0, 0, 1, 2))
            return picture

    turned = np.asarray(film.upright(Frame()))
    assert turned.shape == (4, 2) and turned[-1].tolist() == [255, 255] and not turned[:-1].any()


def test_a_video_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    whole = clip(tmp_path / "a.avi").read_bytes()
    (path := tmp_path / "b.avi").write_bytes(
        whole[: whole.rindex(b"00dc", 0, whole.index(b"idx1"))]
    )
    seen: list[Pillow.Image] = []
    with suppress(Unreadable):  # it may end there, or be refused there
        for _, picture in film.frames(str(path)):
            seen.append(picture)
    assert 1 <= len(seen) < len(SHADES)
    for picture, shade in zip(seen, SHADES):
        assert np.asarray(picture)[:, 40:].mean() == pytest.approx(shade, abs=6)


@pytest.mark.parametrize("content", [None, b"", b"no video at all" * 99])
def test_what_is_no_video_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreadable, match=r"a\.mp4 cannot be read: \w+"):
        next(film.frames(str(path)))


def test_a_sound_has_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(Unreadable, match="holds no pictures that move"):
        next(film.frames(str(path)))


@pytest.mark.parametrize(
    ("system", "wanted"),
    [("linux", ("/dev/video1", "v4l2")), ("darwin", ("1", "avfoundation"))],
)
def test_a_camera_is_asked_by_its_number(
    system: str, wanted: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []
    path, opener = clip(tmp_path / "a.mp4"), av.open

    def watched(name: str, format: str | None = None, options: object = None) -> Any:
        asked.append((name, format))
        return opener(str(path))

    monkeypatch.setattr(av, "open", watched)
    monkeypatch.setattr(sys, "platform", system)
    assert len([*film.frames("camera:1", 1)]) == len(SHADES)
    assert asked == [wanted]


def test_where_cameras_have_no_numbers_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(Unreadable, match="camera has a name here and no number: film first"):
        next(film.frames("camera", 0))


def test_a_camera_that_is_absent_is_a_sentence() -> None:
    with pytest.raises(Unreadable, match="camera:77 cannot be read"):
        next(film.frames("camera:77", 77))


def drawn(path: Path) -> list[Pillow.Image]:
    """A video of three drawn scenes, and what is in it."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(3):
            pixels = scene(number, 64, 96).picture
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        file.mux(stream.encode())
    with av.open(str(path)) as file:
        return [frame.to_image() for frame in file.decode(video=0)]


def weighed(folder: Path) -> Path:
    weights.save(small("classify"), path := folder / "m.safetensors")
    return path


def test_a_video_is_told_frame_by_frame_and_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, out = drawn(path := tmp_path / "a.mp4"), tmp_path / "r.jsonl"
    asked = ["predict", str(weighed(tmp_path)), str(path), "--threshold", "0"]
    assert main([*asked, "--save", str(tmp_path / "drawn"), "--json"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["frame"], line["time"]) for line in said] == [(0, 0), (1, 0.2), (2, 0.4)]
    predictor = load(tmp_path / "m.safetensors")
    for line, frame in zip(said, frames, strict=True):
        assert {"image": str(path), "frame": line["frame"], "time": line["time"]} | predictor(
            frame, 0, top=5
        ).to_json() == line
    saved = sorted(file.name for file in (tmp_path / "drawn").iterdir())
    assert saved == [f"a-00000{number}.png" for number in range(3)]
    assert main([*asked, "-o", str(out)]) == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == said
    whole = out.read_bytes()
    out.write_bytes(whole[: whole.rindex(b'{"image') + 9])
    assert main([*asked, "-o", str(out)]) == 0 and out.read_bytes() == whole


def test_a_bad_video_is_named_at_the_end_like_a_bad_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_text("not a video")
    Pillow.fromarray(scene(3, 60, 90).picture).save(tmp_path / "good.png")
    pictures = [*(str(tmp_path / name) for name in ("b.mp4", "good.png", "a.mp4")), "camera:77"]
    assert main(["predict", str(weighed(tmp_path)), *pictures]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4 and f"{tmp_path / 'a.mp4'} frame 2: " in out
    assert [line.split()[1] for line in err.splitlines()] == [pictures[0], pictures[3]]
