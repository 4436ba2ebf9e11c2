"""An asset: one file by content, its kind, and what follows from both."""

import re
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

from comfyfleet.core.errors import Invalid

HEAD_BYTES: Final = 2**20
"""How much of a file's beginning is hashed to tell whether the library may know the file already."""

MIB: Final = 2**20
_MAX_PARTS: Final = 10_000  # S3's limit, https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_SMALLEST_PART: Final = 16 * MIB


class DigestInvalid(Invalid):
    """The text is no SHA-256."""

    code = "digest_invalid"


class AssetKind(StrEnum):
    """What an asset is for; with its digest it makes the asset's key, so the words never change."""

    CHECKPOINT = "checkpoint"
    LORA = "lora"
    VAE = "vae"
    EMBEDDING = "embedding"
    CONTROLNET = "controlnet"
    CUSTOM_NODE = "custom_node"
    DIFFUSION_MODEL = "diffusion_model"
    TEXT_ENCODER = "text_encoder"
    CLIP_VISION = "clip_vision"
    UPSCALE_MODEL = "upscale_model"
    STYLE_MODEL = "style_model"
    AUDIO_ENCODER = "audio_encoder"
    MODEL_PATCH = "model_patch"
    OTHER = "other"


FOLDER_OF: Final = MappingProxyType(
    {
        AssetKind.CHECKPOINT: "models/checkpoints",
        AssetKind.LORA: "models/loras",
        AssetKind.VAE: "models/vae",
        AssetKind.EMBEDDING: "models/embeddings",
        AssetKind.CONTROLNET: "models/controlnet",
        AssetKind.CUSTOM_NODE: "custom_nodes",
        AssetKind.DIFFUSION_MODEL: "models/diffusion_models",
        AssetKind.TEXT_ENCODER: "models/text_encoders",
        AssetKind.CLIP_VISION: "models/clip_vision",
        AssetKind.UPSCALE_MODEL: "models/upscale_models",
        AssetKind.STYLE_MODEL: "models/style_models",
        AssetKind.AUDIO_ENCODER: "models/audio_encoders",
        AssetKind.MODEL_PATCH: "models/model_patches",
        AssetKind.OTHER: "models/other",
    }
)
"""Where a kind's files go, relative to the ComfyUI root."""

_OLDER_FOLDERS: Final = {"clip": AssetKind.TEXT_ENCODER, "unet": AssetKind.DIFFUSION_MODEL}
KIND_OF_FOLDER: Final = MappingProxyType(
    {
        **{folder.removeprefix("models/"): kind for kind, folder in FOLDER_OF.items()},
        **_OLDER_FOLDERS,
        "t2i_adapter": AssetKind.CONTROLNET,
    }
)
"""What lies in a folder of ComfyUI's, by the folder's name."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PICKLES: Final = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".pt2")
_MODELS: Final = (*_PICKLES, ".safetensors", ".sft", ".gguf", ".onnx")
ARCHIVE_SUFFIXES: Final = (".zip", ".tar.gz", ".tgz")
SUFFIXES_TAKEN: Final = (
    ".safetensors",
    ".sft",
    ".ckpt",
    ".pt",
    ".pth",
    ".bin",
    ".gguf",
    ".onnx",
    *ARCHIVE_SUFFIXES,
)
"""What is taken of a whole folder: models and archives."""

_WORDS: Final = (
    (re.compile(r"lora|lycoris|locon"), AssetKind.LORA),
    (re.compile(r"control_?-?net|t2i-?adapter|control_v\d|union-?control"), AssetKind.CONTROLNET),
    (re.compile(r"clip_?-?vision|image_encoder|siglip"), AssetKind.CLIP_VISION),
    (
        re.compile(r"(^|[^a-z])t5(xxl)?|umt5|text_?-?encoder|(^|[^a-z])clip_[lg]|qwen[\d._-]*vl|llava"),
        AssetKind.TEXT_ENCODER,
    ),
    (re.compile(r"(^|[^a-z])vae|(^|[^a-z])ae([^a-z]|$)|taesd"), AssetKind.VAE),
    (re.compile(r"embedding|textual_?-?inversion|easynegative"), AssetKind.EMBEDDING),
    (re.compile(r"esrgan|upscal|swinir|ultrasharp|(^|[^a-z0-9])[248]x[^a-z]"), AssetKind.UPSCALE_MODEL),
    (re.compile(r"redux|style_?-?model"), AssetKind.STYLE_MODEL),
    (re.compile(r"wav2vec|whisper|audio_?-?encoder"), AssetKind.AUDIO_ENCODER),
    (re.compile(r"model_?-?patch"), AssetKind.MODEL_PATCH),
    (
        re.compile(r"diffusion_?-?model|unet|(^|[^a-z])(wan|flux|ltxv?|hunyuan|qwen_image|z_image)[^a-z]"),
        AssetKind.DIFFUSION_MODEL,
    ),
)


def check_digest(text: str) -> str:
    """Return `text`; raise `DigestInvalid` unless it is a SHA-256 of 64 small hexadecimal digits."""
    if not _SHA256.fullmatch(text):
        raise DigestInvalid(
            f"{text[:80]!r} is no SHA-256.", hint="Give 64 digits of 0-9 a-f, as sha256sum prints them."
        )
    return text


def kind_of_folder(folder: str) -> AssetKind:
    """Return the kind of what lies in one of ComfyUI's model folders, named as in `folder_paths`.

    A folder that no kind is for (such as `latent_upscale_models`) holds `other`; its files need a target of their own.
    """
    return KIND_OF_FOLDER.get(folder.removeprefix("models/").strip("/").split("/")[0], AssetKind.OTHER)


def guess_kind(filename: str) -> AssetKind:
    """Guess a kind by a file's name or path; a folder of ComfyUI's in the path decides, then words of the name."""
    path = PurePosixPath(filename.replace("\\", "/").lower())
    if archive_suffix(path.name) is not None:
        return AssetKind.CUSTOM_NODE
    by_folder = kind_by_folders(filename)
    if by_folder is not None:
        return by_folder
    if path.suffix not in _MODELS:
        return AssetKind.OTHER
    for words, kind in _WORDS:
        if words.search(path.name):
            return kind
    return AssetKind.CHECKPOINT if path.suffix in {".safetensors", ".ckpt"} else AssetKind.OTHER


def kind_by_folders(path: str) -> AssetKind | None:
    """Return the kind that the innermost of ComfyUI's folders in a path stands for, or None without one."""
    folders = PurePosixPath(path.replace("\\", "/").lower()).parent.parts
    return next((KIND_OF_FOLDER[one] for one in reversed(folders) if one in KIND_OF_FOLDER and one != "other"), None)


def is_pickle(filename: str) -> bool:
    """Tell whether a file of this name may be a pickle, which runs code when it is loaded."""
    return filename.lower().endswith(_PICKLES)


def archive_suffix(filename: str) -> str | None:
    """Return `.zip`, `.tar.gz` or `.tgz` if the name ends so, else None."""
    return next((suffix for suffix in ARCHIVE_SUFFIXES if filename.lower().endswith(suffix)), None)


def part_size_of(size: int, smallest: int = _SMALLEST_PART) -> int:
    """Return the bytes of each part in which a file of `size` bytes is uploaded: whole MiB, at most 10,000 parts."""
    fewest = -(-size // _MAX_PARTS)
    return max(smallest, -(-fewest // MIB) * MIB)
