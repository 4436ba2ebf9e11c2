"""What the names of tensors tell of a model: its base model, and what it is."""

import re
from collections.abc import Set as AbstractSet
from typing import Final

from comfyfleet.core.assets import AssetKind

UNKNOWN: Final = "unknown"

# Names that only one family has; the first that fits counts. Facts from the models' published weights.
_FAMILIES: Final = (
    ("SDXL", re.compile(r"conditioner\.embedders\.1\.model\.|label_emb\.0\.0\.weight")),
    ("SD 3", re.compile(r"joint_blocks\.\d+\.x_block")),
    ("Flux", re.compile(r"double_blocks\.\d+\.img_attn|lora_unet_double_blocks_\d|single_transformer_blocks\.\d")),
    ("LTX Video", re.compile(r"caption_projection\.linear_1|transformer_blocks\.\d+\.scale_shift_table")),
    ("Wan", re.compile(r"blocks\.\d+\.cross_attn\.(k_img|norm_k)|blocks\.\d+\.self_attn\.norm_q")),
    ("Qwen Image", re.compile(r"transformer_blocks\.\d+\.img_mod")),
    ("SD 2", re.compile(r"cond_stage_model\.model\.transformer\.resblocks")),
    ("SD 1", re.compile(r"cond_stage_model\.transformer\.text_model|model\.diffusion_model\.input_blocks\.0")),
)  # fmt: skip
_KINDS: Final = (
    (AssetKind.LORA, re.compile(r"lora_(up|down|A|B)[._]|\.lora_|hada_w1|lokr_w1|\.dora_scale")),
    (AssetKind.CONTROLNET, re.compile(r"(^|\.)(zero_convs|controlnet_|control_model\.|input_hint_block)")),
    (AssetKind.CLIP_VISION, re.compile(r"^vision_model\.|^visual\.")),
    (AssetKind.EMBEDDING, re.compile(r"^(emb_params|clip_[lg]|string_to_param)$")),
)
_WHOLE: Final = re.compile(r"^(cond_stage_model|conditioner|text_encoders?)\.")
_UNET: Final = re.compile(
    r"^(model\.)?diffusion_model\.|double_blocks\.|joint_blocks\.|^transformer_blocks\.|^blocks\.\d+\."
)
_TEXT: Final = re.compile(r"^(text_model|encoder\.block\.\d+\.layer|model\.layers\.\d+\.self_attn|shared\.weight)")
_VAE: Final = re.compile(r"^(first_stage_model\.)?(encoder|decoder|post_quant_conv|quant_conv|conv[12])\.")


def family_of(names: AbstractSet[str]) -> str:
    """Return the base model that the names of tensors point to, or `unknown`."""
    return next((family for family, pattern in _FAMILIES if any(map(pattern.search, names))), UNKNOWN)


def kind_of_tensors(names: AbstractSet[str]) -> AssetKind | None:
    """Return what a model with such tensors is for, or None when the names leave it open."""
    for kind, pattern in _KINDS:
        if any(map(pattern.search, names)):
            return kind
    has_unet, has_text = any(map(_UNET.search, names)), any(map(_TEXT.search, names))
    if has_unet:
        return AssetKind.CHECKPOINT if any(map(_WHOLE.search, names)) else AssetKind.DIFFUSION_MODEL
    if has_text:
        return AssetKind.TEXT_ENCODER
    return AssetKind.VAE if names and all(map(_VAE.search, names)) else None
