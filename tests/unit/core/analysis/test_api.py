"""What an API graph needs."""

import pytest
from tests.unit.core.analysis.documents import api

from comfyfleet.core.analysis import ModelNeed, needs_of
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.graphs import GraphInvalid


def paths(class_type: str, **inputs: object) -> list[str | None]:
    return [need.target_path for need in needs_of(api(a=(class_type, inputs))).models]


@pytest.mark.parametrize(
    ("class_type", "name", "folder"),
    [
        ("CheckpointLoaderSimple", "ckpt_name", "checkpoints"),
        ("LoraLoader", "lora_name", "loras"),
        ("VAELoader", "vae_name", "vae"),
        ("UNETLoader", "unet_name", "diffusion_models"),
        ("CLIPLoader", "clip_name", "text_encoders"),
        ("QuadrupleCLIPLoader", "clip_name4", "text_encoders"),
        ("CLIPVisionLoader", "clip_name", "clip_vision"),
        ("ControlNetLoader", "control_net_name", "controlnet"),
        ("StyleModelLoader", "style_model_name", "style_models"),
        ("UpscaleModelLoader", "model_name", "upscale_models"),
        ("LatentUpscaleModelLoader", "model_name", "latent_upscale_models"),
        ("AudioEncoderLoader", "audio_encoder_name", "audio_encoders"),
        ("ModelPatchLoader", "name", "model_patches"),
        ("LTXAVTextEncoderLoader", "ckpt_name", "checkpoints"),
    ],
)
def test_a_loader_of_comfyui_names_the_folder(class_type: str, name: str, folder: str) -> None:
    assert paths(class_type, **{name: "a.safetensors"}) == [f"models/{folder}/a.safetensors"]


def test_a_need_tells_all_that_is_known() -> None:
    inputs = {"lora_name": "x/a.safetensors"}
    needs = needs_of(api(a=("LoraLoader", inputs), b=("LoraLoaderModelOnly", inputs)))
    assert needs.models == (
        ModelNeed(
            filename="x/a.safetensors",
            folder="loras",
            kind=AssetKind.LORA,
            url=None,
            sha256=None,
            node_ids=("a", "b"),
            node_classes=("LoraLoader", "LoraLoaderModelOnly"),
            is_declared=False,
            is_used=True,
        ),
    )
    assert (needs.nodes, needs.format) == ((), "api")


@pytest.mark.parametrize("value", ["", "None", "pixel_space", "{{VAE}}", "__VAE__", 3, None, True, ["b", 0]])
def test_what_is_no_file_is_not_needed(value: object) -> None:
    assert paths("VAELoader", vae_name=value) == []


def test_windows_separators_become_the_machines() -> None:
    assert paths("LoraLoader", lora_name="flux\\a.safetensors") == ["models/loras/flux/a.safetensors"]


def test_a_tiny_vae_needs_its_encoder_and_its_decoder() -> None:
    assert paths("VAELoader", vae_name="taesd") == [
        "models/vae_approx/taesd_decoder",
        "models/vae_approx/taesd_encoder",
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a cat, embedding:easynegative, bad", ["easynegative"]),
        ("(embedding:styles/ink.pt:1.2) and embedding:b", ["b", "styles/ink.pt"]),
        ("embedding:a\nembedding:a", ["a"]),
        ("an embedding: no; myembedding:no; embedding:../up", []),
    ],
)
def test_embeddings_are_found_in_texts(text: str, names: list[str]) -> None:
    found = needs_of(api(a=("CLIPTextEncode", {"text": text}))).models
    assert [(need.filename, need.kind) for need in found] == [(name, AssetKind.EMBEDDING) for name in names]


def test_a_name_that_comes_by_a_link_from_a_primitive_is_found() -> None:
    graph = api(a=("PrimitiveString", {"value": "a.ckpt"}), b=("CheckpointLoaderSimple", {"ckpt_name": ["a", 0]}))
    assert [(need.filename, need.node_ids) for need in needs_of(graph).models] == [("a.ckpt", ("b",))]


def test_primitives_linked_in_a_circle_end() -> None:
    graph = api(a=("PrimitiveString", {"value": ["b", 0]}), b=("PrimitiveString", {"value": ["a", 0]}))
    graph["c"] = {"class_type": "VAELoader", "inputs": {"vae_name": ["a", 0]}}
    assert needs_of(graph).models == ()


@pytest.mark.parametrize(
    ("class_type", "name", "value", "path"),
    [
        ("UnetLoaderGGUF", "unet_name", "a.gguf", "models/diffusion_models/a.gguf"),
        ("CLIPLoaderGGUF", "clip_name", "a.gguf", "models/text_encoders/a.gguf"),
        ("IPAdapterModelLoader", "ipadapter_file", "a.bin", "models/ipadapter/a.bin"),
        ("SomeLoraStack", "name_1", "A.SAFETENSORS", "models/loras/A.SAFETENSORS"),
        ("Mystery", "file", "a.onnx", None),
        ("Mystery", "file", "real_esrgan_x4.pth", "models/upscale_models/real_esrgan_x4.pth"),
    ],
)
def test_files_of_custom_loaders_are_found_by_their_extension(
    class_type: str, name: str, value: str, path: str | None
) -> None:
    assert paths(class_type, **{name: value}) == [path]


@pytest.mark.parametrize(
    "value", ["https://a/b.safetensors", "/root/b.ckpt", "C:\\b.ckpt", "~/b.pt", "a\nb.pt", "../b.pt"]
)
def test_what_a_custom_node_names_outside_the_model_folders_is_left_out(value: str) -> None:
    assert paths("Mystery", file=value) == []


def test_a_text_in_a_node_that_loads_nothing_is_no_file() -> None:
    assert paths("CLIPTextEncode", text="draw model.safetensors") == []


def test_rows_of_a_custom_loader_that_are_off_are_not_used() -> None:
    graph = api(a=("Power Lora Loader (rgthree)", {
        "lora_1": {"on": True, "lora": "a.safetensors", "strength": 1},
        "lora_2": {"on": False, "lora": "b.safetensors", "strength": 1},
    }))  # fmt: skip
    needs = needs_of(graph)
    assert [(need.target_path, need.is_used) for need in needs.models] == [
        ("models/loras/a.safetensors", True),
        ("models/loras/b.safetensors", False),
    ]


def test_a_file_of_unknown_folder_joins_the_one_of_that_name() -> None:
    graph = api(a=("Mystery", {"file": "a.onnx"}), b=("Mystery", {"vae": "a.onnx"}))
    assert [(need.folder, need.node_ids) for need in needs_of(graph).models] == [("vae", ("a", "b"))]


def test_classes_of_others_are_listed_once_with_their_nodes() -> None:
    needs = needs_of(api(a=("KSampler", {}), b=("Mystery", {}), c=("Mystery", {})))
    assert [(need.class_type, need.package, need.node_ids) for need in needs.nodes] == [("Mystery", None, ("b", "c"))]


@pytest.mark.parametrize("name", ["../a.ckpt", "/etc/passwd", "a//b.ckpt", "a\0.ckpt", "x" * 2000])
def test_a_loader_that_names_a_path_outside_its_folder_is_refused(name: str) -> None:
    with pytest.raises(GraphInvalid, match="node a"):
        paths("CheckpointLoaderSimple", ckpt_name=name)
