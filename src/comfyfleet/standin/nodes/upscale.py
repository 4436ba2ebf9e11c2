"""Upscaling by a model: the one kind of network that is small enough to run without an engine.

It is the compact network of Real-ESRGAN (`SRVGGNetCompact`): convolutions and leaky rectifiers one after the other, the
last one's channels spread out to pixels, added to the picture in large.
https://github.com/xinntao/Real-ESRGAN/blob/master/realesrgan/archs/srvgg_arch.py, and for the file
https://github.com/huggingface/safetensors#format
"""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comfyfleet.standin.nodes.models import present_models
from comfyfleet.standin.nodes.spec import Context, Input, Node, Result, classic_choice
from comfyfleet.standin.values import Frames, Pixels

_LARGEST_HEADER: Final = 1 << 20
_LAYER: Final = re.compile(r"body\.(\d+)\.(weight|bias)")
Array = NDArray[np.float32]


@dataclass(frozen=True)
class CompactModel:
    """Layers in order: convolutions as (weight of shape O I 3 3, bias of shape O), rectifiers as (slopes, None)."""

    layers: tuple[tuple[Array, Array | None], ...]
    scale: int

    def enlarge(self, frame: Pixels) -> Pixels:
        """Return a picture `scale` times as wide and high."""
        picture: Array = np.moveaxis(frame.astype(np.float32) / np.float32(255), 2, 0)
        inner = picture
        for weight, bias in self.layers:
            inner = _rectified(inner, weight) if bias is None else _convolved(inner, weight, bias)
        height, width = frame.shape[:2]
        spread = inner.reshape(3, self.scale, self.scale, height, width).transpose(0, 3, 1, 4, 2)
        large = picture.repeat(self.scale, 1).repeat(self.scale, 2) + spread.reshape(
            3, height * self.scale, width * self.scale
        )
        pixels: Pixels = np.rint(np.moveaxis(large, 0, 2).clip(0, 1) * 255).astype(np.uint8)
        return pixels


def read_model(path: Path) -> CompactModel:
    """Read a file of float32 weights; raise `RuntimeError` for any other network."""
    tensors = _tensors(path)
    found = {(int(match[1]), match[2]): value for name, value in tensors.items() if (match := _LAYER.fullmatch(name))}
    order = sorted({index for index, _ in found})
    layers = tuple((found[one, "weight"], found.get((one, "bias"))) for one in order if (one, "weight") in found)
    if len(found) != len(tensors) or not layers or layers[-1][1] is None:
        raise RuntimeError("The stand-in runs upscalers of the compact kind only. Point a worker to a ComfyUI.")
    scale = math.isqrt(layers[-1][0].shape[0] // 3)
    return CompactModel(layers, scale)


def load(context: Context, *, model_name: str) -> Result:
    """Read an upscaler."""
    return Result((read_model(context.folders.base / "models/upscale_models" / model_name),))


def upscale(_: Context, *, upscale_model: CompactModel, image: Frames) -> Result:
    """Enlarge pictures by a model."""
    height, width = image.height * upscale_model.scale, image.width * upscale_model.scale
    return Result((image.map(upscale_model.enlarge, height=height, width=width),))


def _tensors(path: Path) -> dict[str, Array]:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= min(_LARGEST_HEADER, len(content) - 8):
        raise RuntimeError(f"{path.name} is no safetensors file.")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            if entry["dtype"] != "F32":
                raise RuntimeError(f"The stand-in reads weights of 32 bits only, and '{name}' has {entry['dtype']}.")
            start, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
    return tensors


def _convolved(picture: Array, weight: Array, bias: Array) -> Array:
    _, height, width = picture.shape
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
    total = np.broadcast_to(bias[:, None, None], (len(bias), height, width)).copy()
    for row in range(3):
        for column in range(3):
            window = padded[:, row : row + height, column : column + width]
            total += np.tensordot(weight[:, :, row, column], window, 1)
    return total


def _rectified(picture: Array, slopes: Array) -> Array:
    return np.where(picture > 0, picture, picture * slopes[:, None, None])


NODES: Final = (
    Node(
        "UpscaleModelLoader",
        (classic_choice("model_name", present_models("upscale_models")),),
        ("UPSCALE_MODEL",),
        load,
        title="Load Upscale Model",
        category="loaders",
    ),
    Node(
        "ImageUpscaleWithModel",
        (Input("upscale_model", "UPSCALE_MODEL"), Input("image", "IMAGE")),
        ("IMAGE",),
        upscale,
        title="Upscale Image (using Model)",
        category="image/upscaling",
    ),
)
