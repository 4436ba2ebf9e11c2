"""What the names of tensors tell of a model: its base model, and what it is."""

import re
from collections.abc import Set as AbstractSet
from typing import Final

from comfyfleet.core.assets import AssetKind

UNKNOWN: Final = "unknown"

# Names that only one family has; the first that fits counts. Facts from the models' published weights.
_FAMILIES: Final = (
    ("SDXL", re.compile(r"conditioner\.embedders\.1\.model\.|label_emb\.0\.0\.weight|^lora_te2_")),
    ("SD 3", re.compile(r"joint_blocks\.\d+\.x_block")),
    ("Hunyuan Video", re.compile(r"txt_in\.individual_token_refiner")),
    ("Chroma", re.compile(r"distilled_guidance_layer")),
    ("Flux", re.compile(r"double_blocks\.\d+\.img_attn|lora_unet_double_blocks_\d|single_transformer_blocks\.\d")),
    ("Qwen Image", re.compile(r"transformer_blocks\.\d+\.img_mod")),
    ("LTX Video", re.compile(r"patchify_proj\.")),
    ("Wan", re.compile(r"blocks\.\d+\.(self|cross)_attn\.(k_img|norm_[qk]|[qkvo]\.lora_)")),
    ("SD 2", re.compile(r"cond_stage_model\.model\.transformer\.resblocks")),
    ("SD 1", re.compile(r"cond_stage_model\.transformer\.text_model|model\.diffusion_model\.input_blocks\.0")),
)  # fmt: skip
_KINDS: Final = (
    (AssetKind.LORA, re.compile(r"lora_(up|down|A|B)[._]|\.lora_|hada_w1|lokr_w1|\.dora_scale")),
    (AssetKind.CONTROLNET, re.compile(r"(^|\.)(zero_convs|controlnet_|control_model\.|input_hint_block)")),
    (AssetKind.STYLE_MODEL, re.compile(r"^redux_(up|down)\.")),
    (AssetKind.UPSCALE_MODEL, re.compile(r"^(params(_ema)?\.)?(conv_first|RRDB_trunk|model\.1\.sub\.0\.RDB1)\.")),
    (AssetKind.AUDIO_ENCODER, re.compile(r"(^|\.)(feature_extractor|wav2vec2)\.")),
    (AssetKind.EMBEDDING, re.compile(r"^(emb_params|clip_[lg]|string_to_param)$")),
)  # fmt: skip
_WHOLE: Final = re.compile(r"^(cond_stage_model|conditioner|text_encoders?)\.")
_UNET: Final = re.compile(
    r"^(model\.)?diffusion_model\.|double_blocks\.|joint_blocks\.|^transformer_blocks\.|^blocks\.\d+\.|^down_blocks\."
)
_TEXT: Final = re.compile(r"^(text_model|encoder\.block\.\d+\.layer|model\.layers\.\d+\.self_attn|shared\.weight)")
_VISION: Final = re.compile(r"^(vision_model|visual)\.")
_PAIR: Final = re.compile(r"^vision_model\.")
_VAE: Final = re.compile(
    r"^(first_stage_model\.)?(encoder|decoder|post_quant_conv|quant_conv|conv[12]|per_channel_statistics)\."
)


def family_of(names: AbstractSet[str]) -> str:
    """Return the base model that the names of tensors point to, or `unknown`."""
    return next((family for family, pattern in _FAMILIES if any(map(pattern.search, names))), UNKNOWN)


def kind_of_tensors(names: AbstractSet[str]) -> AssetKind | None:
    """Return what a model with such tensors is for, or None when the names leave it open."""
    for kind, pattern in _KINDS:
        if any(map(pattern.search, names)):
            return kind
    has_unet, has_text, has_vision = (any(map(one.search, names)) for one in (_UNET, _TEXT, _VISION))
    if has_unet:
        return AssetKind.CHECKPOINT if any(map(_WHOLE.search, names)) else AssetKind.DIFFUSION_MODEL
    if has_text:  # a language model that sees has `visual.` and encodes texts; a whole CLIP model can be either
        return None if any(map(_PAIR.search, names)) else AssetKind.TEXT_ENCODER
    if has_vision:
        return AssetKind.CLIP_VISION
    return AssetKind.VAE if names and all(map(_VAE.search, names)) else None
