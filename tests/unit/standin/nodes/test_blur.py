from typing import TYPE_CHECKING

import numpy as np
import pytest

from comfyfleet.standin.nodes.blur import blur, gaussian
from comfyfleet.standin.values import Frames, Pixels

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Bench


def blurred(bench: "Bench", frame: Pixels, radius: int, sigma: float) -> Pixels:
    (result,) = blur(bench.context, image=Frames.held([frame]), blur_radius=radius, sigma=sigma).values
    assert isinstance(result, Frames)
    return next(iter(result))


def by_the_book(frame: Pixels, radius: int, sigma: float) -> Pixels:
    """A two-dimensional convolution, pixel by pixel."""
    side = np.linspace(-1, 1, 2 * radius + 1)
    kernel = np.exp(-(side[:, None] ** 2 + side[None, :] ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = np.pad(frame.astype(np.float64), ((radius, radius), (radius, radius), (0, 0)), "reflect")
    height, width, _ = frame.shape
    size = 2 * radius + 1
    return (
        np.array(
            [
                [
                    (padded[row : row + size, column : column + size] * kernel[:, :, None]).sum((0, 1))
                    for column in range(width)
                ]
                for row in range(height)
            ]
        )
        .round()
        .astype(np.uint8)
    )


@pytest.mark.parametrize(("radius", "sigma"), [(1, 1.0), (3, 0.4), (5, 6.0)])
def test_it_is_the_convolution_that_it_says(bench: "Bench", radius: int, sigma: float) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (9, 13, 3), np.uint8)
    difference = blurred(bench, frame, radius, sigma).astype(int) - by_the_book(frame, radius, sigma)
    assert np.abs(difference).max() <= 1


def test_a_plain_picture_stays_as_it_is(bench: "Bench") -> None:
    frame = np.full((20, 20, 3), 201, np.uint8)
    assert np.array_equal(blurred(bench, frame, 7, 2.0), frame)


def test_the_weights_are_symmetric_and_sum_to_one() -> None:
    weights = gaussian(4, 1.5)
    assert len(weights) == 9
    assert weights.sum() == pytest.approx(1)
    assert np.allclose(weights, weights[::-1])


@pytest.mark.parametrize(("height", "width", "dimension"), [(4, 4, 3), (40, 4, 3), (4, 40, 2)])
def test_a_picture_smaller_than_the_radius_fails_like_in_comfyui(
    bench: "Bench", height: int, width: int, dimension: int
) -> None:
    frame = np.zeros((height, width, 3), np.uint8)
    with pytest.raises(
        RuntimeError, match=rf"padding \(31, 31\) at dimension {dimension} of input \[1, 3, {height}, {width}\]"
    ):
        blurred(bench, frame, 31, 1.0)
