from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from comfyfleet.cli.demo_check import ResultWrong, check_clip
from comfyfleet.up.seed import sample_path
from comfyfleet.up.seed.make_sample import FPS, draw_frame

Codec = Literal["libx264", "mpeg4"]
Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def write_clip(target: Path, change: Change, *, frames: int = 72, rate: int = FPS, codec: Codec = "libx264") -> Path:
    with av.open(str(target), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(change(draw_frame(index)), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


def inverted(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(255 - frame, dtype=np.uint8)


def inverted_with_a_line(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    result = inverted(frame)
    result[200:215, 60:260] = 0
    return result


def test_an_inverted_clip_with_something_drawn_is_right(tmp_path: Path) -> None:
    report = check_clip(sample_path(), write_clip(tmp_path / "a.mp4", inverted_with_a_line), with_text=True)
    assert (report.codec, report.frames, report.seconds, report.has_drawing) == ("h264", 72, 3.0, True)
    assert str(report).startswith("H.264, 72 frames and 3.00 s as the input, colours inverted")
    assert "text on" in str(report)


def test_an_inverted_clip_without_text_is_right_where_none_was_asked_for(tmp_path: Path) -> None:
    report = check_clip(sample_path(), write_clip(tmp_path / "a.mp4", inverted), with_text=False)
    assert not report.has_drawing
    assert "text on" not in str(report)


@pytest.mark.parametrize(
    ("change", "frames", "rate", "codec", "message"),
    [
        (inverted, 72, FPS, "libx264", "no text is on its frames"),
        (lambda frame: frame, 72, FPS, "libx264", "its frames are those of the input"),
        (lambda frame: np.full_like(frame, 90), 72, FPS, "libx264", "its colours are not inverted"),
        (inverted, 60, FPS, "libx264", "differ in length, after 60 frames"),
        (inverted, 72, 30, "libx264", "it has 30 frames a second and the input 24"),
        (inverted, 72, FPS, "mpeg4", "its codec is mpeg4"),
    ],
)
def test_a_wrong_clip_is_told(
    tmp_path: Path, change: Change, frames: int, rate: int, codec: Codec, message: str
) -> None:
    clip = write_clip(tmp_path / "a.mp4", change, frames=frames, rate=rate, codec=codec)
    with pytest.raises(ResultWrong, match=message):
        check_clip(sample_path(), clip, with_text=True)
