"""Draws the sample clip: `python -m comfyfleet.up.seed.make_sample [FILE]`.

Three coloured discs swing over a slow gradient, with a quiet chord. All of it is computed here, so the clip is ours
to ship, and it can be drawn again.
"""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 320
HEIGHT: Final = 240
FPS: Final = 24
SECONDS: Final = 3
SAMPLE_RATE: Final = 48_000

_TURN: Final = 2 * np.pi
_DISCS: Final = (
    # colour, radius in pixels, turns in the clip, phase in turns
    ((250, 196, 72), 34.0, 1, 0.00),
    ((238, 96, 112), 27.0, 2, 0.33),
    ((104, 204, 196), 21.0, 1, 0.66),
)
_CHORD_HZ: Final = (220.0, 277.18, 329.63)
_LOUDNESS: Final = 0.04

Pixels = NDArray[np.uint8]


def write_sample(target: Path) -> None:
    """Write the clip to `target`: H.264 and AAC in mp4, 3 s of 320x240 at 24 frames a second."""
    with av.open(str(target), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 48_000
        for index in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(draw_frame(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(_chord()[np.newaxis, :], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def draw_frame(index: int) -> Pixels:
    """Return frame `index` as height x width x 3 of RGB."""
    part = index / (FPS * SECONDS)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    picture = _background(rows, columns, part)
    for colour, radius, turns, phase in _DISCS:
        angle = _TURN * (turns * part + phase)
        x = WIDTH / 2 + 0.34 * WIDTH * np.cos(angle)
        y = HEIGHT / 2 + 0.30 * HEIGHT * np.sin(2 * angle)
        edge = np.clip(radius - np.hypot(columns - x, rows - y), 0, 1)[..., np.newaxis]
        picture = picture * (1 - edge) + np.array(colour) * edge
    return picture.round().astype(np.uint8)


def _background(rows: NDArray[np.float64], columns: NDArray[np.float64], part: float) -> NDArray[np.float64]:
    wave = 0.5 + 0.5 * np.sin(_TURN * (columns / WIDTH + part) + rows / HEIGHT)
    dark, light = np.array((22, 28, 60)), np.array((48, 74, 128))
    picture: NDArray[np.float64] = dark + wave[..., np.newaxis] * (light - dark)
    return picture


def _chord() -> NDArray[np.float32]:
    count = SAMPLE_RATE * SECONDS
    seconds = np.arange(count) / SAMPLE_RATE
    tone = sum(np.sin(_TURN * hertz * seconds) for hertz in _CHORD_HZ) / len(_CHORD_HZ)
    fade = np.minimum(1, np.minimum(seconds, SECONDS - seconds) / 0.25)
    return (_LOUDNESS * tone * fade).astype(np.float32)


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("sample.mp4"))
