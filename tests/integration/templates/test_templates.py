"""What the official templates and the recorded API graphs need is read from all of them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from tests.integration.templates.comfyui_nodes import FOREIGN, LIST, template_classes
from tests.integration.templates.templates import declared_models, nodes_of, subgraphs_of, templates

from comfyfleet.core.analysis import Disagreement, DisagreementKind, Needs, disagreements_of, needs_of
from comfyfleet.core.analysis.folders import place
from comfyfleet.core.assets import AssetKind, kind_of_folder

API_GRAPHS: Final = sorted((Path(__file__).parents[2] / "data" / "comfyui" / "workflows").glob("*.json"))

DIRECTORY_KINDS: Final = {
    "audio_encoders": AssetKind.AUDIO_ENCODER,
    "background_removal": AssetKind.OTHER,
    "checkpoints": AssetKind.CHECKPOINT,
    "clip_vision": AssetKind.CLIP_VISION,
    "controlnet": AssetKind.CONTROLNET,
    "detection": AssetKind.OTHER,
    "diffusion_models": AssetKind.DIFFUSION_MODEL,
    "embeddings": AssetKind.EMBEDDING,
    "frame_interpolation": AssetKind.OTHER,
    "geometry_estimation": AssetKind.OTHER,
    "latent_upscale_models": AssetKind.OTHER,
    "loras": AssetKind.LORA,
    "model_patches": AssetKind.MODEL_PATCH,
    "optical_flow": AssetKind.OTHER,
    "style_models": AssetKind.STYLE_MODEL,
    "text_encoders": AssetKind.TEXT_ENCODER,
    "upscale_models": AssetKind.UPSCALE_MODEL,
    "vae": AssetKind.VAE,
}
"""Each directory that the templates declare, and the kind that its files are."""


@pytest.fixture(scope="module")
def analyzed() -> dict[str, Needs]:
    return {name: needs_of(document) for name, document in templates().items()}


@pytest.fixture(scope="module")
def report() -> list[tuple[str, Disagreement]]:
    return [(name, found) for name, document in templates().items() for found in disagreements_of(document)]


def test_all_official_templates_are_there_and_are_analyzed(analyzed: dict[str, Needs]) -> None:
    documents = templates().values()
    assert len(analyzed) == 644
    assert {needs.format for needs in analyzed.values()} == {"ui"}
    assert sum(bool(subgraphs_of(document)) for document in documents) == 214
    assert sum(bool(declared_models(document)) for document in documents) == 261


def test_each_declared_model_is_found_in_its_folder_and_as_its_kind(analyzed: dict[str, Needs]) -> None:
    checked = 0
    for name, document in templates().items():
        found = {(need.folder, need.filename): need for need in analyzed[name].models if need.is_declared}
        for model in declared_models(document):
            need = found[place(model["directory"], model["name"])]
            assert need.kind is kind_of_folder(model["directory"]) is DIRECTORY_KINDS[model["directory"]]
            assert need.target_path == f"models/{model['directory']}/{model['name']}"
            assert need.url is not None
            if "hash" in model:
                assert need.sha256 == model["hash"].lower()
            checked += 1
    assert checked == 1204


def test_each_file_that_a_widget_names_is_found(analyzed: dict[str, Needs]) -> None:
    checked = 0
    for name, document in templates().items():
        found = {need.filename for need in analyzed[name].models}
        inner = {subgraph["id"] for subgraph in subgraphs_of(document)}
        for node in nodes_of(document):
            values = [] if node["type"] in inner else node.get("widgets_values") or []
            named = {value for value in values if isinstance(value, str) and value.endswith((".safetensors", ".ckpt"))}
            missed = named - found
            checked += len(named)
            assert not missed or not _is_instanced_as_written(document, node), (name, node["id"], missed)
    assert checked > 1000


def _is_instanced_as_written(document: dict[str, Any], node: dict[str, Any]) -> bool:
    """Tell whether no instance of a subgraph sets this inner node's values to others."""
    return all(entry.get("link") is None for entry in node.get("inputs") or [] if "widget" in entry)


def test_the_disagreements_of_graph_and_declaration_are_the_known_ones(
    report: list[tuple[str, Disagreement]], analyzed: dict[str, Needs]
) -> None:
    for name, found in report:
        print(f"{name}: {found.kind} {found.folder}/{found.filename} {','.join(found.node_ids)}: {found.detail}")
    assert Counter(found.kind for _, found in report) == {
        DisagreementKind.SWITCHED_OFF: 33,
        DisagreementKind.SEVERAL_URLS: 1,
    }
    assert len({name for name, found in report if found.kind is DisagreementKind.SWITCHED_OFF}) == 20
    models = [need for needs in analyzed.values() for need in needs.models]
    assert Counter((need.is_declared, need.is_used) for need in models) == {(True, True): 966, (True, False): 33}


def test_the_official_templates_need_no_custom_nodes_but_two(analyzed: dict[str, Needs]) -> None:
    assert {need.class_type for needs in analyzed.values() for need in needs.nodes} == FOREIGN


def test_the_packaged_list_holds_each_class_of_the_templates_sorted() -> None:
    lines = [line for line in LIST.read_text().splitlines() if not line.startswith("#")]
    assert lines == sorted(set(lines))
    assert template_classes() <= set(lines)
    assert {"KSampler", "SaveVideo", "KlingTextToVideoNode"} <= set(lines)


def test_the_recorded_api_graphs_are_analyzed() -> None:
    found = {path.stem: needs_of(json.loads(path.read_text())) for path in API_GRAPHS}
    assert len(found) == 13
    assert {needs.format for needs in found.values()} == {"api"}
    assert {name: [need.target_path for need in needs.models] for name, needs in found.items() if needs.models} == {
        "iv_missing_checkpoint": ["models/checkpoints/sd_xl_base_1.0.safetensors"],
        "iv_b_missing_checkpoint_and_lora_partial": [
            "models/checkpoints/sd_xl_base_1.0.safetensors",
            "models/loras/nope.safetensors",
        ],
    }
    classes = {name: [need.class_type for need in needs.nodes] for name, needs in found.items() if needs.nodes}
    assert classes == {"iv_c_unknown_node": ["NoSuchCustomNode"]}
