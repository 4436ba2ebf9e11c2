"""Headers of safetensors: what they tell, and that a hostile one costs little."""

import io
import json
import time
import tracemalloc

import pytest

from comfyfleet.core.assets import AssetKind
from comfyfleet.server.assets.inspection import Inspection, inspect, kind_by_content


def look(header: bytes, data_bytes: int = 0) -> Inspection:
    content = len(header).to_bytes(8, "little") + header + bytes(data_bytes)
    return inspect(io.BytesIO(content), "x.safetensors", len(content), AssetKind.OTHER)


def model(*names: str, metadata: dict[str, object] | None = None, dtype: str = "U8") -> Inspection:
    places = {
        name: {"dtype": dtype, "shape": [1], "data_offsets": [number, number + 1]} for number, name in enumerate(names)
    }
    return look(json.dumps({"__metadata__": metadata or {}, **places}).encode(), len(names))


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (["conditioner.embedders.1.model.ln_final.weight", "model.diffusion_model.input_blocks.0.0.weight"], "SDXL"),
        (["model.diffusion_model.input_blocks.0.0.weight"], "SD 1"),
        (["cond_stage_model.model.transformer.resblocks.0.x", "model.diffusion_model.input_blocks.0.0.weight"], "SD 2"),
        (["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"], "SD 3"),
        (["double_blocks.0.img_attn.qkv.weight"], "Flux"),
        (["double_blocks.0.img_attn.qkv.weight", "distilled_guidance_layer.in_proj.bias"], "Chroma"),
        (["double_blocks.0.img_attn.qkv.weight", "txt_in.individual_token_refiner.blocks.0.x"], "Hunyuan Video"),
        (["transformer_blocks.0.img_mod.1.weight"], "Qwen Image"),
        (["patchify_proj.weight", "transformer_blocks.0.scale_shift_table"], "LTX Video"),
        (["blocks.0.self_attn.norm_q.weight", "head.modulation"], "Wan"),
        (["diffusion_model.blocks.0.cross_attn.k.lora_A.weight"], "Wan"),
        (["transformer_blocks.0.scale_shift_table", "pos_embed.proj.bias"], "unknown"),
        (["lora_unet_down_blocks_0.lora_up.weight"], "unknown"),
    ],
)
def test_the_base_model_is_guessed_by_the_names_of_tensors(names: list[str], family: str) -> None:
    assert model(*names).findings["base_model"] == family


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["redux_up.weight", "redux_down.weight"], AssetKind.STYLE_MODEL),
        (["conv_first.weight", "body.0.rdb1.conv1.weight"], AssetKind.UPSCALE_MODEL),
        (["wav2vec2.encoder.layers.0.x"], AssetKind.AUDIO_ENCODER),
        (["visual.blocks.0.x", "model.layers.0.self_attn.q_proj.weight"], AssetKind.TEXT_ENCODER),
        (["vision_model.embeddings.x", "text_model.embeddings.x"], None),
        (["encoder.block.0.layer.0.x", "shared.weight"], AssetKind.TEXT_ENCODER),
        (["decoder.conv_in.weight", "per_channel_statistics.mean"], AssetKind.VAE),
        (["controlnet_cond_embedding.conv_in.weight", "down_blocks.0.x"], AssetKind.CONTROLNET),
        (["down_blocks.0.attentions.0.x"], AssetKind.DIFFUSION_MODEL),
        (["emb_params"], AssetKind.EMBEDDING),
    ],
)
def test_the_kind_is_guessed_by_the_names_of_tensors(names: list[str], kind: AssetKind | None) -> None:
    assert kind_by_content(model(*names)) is kind


def test_the_metadata_goes_before_the_names() -> None:
    found = model("double_blocks.0.img_attn.qkv.weight", metadata={"modelspec.architecture": "flux-1-dev"})
    assert found.findings["base_model"] == "flux-1-dev"


def test_texts_can_be_sent_and_shown_whatever_the_file_holds() -> None:
    found = model("w", metadata={"modelspec.title": "a\ud800\u202eb\x1b[2J\x00", "k\ud800" + "x" * 10_000: "v"})
    document = found.to_document()
    json.dumps(document, ensure_ascii=False).encode()
    assert document["title"] == "a  b [2J "
    assert len(json.dumps(document)) < 5000


@pytest.mark.parametrize("dtype", ["", "a b", "x" * 17, "\x1b"])
def test_a_type_that_is_none_is_a_finding(dtype: str) -> None:
    assert "type" in model("w", dtype=dtype).findings["problem"]


def test_a_new_type_is_counted_unless_its_numbers_cannot_be_there() -> None:
    assert model("w", dtype="F8_NEW").findings["dtypes"] == {"F8_NEW": 1}
    header = {"w": {"dtype": "F4", "shape": [2**62, 2**62], "data_offsets": [0, 1]}}
    assert look(json.dumps(header).encode(), 1).findings["problem"]


@pytest.mark.parametrize(
    "header",
    [
        b"[" + b"[]," * 5_000_000 + b"[]]",
        b'{"a":' * 1_000_000,
        b'{"":{},' * 2_000_000,
        b'"' + b"\\" * 15_000_000,
        b'{"__metadata__":{"k":"' + b"," * 1_000_000 + b'"}} ' * 10,
        b" " * (17 * 2**20),
    ],
    ids=range(6),
)
def test_a_hostile_header_costs_little(header: bytes) -> None:
    begun = time.monotonic()
    content = io.BytesIO(len(header).to_bytes(8, "little") + header)
    tracemalloc.start()
    try:
        found = inspect(content, "x.safetensors", len(header) + 8, AssetKind.OTHER)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.findings["problem"]
    assert most < 64 * 2**20
    assert time.monotonic() - begun < 20


def test_a_long_list_of_tags_is_no_reason_to_refuse_a_header() -> None:
    tags = json.dumps({"ten": {f"tag {number}": 1 for number in range(100_000)}})
    found = model("w", metadata={"ss_tag_frequency": tags})
    assert len(found.findings["trigger_words"]) == 10
