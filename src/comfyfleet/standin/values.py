"""What runs along the links between nodes: frames, sound, video."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""One frame: height x width x 3, RGB."""


@dataclass(frozen=True)
class Frames:
    """A sequence of RGB frames of one size: either held in memory or a recipe that each reading follows anew.

    ComfyUI keeps every frame of every node as 32-bit floats; a minute of 1080p would take 45 GB a node. Here a frame is
    bytes, and a sequence too long to hold stays a recipe (see `executor`).

    Attributes:
        count: How many frames; for a file that lies about itself it can differ from what reading gives.
        height: In pixels.
        width: In pixels.
        read: Starts a reading.
        is_held: Whether reading costs nothing.
    """

    count: int
    height: int
    width: int
    read: Callable[[], Iterator[Pixels]] = field(repr=False, compare=False)
    is_held: bool = False

    @classmethod
    def held(cls, frames: Sequence[Pixels]) -> Self:
        """Wrap frames that are in memory; at least one."""
        height, width, _ = frames[0].shape
        return cls(len(frames), height, width, lambda: iter(frames), is_held=True)

    @classmethod
    def repeated(cls, frame: Pixels, count: int) -> Self:
        """Wrap one frame that is shown `count` times."""
        height, width, _ = frame.shape
        return cls(count, height, width, lambda: itertools.repeat(frame, count), is_held=True)

    def __iter__(self) -> Iterator[Pixels]:
        return self.read()

    def __str__(self) -> str:
        return f"frames of shape [{self.count}, {self.height}, {self.width}, 3]"

    @property
    def nbytes(self) -> int:
        """What holding all frames takes."""
        return self.count * self.height * self.width * 3

    def map(
        self, change: Callable[[Pixels], Pixels], *, height: int | None = None, width: int | None = None
    ) -> "Frames":
        """Return the recipe that applies `change` to each frame; name the size if `change` alters it."""
        return Frames(self.count, height or self.height, width or self.width, lambda: map(change, self.read()))


@dataclass(frozen=True)
class Audio:
    """Sound: channels x samples of 32-bit floats, at `rate` samples a second."""

    samples: NDArray[np.float32] = field(repr=False, compare=False)
    rate: int


@dataclass(frozen=True)
class VideoFile:
    """A video that is a file still."""

    path: Path


@dataclass(frozen=True)
class Video:
    """A video in parts; `fps` is frames a second."""

    frames: Frames
    audio: Audio | None
    fps: Fraction
