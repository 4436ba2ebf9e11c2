"""Video files, read and written with PyAV one frame at a time."""

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from comfyfleet.standin.values import Audio, Frames, Pixels

_AAC_RATES: Final = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000})
_MAX_FPS_DENOMINATOR: Final = 1001
"""Broadcast rates such as 29.97 are n/1001; a rate that went through a float is brought back to that."""


def read_frames(path: Path) -> Frames:
    """Return the frames of a video file as a recipe; only the first is decoded now, so that a broken file shows.

    Raises:
        av.error.FFmpegError: The file is no video, or cannot be decoded.
        ValueError: It has no video stream, or no frame.
    """
    first = next(_decoded(path), None)
    if first is None:
        raise ValueError(f"No frame could be decoded from '{path}'")
    height, width, _ = first.shape
    return Frames(_count(path), height, width, lambda: _decoded(path, (width, height)))


def read_fps(path: Path) -> Fraction:
    """Return a file's average frame rate in frames a second; 1 if it does not say."""
    with av.open(str(path)) as container:
        return Fraction(_video_stream(container, path).average_rate or 1)


def read_audio(path: Path) -> Audio | None:
    """Return a file's first sound track as mono or stereo at a rate that AAC can hold; None if it has none."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        rate = stream.rate if stream.rate in _AAC_RATES else 48_000
        layout = "mono" if stream.channels == 1 else "stereo"
        resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        parts = [part.to_ndarray() for frame in container.decode(stream) for part in resampler.resample(frame)]
        parts += [part.to_ndarray() for part in resampler.resample(None)]
    if not parts:
        return None
    return Audio(np.concatenate(parts, axis=1).astype(np.float32, copy=False), rate)


def write_mp4(
    path: Path, frames: Iterable[Pixels], audio: Audio | None, fps: Fraction, metadata: Mapping[str, str]
) -> None:
    """Write H.264 (yuv420p) and AAC.

    A side of an odd length is made even by repeating its last row or column, as yuv420p knows no odd sizes. Sound ends
    with the picture.

    Raises:
        ValueError: There is no frame.
    """
    fps = fps.limit_denominator(_MAX_FPS_DENOMINATOR)
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags+faststart"}) as container:
        container.metadata.update(metadata)
        video = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "20"})
        sound = _Sound(container, audio) if audio else None
        count = 0
        for count, frame in enumerate(frames, start=1):
            _encode_frame(container, video, _even(frame), count - 1, fps)
            if sound:
                sound.write_until(count / fps)
        if not count:
            raise ValueError("A video needs at least one frame")
        container.mux(video.encode(None))
        if sound:
            sound.finish()


def _decoded(path: Path, size: tuple[int, int] | None = None) -> Iterator[Pixels]:
    with av.open(str(path)) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield _upright(frame, size)


def _upright(frame: VideoFrame, size: tuple[int, int] | None) -> Pixels:
    """Return a frame's pixels, turned as the file asks for (a phone held upright), at `size` if it is another."""
    turns = round(frame.rotation / 90) % 4
    width, height = (size[::-1] if turns % 2 else size) if size else (frame.width, frame.height)
    pixels: Pixels = (
        frame.reformat(width=width, height=height, format="rgb24").to_ndarray().astype(np.uint8, copy=False)
    )
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _count(path: Path) -> int:
    """Count a file's frames by its packets: no decoding, and no trust in what its header says."""
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(_video_stream(container, path)) if packet.size)


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise ValueError(f"No video stream found in file '{path}'")
    return container.streams.video[0]


def _even(frame: Pixels) -> Pixels:
    height, width, _ = frame.shape
    if height % 2 == 0 and width % 2 == 0:
        return frame
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def _encode_frame(container: OutputContainer, stream: VideoStream, pixels: Pixels, index: int, fps: Fraction) -> None:
    if index == 0:
        stream.height, stream.width, _ = pixels.shape
        stream.pix_fmt = "yuv420p"
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = index, 1 / fps
    container.mux(stream.encode(frame))


class _Sound:
    """The sound track of a file that is being written, kept level with the picture."""

    def __init__(self, container: OutputContainer, audio: Audio) -> None:
        self._container = container
        self._audio = audio
        self._layout = "mono" if len(audio.samples) == 1 else "stereo"
        self._stream: AudioStream = container.add_stream("aac", rate=audio.rate, layout=self._layout)
        self._written = 0

    def write_until(self, seconds: Fraction) -> None:
        """Encode the samples up to a time."""
        end = min(math.ceil(seconds * self._audio.rate), self._audio.samples.shape[1])
        if end > self._written:
            frame = AudioFrame.from_ndarray(self._part(end), format="fltp", layout=self._layout)
            frame.sample_rate = self._audio.rate
            frame.pts, frame.time_base = self._written, Fraction(1, self._audio.rate)
            self._container.mux(self._stream.encode(frame))
            self._written = end

    def finish(self) -> None:
        """Encode what the encoder holds back."""
        self._container.mux(self._stream.encode(None))

    def _part(self, end: int) -> NDArray[np.float32]:
        return np.ascontiguousarray(self._audio.samples[:, self._written : end])
