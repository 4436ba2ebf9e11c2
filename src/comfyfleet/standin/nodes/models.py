"""Nodes that need a model: known, so that their prompts are validated as ComfyUI does, and never run.

A file counts as present if it is in `models/<kind>` of the base directory; none is, unless somebody put it there.
"""

from collections.abc import Sequence
from typing import Final

from comfyfleet.standin.folders import Folders
from comfyfleet.standin.nodes.image import MAX_RESOLUTION
from comfyfleet.standin.nodes.spec import Choices, Input, Node, classic_choice

# fmt: off
_SAMPLERS: Final = (
    "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2", "dpm_2",
    "dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_2m",
    "dpmpp_2m_sde", "dpmpp_3m_sde", "ddpm", "lcm", "ipndm", "deis", "res_multistep", "gradient_estimation",
    "er_sde", "seeds_2", "seeds_3", "sa_solver", "ddim", "uni_pc", "uni_pc_bh2",
)
_SCHEDULERS: Final = (
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic",
    "kl_optimal",
)
# fmt: on


def present_models(kind: str) -> Choices:
    """Return what lists the files of a kind of model."""

    def present(folders: Folders) -> Sequence[str]:
        return folders.files(f"models/{kind}", deep=True)

    return present


def _strength(name: str) -> Input:
    return Input(name, "FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01})


def _latent_side(name: str) -> Input:
    return Input(name, "INT", {"default": 512, "min": 16, "max": MAX_RESOLUTION, "step": 8})


NODES: Final = (
    Node(
        "CheckpointLoaderSimple",
        (
            classic_choice(
                "ckpt_name", present_models("checkpoints"), tooltip="The name of the checkpoint (model) to load."
            ),
        ),
        ("MODEL", "CLIP", "VAE"),
        title="Load Checkpoint",
        category="loaders",
    ),
    Node(
        "LoraLoader",
        (
            Input("model", "MODEL"),
            Input("clip", "CLIP"),
            classic_choice("lora_name", present_models("loras")),
            _strength("strength_model"),
            _strength("strength_clip"),
        ),
        ("MODEL", "CLIP"),
        title="Load LoRA",
        category="loaders",
    ),
    Node(
        "LoraLoaderModelOnly",
        (Input("model", "MODEL"), classic_choice("lora_name", present_models("loras")), _strength("strength_model")),
        ("MODEL",),
        title="LoraLoaderModelOnly",
        category="loaders",
    ),
    Node(
        "VAELoader",
        (classic_choice("vae_name", present_models("vae")),),
        ("VAE",),
        title="Load VAE",
        category="loaders",
    ),
    Node(
        "CLIPTextEncode",
        (Input("text", "STRING", {"multiline": True, "dynamicPrompts": True}), Input("clip", "CLIP")),
        ("CONDITIONING",),
        title="CLIP Text Encode (Prompt)",
        category="conditioning",
    ),
    Node(
        "EmptyLatentImage",
        (
            _latent_side("width"),
            _latent_side("height"),
            Input("batch_size", "INT", {"default": 1, "min": 1, "max": 4096}),
        ),
        ("LATENT",),
        title="Empty Latent Image",
        category="latent",
    ),
    Node(
        "KSampler",
        (
            Input("model", "MODEL"),
            Input("seed", "INT", {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF, "control_after_generate": True}),
            Input("steps", "INT", {"default": 20, "min": 1, "max": 10000}),
            Input("cfg", "FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}),
            classic_choice("sampler_name", lambda _: _SAMPLERS),
            classic_choice("scheduler", lambda _: _SCHEDULERS),
            Input("positive", "CONDITIONING"),
            Input("negative", "CONDITIONING"),
            Input("latent_image", "LATENT"),
            Input("denoise", "FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}),
        ),
        ("LATENT",),
        category="sampling",
    ),
    Node(
        "VAEDecode",
        (Input("samples", "LATENT"), Input("vae", "VAE")),
        ("IMAGE",),
        title="VAE Decode",
        category="latent",
    ),
    Node(
        "VAEEncode",
        (Input("pixels", "IMAGE"), Input("vae", "VAE")),
        ("LATENT",),
        title="VAE Encode",
        category="latent",
    ),
)
