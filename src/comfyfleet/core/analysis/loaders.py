"""Which inputs of which nodes name model files, and the folder that each is looked for in.

For ComfyUI's own nodes these are facts: the lists that the inputs of 0.3.75 offer when one file lies in each model
folder, and for newer nodes what the official templates declare. For nodes of others the names decide, see `folders`.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class FileInput:
    """An input that names a file. `position` is its place among the node's widget values; None if versions differ."""

    name: str
    folder: str
    position: int | None = 0


def _clips(count: int) -> tuple[FileInput, ...]:
    return tuple(FileInput(f"clip_name{number}", "text_encoders", number - 1) for number in range(1, count + 1))


_CHECKPOINT: Final = (FileInput("ckpt_name", "checkpoints"),)
_LORA: Final = (FileInput("lora_name", "loras"),)
_CONTROLNET: Final = (FileInput("control_net_name", "controlnet"),)
_GEOMETRY: Final = (FileInput("model_name", "geometry_estimation"),)

LOADERS: Final = MappingProxyType(
    {
        "AudioEncoderLoader": (FileInput("audio_encoder_name", "audio_encoders"),),
        "CLIPLoader": (FileInput("clip_name", "text_encoders"),),
        "CLIPVisionLoader": (FileInput("clip_name", "clip_vision"),),
        "CheckpointLoader": (FileInput("ckpt_name", "checkpoints", 1),),
        "CheckpointLoaderSimple": _CHECKPOINT,
        "ConditioningLoader": (FileInput("conditioning_name", "embeddings"),),
        "ControlNetLoader": _CONTROLNET,
        "CreateHookLora": _LORA,
        "CreateHookLoraModelOnly": _LORA,
        "CreateHookModelAsLora": _CHECKPOINT,
        "CreateHookModelAsLoraModelOnly": _CHECKPOINT,
        "DiffControlNetLoader": _CONTROLNET,
        "DiffusersLoader": (FileInput("model_path", "diffusers"),),
        "DualCLIPLoader": _clips(2),
        "FrameInterpolationModelLoader": (FileInput("model_name", "frame_interpolation"),),
        "GLIGENLoader": (FileInput("gligen_name", "gligen"),),
        "HypernetworkLoader": (FileInput("hypernetwork_name", "hypernetworks"),),
        "ImageOnlyCheckpointLoader": _CHECKPOINT,
        "LTXAVTextEncoderLoader": (
            FileInput("text_encoder", "text_encoders"),
            FileInput("ckpt_name", "checkpoints", 1),
        ),
        "LTXVAudioVAELoader": _CHECKPOINT,
        "LatentUpscaleModelLoader": (FileInput("model_name", "latent_upscale_models"),),
        "LoadBackgroundRemovalModel": (FileInput("bg_removal_name", "background_removal"),),
        "LoadDA3Model": _GEOMETRY,
        "LoadMoGeModel": _GEOMETRY,
        "LoraLoader": _LORA,
        "LoraLoaderModelOnly": _LORA,
        "ModelPatchLoader": (FileInput("name", "model_patches"),),
        "OpticalFlowLoader": (FileInput("model_name", "optical_flow"),),
        "PhotoMakerLoader": (FileInput("photomaker_model_name", "photomaker"),),
        "QuadrupleCLIPLoader": _clips(4),
        "SAM3DBody_Loader": (FileInput("model_name", "detection"),),
        "StyleModelLoader": (FileInput("style_model_name", "style_models"),),
        "TrainLoraNode": (FileInput("existing_lora", "loras", None),),
        "TripleCLIPLoader": _clips(3),
        "UNETLoader": (FileInput("unet_name", "diffusion_models"),),
        "UpscaleModelLoader": (FileInput("model_name", "upscale_models"),),
        "VAELoader": (FileInput("vae_name", "vae"),),
        "unCLIPCheckpointLoader": _CHECKPOINT,
    }
)
"""ComfyUI's own loaders."""

NO_FILE: Final = frozenset({"", "none", "[none]", "pixel_space"})
"""What a loader's list offers, in small letters, that is no file."""

TINY_VAES: Final = frozenset({"taesd", "taesdxl", "taesd3", "taef1"})
"""What VAELoader offers when `vae_approx` holds an encoder and a decoder of that name."""

REROUTES: Final = frozenset({"Reroute", "Reroute (rgthree)"})

VALUE_NODES: Final = frozenset({"PrimitiveNode", "PrimitiveString", "PrimitiveStringMultiline", "CustomCombo"})
"""Nodes that hold a value for the inputs they are linked to."""

FRONTEND_ONLY: Final = REROUTES | {
    "Bookmark (rgthree)",
    "Fast Actions Button (rgthree)",
    "Fast Bypasser (rgthree)",
    "Fast Groups Bypasser (rgthree)",
    "Fast Groups Muter (rgthree)",
    "Fast Muter (rgthree)",
    "GetNode",
    "Label (rgthree)",
    "MarkdownNote",
    "Mute / Bypass Relay (rgthree)",
    "Mute / Bypass Repeater (rgthree)",
    "Node Collector (rgthree)",
    "Note",
    "PrimitiveNode",
    "SetNode",
}
"""Nodes that exist in the editor only: they are never sent to a server, so no machine needs them."""
