"""Pictures: load, make, invert, scale, save."""

import json
import mimetypes
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from comfyfleet.standin.folders import Folders
from comfyfleet.standin.nodes.spec import Context, Input, Node, Result, classic_choice
from comfyfleet.standin.settings import NOTICE
from comfyfleet.standin.values import Frames, Pixels

MAX_RESOLUTION: Final = 16384

_RESAMPLING: Final = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def load_image(context: Context, *, image: str) -> Result:
    """Read a picture, or all frames of an animated one that have the size of the first; also its mask."""
    frames: list[Pixels] = []
    masks: list[NDArray[np.uint8]] = []
    with Image.open(context.folders.named(image)) as opened:
        for part in ImageSequence.Iterator(opened):
            context.check()
            upright = ImageOps.exif_transpose(part)
            pixels = np.asarray(upright.convert("RGB"))
            if not frames or pixels.shape == frames[0].shape:
                frames.append(pixels)
                masks.append(_mask(upright))
    return Result((Frames.held(frames), masks))


def _mask(picture: Image.Image) -> NDArray[np.uint8]:
    if not picture.has_transparency_data:
        return np.zeros((64, 64), np.uint8)
    return 255 - np.asarray(picture.convert("RGBA").getchannel("A"))


def empty_image(_: Context, *, width: int, height: int, batch_size: int, color: int) -> Result:
    """Make pictures of one colour, given as 0xRRGGBB."""
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = (color >> 16 & 255, color >> 8 & 255, color & 255)
    return Result((Frames.repeated(frame, batch_size),))


def invert(_: Context, *, image: Frames) -> Result:
    """Turn each colour into its opposite."""
    return Result((image.map(np.invert),))


def scale(_: Context, *, image: Frames, upscale_method: str, width: int, height: int, crop: str) -> Result:
    """Bring pictures to a size; 0 for one side keeps the proportions, 0 for both changes nothing."""
    if width == 0 and height == 0:
        return Result((image,))
    width = width or max(1, round(image.width * height / image.height))
    height = height or max(1, round(image.height * width / image.width))
    box = _centre(image, width / height) if crop == "center" else None

    def resize(frame: Pixels) -> Pixels:
        return np.asarray(Image.fromarray(frame).resize((width, height), _RESAMPLING[upscale_method], box))

    return Result((image.map(resize, height=height, width=width),))


def _centre(image: Frames, ratio: float) -> tuple[float, float, float, float]:
    """Return the largest box of a ratio in the middle of a picture."""
    width = min(image.width, image.height * ratio)
    height = min(image.height, image.width / ratio)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return left, top, left + width, top + height


def save_image(context: Context, *, images: Frames, filename_prefix: str) -> Result:
    """Save each picture as a PNG with the prompt, the client's extra data and our notice in it."""
    references = []
    for frame in context.each(images):
        place = context.folders.next_output(filename_prefix, "_.png", width=images.width, height=images.height)
        Image.fromarray(frame).save(place.path, pnginfo=_png_info(context), compress_level=4)
        references.append(place.reference())
    return Result((images,), {"images": references})


def _png_info(context: Context) -> PngInfo:
    info = PngInfo()
    info.add_text("prompt", json.dumps(context.graph))
    for key, value in context.pnginfo.items():
        info.add_text(str(key), json.dumps(value))
    info.add_text("Software", NOTICE)
    return info


def _pictures(folders: Folders) -> Sequence[str]:
    return [name for name in folders.files("input") if (mimetypes.guess_type(name)[0] or "").startswith("image/")]


def _side(name: str, least: int) -> Input:
    return Input(name, "INT", {"default": 512, "min": least, "max": MAX_RESOLUTION, "step": 1})


NODES: Final = (
    Node(
        "LoadImage",
        (classic_choice("image", _pictures, file="image", image_upload=True),),
        ("IMAGE", "MASK"),
        load_image,
        title="Load Image",
    ),
    Node(
        "EmptyImage",
        (
            _side("width", 1),
            _side("height", 1),
            Input("batch_size", "INT", {"default": 1, "min": 1, "max": 4096}),
            Input("color", "INT", {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"}),
        ),
        ("IMAGE",),
        empty_image,
    ),
    Node("ImageInvert", (Input("image", "IMAGE"),), ("IMAGE",), invert, title="Invert Image"),
    Node(
        "ImageScale",
        (
            Input("image", "IMAGE"),
            classic_choice("upscale_method", lambda _: list(_RESAMPLING)),
            _side("width", 0),
            _side("height", 0),
            classic_choice("crop", lambda _: ["disabled", "center"]),
        ),
        ("IMAGE",),
        scale,
        title="Upscale Image",
        category="image/upscaling",
    ),
    Node(
        "SaveImage",
        (
            Input("images", "IMAGE", {"tooltip": "The images to save."}),
            Input("filename_prefix", "STRING", {"default": "ComfyUI", "tooltip": "The prefix for the file to save."}),
        ),
        ("IMAGE",),
        save_image,
        is_output=True,
        title="Save Image",
        output_names=("images",),
    ),
)
