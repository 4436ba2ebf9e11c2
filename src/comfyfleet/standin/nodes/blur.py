"""Blur: a Gaussian, done as two one-dimensional passes over a frame whose edges are mirrored."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from comfyfleet.standin.nodes.spec import Context, Input, Node, Result
from comfyfleet.standin.values import Frames, Pixels


def blur(_: Context, *, image: Frames, blur_radius: int, sigma: float) -> Result:
    """Blur pictures; `sigma` counts in blur radii, as in ComfyUI.

    Raises:
        RuntimeError: A picture is too small to mirror a radius of its edge; the words are those of ComfyUI's engine.
    """
    for axis, size in ((3, image.width), (2, image.height)):
        if blur_radius >= size:
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({blur_radius}, {blur_radius}) at dimension {axis} "
                f"of input [{image.count}, 3, {image.height}, {image.width}]"
            )
    kernel = gaussian(blur_radius, sigma)
    return Result((image.map(lambda frame: _blurred(frame, kernel)),))


def gaussian(radius: int, sigma: float) -> NDArray[np.float32]:
    """Return the 2 x radius + 1 weights of one pass; their sum is 1."""
    distance = np.linspace(-1, 1, 2 * radius + 1)
    weights: NDArray[np.float64] = np.exp(-(distance**2) / (2 * sigma**2))
    weights /= weights.sum()
    return weights.astype(np.float32)


def _blurred(frame: Pixels, kernel: NDArray[np.float32]) -> Pixels:
    once = _pass(frame.astype(np.float32), kernel, axis=0)
    twice = _pass(once, kernel, axis=1)
    return np.rint(twice).astype(np.uint8)


def _pass(picture: NDArray[np.float32], kernel: NDArray[np.float32], *, axis: int) -> NDArray[np.float32]:
    radius = len(kernel) // 2
    margins = [(radius, radius) if index == axis else (0, 0) for index in range(3)]
    padded = np.moveaxis(np.pad(picture, margins, "reflect"), axis, 0)
    size = picture.shape[axis]
    total = kernel[radius] * padded[radius : radius + size]
    for step in range(radius):
        # The kernel is symmetric, so that two taps share one multiplication.
        mirror = 2 * radius - step
        total += kernel[step] * (padded[step : step + size] + padded[mirror : mirror + size])
    return np.moveaxis(total, 0, axis)


NODES: Final = (
    Node(
        "ImageBlur",
        (
            Input("image", "IMAGE"),
            Input("blur_radius", "INT", {"default": 1, "min": 1, "max": 31, "step": 1}),
            Input("sigma", "FLOAT", {"default": 1.0, "min": 0.1, "max": 10.0, "step": 0.1}),
        ),
        ("IMAGE",),
        blur,
        title="Blur Image",
        category="image/postprocessing",
    ),
)
