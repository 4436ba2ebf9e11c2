"""ComfyUI's model folders: their older names, and a guess for files that nodes of others load."""

import re
from types import MappingProxyType
from typing import Final

from comfyfleet.core.assets import FOLDER_OF, AssetKind, guess_kind

MODEL_SUFFIXES: Final = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft", ".onnx")

ALIASES: Final = MappingProxyType({"clip": "text_encoders", "unet": "diffusion_models", "t2i_adapter": "controlnet"})
"""Older folders that ComfyUI searches together with the present ones."""

_FOLDER_WORDS: Final = (
    (re.compile(r"clip_?vision|image_?encoder"), "clip_vision"),
    (re.compile(r"lora|lycoris"), "loras"),
    (re.compile(r"latent_?upscale"), "latent_upscale_models"),
    (re.compile(r"upscale"), "upscale_models"),
    (re.compile(r"control_?net"), "controlnet"),
    (re.compile(r"ip_?adapter"), "ipadapter"),
    (re.compile(r"style_?model"), "style_models"),
    (re.compile(r"audio_?encoder"), "audio_encoders"),
    (re.compile(r"model_?patch"), "model_patches"),
    (re.compile(r"hyper_?network"), "hypernetworks"),
    (re.compile(r"photo_?maker"), "photomaker"),
    (re.compile(r"gligen"), "gligen"),
    (re.compile(r"embedding"), "embeddings"),
    (re.compile(r"vae"), "vae"),
    (re.compile(r"unet|diffusion_?model"), "diffusion_models"),
    (re.compile(r"clip|text_?encoder|(^|_)t5"), "text_encoders"),
    (re.compile(r"ckpt|checkpoint"), "checkpoints"),
)


def is_model_name(text: str) -> bool:
    """Tell whether a text looks like the name of a model file, and not like a sentence, a URL or an absolute path."""
    return (
        len(text) <= 300
        and text.lower().endswith(MODEL_SUFFIXES)
        and "://" not in text
        and text.isprintable()
        and not text.startswith(("/", "\\", "~"))
        and text[1:2] != ":"
    )


def place(directory: str, filename: str) -> tuple[str, str]:
    """Return ComfyUI's folder and the name below it of a file declared in a directory such as `loras/flux`."""
    folder, _, rest = directory.removeprefix("models/").partition("/")
    return ALIASES.get(folder, folder), f"{rest}/{filename}" if rest else filename


def guess_folder(class_type: str, input_name: str, filename: str) -> str:
    """Guess where a node that is not ComfyUI's own looks for a file: by its input, its class, the file; else ""."""
    for words in (input_name.lower(), class_type.lower()):
        for pattern, folder in _FOLDER_WORDS:
            if pattern.search(words):
                return folder
    kind = guess_kind(filename)
    return "" if kind in {AssetKind.OTHER, AssetKind.CHECKPOINT} else FOLDER_OF[kind].removeprefix("models/")
