from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from comfyfleet.standin.nodes.spec import Interrupted
from comfyfleet.standin.nodes.video import components, create_video, load_video, save_video
from comfyfleet.standin.values import Audio, Frames, Pixels, Video, VideoFile

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Bench

RATE = 48_000


def tone(seconds: float, channels: int) -> Audio:
    time = np.arange(int(RATE * seconds)) / RATE
    return Audio(np.tile(np.sin(2 * np.pi * 440 * time).astype(np.float32) * 0.5, (channels, 1)), RATE)


def moving(count: int, height: int = 48, width: int = 64) -> Frames:
    frames = []
    for index in range(count):
        frame = np.full((height, width, 3), 40, np.uint8)
        frame[:, index : index + 16] = (220, 60, 60)
        frames.append(frame)
    return Frames.held(frames)


def saved(bench: "Bench", video: Video | VideoFile, **more: str) -> Path:
    result = save_video(bench.context, video=video, filename_prefix="job/out", format="mp4", **more)
    assert result.ui is not None
    assert result.ui["animated"] == [True]
    reference = result.ui["images"][0]
    return bench.base / "output" / str(reference["subfolder"]) / str(reference["filename"])


def taken_apart(bench: "Bench", path: Path) -> tuple[Frames, Audio | None, float]:
    frames, audio, fps = components(bench.context, video=VideoFile(path)).values
    assert isinstance(frames, Frames)
    assert audio is None or isinstance(audio, Audio)
    assert isinstance(fps, float)
    return frames, audio, fps


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(25, 2)])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_video_comes_back_with_its_length_rate_pixels_and_sound(bench: "Bench", fps: Fraction, channels: int) -> None:
    original = moving(20)
    sound = tone(float(20 / fps), channels)
    (video,) = create_video(bench.context, images=original, audio=sound, fps=float(fps)).values
    assert isinstance(video, Video)
    path = saved(bench, video, codec="h264")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", fps)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(20 / fps, abs=0.001)
        assert container.streams.audio[0].codec_context.name == "aac"
        assert "not ComfyUI" in container.metadata["comment"]
    frames, audio, rate = taken_apart(bench, path)
    assert frames.count == 20
    assert rate == pytest.approx(float(fps))
    difference = np.abs(np.stack(list(frames)).astype(int) - np.stack(list(original)))
    assert difference.mean() < 3
    assert audio is not None
    assert audio.samples.shape[0] == channels
    assert audio.samples.shape[1] == pytest.approx(RATE * 20 / fps, abs=2048)
    assert np.sqrt((audio.samples**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(("height", "width", "even"), [(47, 63, (48, 64)), (48, 63, (48, 64)), (1, 1, (2, 2))])
def test_an_odd_size_is_made_even(bench: "Bench", height: int, width: int, even: tuple[int, int]) -> None:
    frames = Frames.held([np.full((height, width, 3), 200, np.uint8)] * 3)
    decoded, audio, _ = taken_apart(bench, saved(bench, Video(frames, None, Fraction(10)), format_codec="h264"))
    assert (decoded.height, decoded.width) == even
    assert audio is None
    assert all(abs(int(frame.min()) - 200) < 4 for frame in decoded)


def test_sound_ends_with_the_picture(bench: "Bench") -> None:
    path = saved(bench, Video(moving(10), tone(5, 2), Fraction(10)))
    _, audio, _ = taken_apart(bench, path)
    assert audio is not None
    assert audio.samples.shape[1] == pytest.approx(RATE, abs=2048)


def test_sound_of_an_unusual_kind_is_brought_to_one_that_fits(bench: "Bench") -> None:
    path = bench.base / "input" / "odd.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=37_800, layout="5.1")
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 37_800 // 2 * 6), np.int16), format="s16", layout="5.1")
        frame.sample_rate = 37_800
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    _, audio, _ = taken_apart(bench, path)
    assert audio is not None
    assert (audio.samples.shape[0], audio.rate) == (2, 48_000)
    assert audio.samples.shape[1] == pytest.approx(24_000, abs=100)


def test_a_file_can_be_saved_without_taking_it_apart(bench: "Bench") -> None:
    path = saved(bench, Video(moving(5), None, Fraction(5)))
    target = bench.base / "input" / "in.mp4"
    path.replace(target)
    (video,) = load_video(bench.context, file="in.mp4").values
    assert isinstance(video, VideoFile)
    frames, _, fps = taken_apart(bench, saved(bench, video))
    assert (len(list(frames)), fps) == (5, 5.0)


def test_a_long_video_is_read_one_frame_at_a_time(bench: "Bench") -> None:
    path = saved(bench, Video(moving(30), None, Fraction(30)))
    frames, _, _ = taken_apart(bench, path)
    assert not frames.is_held
    assert len(list(frames)) == len(list(frames)) == 30


@pytest.mark.parametrize("content", [b"", b"this is no video"])
def test_what_is_no_video_fails(bench: "Bench", content: bytes) -> None:
    path = bench.base / "input" / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(av.error.InvalidDataError):
        components(bench.context, video=VideoFile(path))


def test_a_file_without_a_picture_fails(bench: "Bench") -> None:
    path = bench.base / "input" / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="No video stream"):
        components(bench.context, video=VideoFile(path))


def test_progress_is_reported_frame_by_frame(bench: "Bench") -> None:
    saved(bench, Video(moving(4), None, Fraction(4)))
    assert bench.reports == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_interrupted_video_leaves_no_file_behind(bench: "Bench") -> None:
    frames = Frames.repeated(np.full((48, 64, 3), 40, np.uint8), 200)

    def read() -> Iterator[Pixels]:
        for index, frame in enumerate(frames):
            if index == 150:  # By then the encoder has let go of the first frames, and the file is there.
                assert list((bench.base / "output").rglob("*.mp4"))
                bench.interrupt()
            yield frame

    video = Video(Frames(200, 48, 64, read), None, Fraction(24))
    with pytest.raises(Interrupted):
        save_video(bench.context, video=video, filename_prefix="job/out", format="mp4")
    assert not list((bench.base / "output").rglob("*.mp4"))
