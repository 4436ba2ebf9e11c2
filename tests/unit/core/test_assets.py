"""Kinds, digests and parts of assets."""

import pytest

from comfyfleet.core.assets import (
    FOLDER_OF,
    MIB,
    AssetKind,
    DigestInvalid,
    archive_suffix,
    check_digest,
    guess_kind,
    is_pickle,
    kind_of_folder,
    part_size_of,
)


def test_every_kind_has_a_folder_of_its_own() -> None:
    assert set(FOLDER_OF) == set(AssetKind)
    assert len(set(FOLDER_OF.values())) == len(AssetKind)
    assert all(kind_of_folder(folder) is kind for kind, folder in FOLDER_OF.items())


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("checkpoints", AssetKind.CHECKPOINT),
        ("models/loras", AssetKind.LORA),
        ("loras/wan/high", AssetKind.LORA),
        ("unet", AssetKind.DIFFUSION_MODEL),
        ("clip", AssetKind.TEXT_ENCODER),
        ("t2i_adapter", AssetKind.CONTROLNET),
        ("latent_upscale_models", AssetKind.OTHER),
        ("", AssetKind.OTHER),
    ],
)
def test_comfyuis_folders_have_kinds(folder: str, kind: AssetKind) -> None:
    assert kind_of_folder(folder) is kind


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        ("sd_xl_base_1.0.safetensors", AssetKind.CHECKPOINT),
        ("v1-5-pruned-emaonly.ckpt", AssetKind.CHECKPOINT),
        ("my_style_lora_v2.safetensors", AssetKind.LORA),
        ("control_v11p_sd15_canny.pth", AssetKind.CONTROLNET),
        ("clip_vision_h.safetensors", AssetKind.CLIP_VISION),
        ("umt5_xxl_fp8_e4m3fn_scaled.safetensors", AssetKind.TEXT_ENCODER),
        ("clip_l.safetensors", AssetKind.TEXT_ENCODER),
        ("wan_2.1_vae.safetensors", AssetKind.VAE),
        ("ae.safetensors", AssetKind.VAE),
        ("4x-UltraSharp.pth", AssetKind.UPSCALE_MODEL),
        ("RealESRGAN_x4plus.pth", AssetKind.UPSCALE_MODEL),
        ("wan2.1_t2v_1.3B_fp16.safetensors", AssetKind.DIFFUSION_MODEL),
        ("flux1-dev.gguf", AssetKind.DIFFUSION_MODEL),
        ("flux1-redux-dev.safetensors", AssetKind.STYLE_MODEL),
        ("wav2vec2_large_english_fp16.safetensors", AssetKind.AUDIO_ENCODER),
        ("easynegative.pt", AssetKind.EMBEDDING),
        ("ComfyUI-Foo-main.zip", AssetKind.CUSTOM_NODE),
        ("nodes.tar.gz", AssetKind.CUSTOM_NODE),
        ("models/vae/whatever.safetensors", AssetKind.VAE),
        ("D:\\ComfyUI\\models\\loras\\x.safetensors", AssetKind.LORA),
        ("readme.txt", AssetKind.OTHER),
        ("", AssetKind.OTHER),
    ],
)
def test_kinds_are_guessed_by_names(filename: str, kind: AssetKind) -> None:
    assert guess_kind(filename) is kind


def test_a_digest_is_64_small_hexadecimal_digits() -> None:
    assert check_digest("0123456789abcdef" * 4) == "0123456789abcdef" * 4
    for wrong in ("", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"):
        with pytest.raises(DigestInvalid):
            check_digest(wrong)


def test_pickles_and_archives_are_known_by_their_ends() -> None:
    assert all(is_pickle(name) for name in ("a.ckpt", "a.PT", "a.pth", "a.bin"))
    assert not is_pickle("a.safetensors")
    assert [archive_suffix(name) for name in ("a.zip", "a.tar.gz", "A.TGZ", "a.gz")] == [
        ".zip",
        ".tar.gz",
        ".tgz",
        None,
    ]


@pytest.mark.parametrize("size", [1, 5 * 2**30, 40 * 2**30, 2**40])
def test_parts_are_few_and_large_enough(size: int) -> None:
    part = part_size_of(size)
    assert part % MIB == 0
    assert part >= 16 * MIB
    assert -(-size // part) <= 10_000
