"""Looks at what the demo rendered: is it the clip that the effect promises?"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from comfyfleet.core.errors import Conflict

_CLOSE_TO_INVERSE: Final = 12.0
_DIFFERENT: Final = 10.0
_DRAWN: Final = 60
_TEXT_SHARE: Final = 0.001

Pixels = NDArray[np.int16]


class ResultWrong(Conflict):
    """The result is not what the effect promises."""

    code = "result_wrong"


@dataclass(frozen=True)
class ClipReport:
    """What was measured. Differences are means over all pixels, of 255.

    `drawn_share` is the share of pixels that are far from the inverted input: what was drawn onto it.
    """

    codec: str
    frames: int
    seconds: float
    difference: float
    inverse_difference: float
    drawn_share: float

    @property
    def has_drawing(self) -> bool:
        """Whether something was drawn onto the frames."""
        return self.drawn_share > _TEXT_SHARE

    def __str__(self) -> str:
        drawn = f", text on {self.drawn_share:.1%} of the picture" if self.has_drawing else ""
        return (
            f"H.264, {self.frames} frames and {self.seconds:.2f} s as the input, colours inverted "
            f"(pixels differ by {self.difference:.0f} of 255 from the input){drawn}"
        )


def check_clip(source: Path, result: Path, *, with_text: bool) -> ClipReport:
    """Compare two clips frame by frame and return what was measured.

    Raises:
        ResultWrong: The result is not H.264, has another length or rate, is not inverted, or lacks the text.
    """
    with av.open(str(source)) as before, av.open(str(result)) as after:
        codec = after.streams.video[0].codec_context.name
        rates = [container.streams.video[0].average_rate for container in (before, after)]
        report = _measure(before, after, codec, rates[1] or Fraction(1))
    if codec != "h264":
        raise _wrong(result, f"its codec is {codec}, not H.264")
    if rates[0] != rates[1]:
        raise _wrong(result, f"it has {rates[1]} frames a second and the input {rates[0]}")
    if report.difference < _DIFFERENT:
        raise _wrong(result, "its frames are those of the input")
    if report.inverse_difference > _CLOSE_TO_INVERSE:
        raise _wrong(result, "its colours are not inverted")
    if with_text and not report.has_drawing:
        raise _wrong(result, "no text is on its frames")
    return report


def _measure(
    before: av.container.InputContainer, after: av.container.InputContainer, codec: str, rate: Fraction
) -> ClipReport:
    sums, count = np.zeros(3), 0
    for left, right in zip_longest(_frames(before), _frames(after)):
        if left is None or right is None:
            raise _wrong(Path(after.name), f"it and the input differ in length, after {count} frames")
        if left.shape != right.shape:
            raise _wrong(Path(after.name), f"its frames have the shape {right.shape}, the input's {left.shape}")
        inverse = np.abs((255 - left) - right)
        sums += np.abs(left - right).mean(), inverse.mean(), (inverse.max(axis=2) > _DRAWN).mean()
        count += 1
    if count == 0:
        raise _wrong(Path(after.name), "it has no frames")
    difference, inverse_difference, drawn_share = (float(value) / count for value in sums)
    return ClipReport(codec, count, float(count / rate), difference, inverse_difference, drawn_share)


def _frames(container: av.container.InputContainer) -> Iterator[Pixels]:
    for frame in container.decode(video=0):
        yield frame.to_ndarray(format="rgb24").astype(np.int16)


def _wrong(path: Path, what: str) -> ResultWrong:
    return ResultWrong(f"{path} is not what the effect promises: {what}.", hint="Look at what ComfyUI said in its log.")
