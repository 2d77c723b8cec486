"""A video is its frames, upright and in time; what cannot be read says so."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from spindle.data.preprocess import Unreadable

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


def test_a_camera_is_asked_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []
    path, opener = clip(tmp_path / "a.mp4"), av.open

    def watched(name: str, format: str | None = None) -> Any:
        asked.append((name, format))
        return opener(str(path))

    monkeypatch.setattr(av, "open", watched)
    assert len([*film.frames("camera:1", 1)]) == len(SHADES)
    assert asked == [("/dev/video1", "v4l2")]


def test_a_camera_that_is_absent_is_a_sentence() -> None:
    with pytest.raises(Unreadable, match="camera:77 cannot be read"):
        next(film.frames("camera:77", 77))
