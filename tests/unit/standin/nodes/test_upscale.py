import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from comfyfleet.standin.nodes.upscale import load, read_model, upscale
from comfyfleet.standin.values import Frames, Pixels

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Bench


def write_model(path: Path, **tensors: Any) -> Path:
    """Write a safetensors file; a name's `_` stands for `.`."""
    header, data = {}, b""
    for name, value in tensors.items():
        content = np.asarray(value, "<f4")
        header[name.replace("_", ".")] = {
            "dtype": "F32",
            "shape": list(content.shape),
            "data_offsets": [len(data), len(data) + content.nbytes],
        }
        data += content.tobytes()
    words = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(words)) + words + data)
    return path


def random_frame(height: int, width: int) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


def by_the_book(picture: Any, weight: Any, bias: Any) -> Any:
    """A convolution over a picture of shape C H W whose surroundings are zero, pixel by pixel."""
    _, height, width = picture.shape
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
    return np.array(
        [
            [
                [np.sum(weight[out] * padded[:, y : y + 3, x : x + 3]) + bias[out] for x in range(width)]
                for y in range(height)
            ]
            for out in range(len(bias))
        ]
    )


def test_a_model_that_adds_nothing_repeats_each_pixel(bench: "Bench", tmp_path: Path) -> None:
    model = read_model(write_model(tmp_path / "m", body_0_weight=np.zeros((12, 3, 3, 3)), body_0_bias=np.zeros(12)))
    frame = random_frame(4, 5)
    (result,) = upscale(bench.context, upscale_model=model, image=Frames.held([frame])).values
    assert isinstance(result, Frames)
    assert (result.height, result.width) == (8, 10)
    np.testing.assert_array_equal(next(iter(result)), frame.repeat(2, 0).repeat(2, 1))


def test_each_channel_of_the_last_layer_is_one_pixel_of_a_block(tmp_path: Path) -> None:
    bias = np.arange(12) / 255
    model = read_model(write_model(tmp_path / "m", body_0_weight=np.zeros((12, 3, 3, 3)), body_0_bias=bias))
    large = model.enlarge(np.zeros((1, 1, 3), np.uint8))
    assert large[:, :, 0].tolist() == [[0, 1], [2, 3]]
    assert large[:, :, 2].tolist() == [[8, 9], [10, 11]]


def test_layers_are_those_of_the_book(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    first, slopes, last = chance.normal(0, 0.3, (4, 3, 3, 3)), chance.random(4), chance.normal(0, 0.3, (3, 4, 3, 3))
    tensors = {"body_0_weight": first, "body_0_bias": np.full(4, 0.1), "body_1_weight": slopes}
    path = write_model(tmp_path / "m", **tensors, body_2_weight=last, body_2_bias=np.zeros(3))
    frame = random_frame(5, 6)
    picture = np.moveaxis(frame / 255, 2, 0)
    inner = by_the_book(picture, first, np.full(4, 0.1))
    inner = np.where(inner > 0, inner, inner * slopes[:, None, None])
    expected = (picture + by_the_book(inner, last, np.zeros(3))).clip(0, 1) * 255
    assert np.abs(read_model(path).enlarge(frame) - np.moveaxis(expected, 0, 2)).max() <= 0.51


def test_another_network_is_refused_with_what_to_do(bench: "Bench", tmp_path: Path) -> None:
    folder = bench.context.folders.base / "models/upscale_models"
    write_model(folder / "other.safetensors", conv_first_weight=np.zeros((3, 3, 3, 3)))
    with pytest.raises(RuntimeError, match="Point a worker to a ComfyUI"):
        load(bench.context, model_name="other.safetensors")
    (folder / "none.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(RuntimeError, match="is no safetensors file"):
        load(bench.context, model_name="none.safetensors")
