"""What lasts too long is refused before it is rendered."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from comfyfleet.protocol.worker import FileAsset
from comfyfleet.up.seed import sample_path
from comfyfleet.worker.durations import check_duration
from comfyfleet.worker.errors import InputTooLong


def asset(max_seconds: float | None) -> FileAsset:
    """Describe a file; the sample clip lasts three seconds."""
    return FileAsset(
        key="clip", type="video", placeholder="x", download_url="http://x/clip.mp4", max_seconds=max_seconds
    )


def write_video(path: Path, seconds: int, **options: str) -> Path:
    """Write a clip of ten frames a second."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("vp9" if path.suffix == ".webm" else "libx264", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(seconds * 10):
            picture = np.full((32, 32, 3), number % 255, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path, seconds: int) -> Path:
    """Write silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000 * seconds), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("limit", [None, 3, 2.6, 60])
def test_what_is_short_enough_passes(limit: float | None) -> None:
    check_duration(asset(limit), sample_path())


def test_what_lasts_too_long_is_refused_in_words() -> None:
    with pytest.raises(InputTooLong, match=r"lasts 3\.0 seconds, and this effect takes 2 at most") as refused:
        check_duration(asset(2), sample_path())
    assert not refused.value.is_retryable


def test_a_clip_that_announces_no_duration_is_measured(tmp_path: Path) -> None:
    path = write_video(tmp_path / "recorded.webm", 4, live="1")
    with av.open(str(path)) as container:
        assert container.duration is None
    check_duration(asset(4), path)
    with pytest.raises(InputTooLong, match=r"lasts 4\.\d seconds"):
        check_duration(asset(2), path)


def test_a_clip_is_measured_whatever_its_header_says(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", 4)
    content = bytearray(path.read_bytes())
    for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        at = content.index(box) + offset
        content[at : at + 4] = (1).to_bytes(4, "big")
    path.write_bytes(content)
    with av.open(str(path)) as container:
        assert container.duration is not None
    with pytest.raises(InputTooLong):
        check_duration(asset(2), path)


def test_sound_is_measured(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "sound.wav", 4)
    check_duration(asset(4), path)
    with pytest.raises(InputTooLong, match=r"lasts 4\.0 seconds"):
        check_duration(asset(3), path)


def test_what_cannot_be_measured_is_left_to_comfyui(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    check_duration(asset(1), tmp_path / "clip.mp4")
