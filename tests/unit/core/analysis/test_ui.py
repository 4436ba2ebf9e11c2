"""What a UI graph needs, with subgraphs, muted nodes and declarations."""

from typing import Any

import pytest
from tests.unit.core.analysis.documents import INNER, SUBGRAPH, declared, node, subgraph, ui, widget

from comfyfleet.core.analysis import needs_of

DIGEST = "ab" * 32


def files(document: dict[str, Any]) -> list[tuple[str | None, tuple[str, ...], bool]]:
    return [(need.target_path, need.node_ids, need.is_used) for need in needs_of(document).models]


def names(document: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(need.filename, need.is_used) for need in needs_of(document).models]


def test_widget_values_are_read_by_place_by_name_and_as_an_object() -> None:
    document = ui(
        node(1, "CheckpointLoader", "v1.yaml", "a.ckpt"),
        node(2, "DualCLIPLoader", "b.pt", "c.pt", "flux", inputs=[widget("clip_name1"), widget("clip_name2")]),
        node(3, "VAELoader") | {"widgets_values": {"vae_name": "d.pt"}},
        node(4, "VAELoader") | {"widgets_values": None, "widgets_values_named": {"vae_name": "e.pt"}},
    )
    assert needs_of(document).format == "ui"
    assert files(document) == [
        ("models/checkpoints/a.ckpt", ("1",), True),
        ("models/text_encoders/b.pt", ("2",), True),
        ("models/text_encoders/c.pt", ("2",), True),
        ("models/vae/d.pt", ("3",), True),
        ("models/vae/e.pt", ("4",), True),
    ]


def test_values_by_place_count_more_than_values_by_name() -> None:
    document = ui(node(1, "VAELoader", "new.pt", widgets_values_named={"vae_name": "old.pt"}))
    assert names(document) == [("new.pt", True)]


@pytest.mark.parametrize("mode", [2, 4])
def test_what_only_muted_or_bypassed_nodes_name_is_not_used(mode: int) -> None:
    document = ui(node(1, "VAELoader", "a.pt", mode=mode), node(2, "LoraLoader", "b.pt", 1, 1))
    assert names(document) == [("b.pt", True), ("a.pt", False)]


def test_a_muted_custom_node_is_listed_as_not_used() -> None:
    needs = needs_of(ui(node(1, "Mystery", mode=4), node(2, "Other")))
    assert [(need.class_type, need.is_used) for need in needs.nodes] == [("Mystery", False), ("Other", True)]


def test_nodes_of_the_editor_are_needed_by_no_machine() -> None:
    classes = ["Note", "MarkdownNote", "Reroute", "PrimitiveNode", "Fast Groups Muter (rgthree)"]
    notes = [node(index, name, "see vae/a.safetensors embedding:x") for index, name in enumerate(classes)]
    needs = needs_of(ui(*notes))
    assert (needs.models, needs.nodes) == ((), ())


def test_a_declaration_is_joined_to_the_file_that_the_node_names() -> None:
    properties = declared("a.pt", "vae", url="https://host/a.pt", hash=DIGEST.upper(), hash_type="SHA256")
    (need,) = needs_of(ui(node(1, "VAELoader", "a.pt", properties=properties))).models
    assert (need.url, need.sha256, need.is_declared, need.is_used) == ("https://host/a.pt", DIGEST, True, True)


def test_a_declared_file_that_no_node_names_is_not_used() -> None:
    document = ui(node(1, "VAELoader", "b.pt", properties=declared("a.pt", "vae")))
    assert names(document) == [("a.pt", False), ("b.pt", True)]


def test_a_declaration_tells_the_folder_of_a_custom_loader() -> None:
    document = ui(node(1, "Mystery", "a.safetensors", properties=declared("a.safetensors", "sams")))
    assert files(document) == [("models/sams/a.safetensors", ("1",), True)]


def test_older_names_of_folders_are_the_present_ones() -> None:
    document = ui(
        node(1, "CLIPLoader", "a.pt", properties=declared("a.pt", "clip")),
        node(2, "UNETLoader", "x/b.pt", properties=declared("b.pt", "unet/x")),
    )
    assert files(document) == [
        ("models/diffusion_models/x/b.pt", ("2",), True),
        ("models/text_encoders/a.pt", ("1",), True),
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"url": "file:///etc/passwd"},
        {"url": "https://a b"},
        {"hash": "12", "hash_type": "SHA256"},
        {"hash": DIGEST, "hash_type": "MD5"},
    ],
)
def test_an_unusable_url_or_digest_counts_as_none(more: dict[str, str]) -> None:
    (need,) = needs_of(ui(node(1, "VAELoader", "a.pt", properties=declared("a.pt", "vae", **more)))).models
    assert (need.url, need.sha256) == (None, None)


def test_the_package_of_a_custom_node_is_told() -> None:
    needs = needs_of(ui(
        node(1, "Mystery", properties={"cnr_id": "comfyui-mystery", "ver": "1.2.0"}),
        node(2, "Riddle", properties={"aux_id": "someone/riddles", "ver": "abc"}),
        node(3, "BrandNewCoreNode", properties={"cnr_id": "comfy-core"}),
        node(4, "KSampler", properties={"cnr_id": "comfyui-mystery"}),
    ))  # fmt: skip
    assert [(need.class_type, need.package, need.version) for need in needs.nodes] == [
        ("KSampler", "comfyui-mystery", None),
        ("Mystery", "comfyui-mystery", "1.2.0"),
        ("Riddle", "someone/riddles", "abc"),
    ]


def test_a_name_is_followed_through_a_reroute_to_a_primitive() -> None:
    document = ui(
        node(1, "PrimitiveNode", "a.pt", "fixed"),
        node(2, "Reroute", inputs=[{"name": "", "link": 1}]),
        node(3, "VAELoader", "old.pt", inputs=[widget("vae_name", 2)]),
        links=[[1, 1, 0, 2, 0, "COMBO"], [2, 2, 0, 3, 0, "COMBO"]],
    )
    assert names(document) == [("a.pt", True)]


LOADER = node(7, "VAELoader", "default.pt", inputs=[widget("vae_name", 5)])
PROMOTED = subgraph(
    LOADER, inputs=("image", "vae_name"), links=[{"id": 5, "origin_id": -10, "origin_slot": 1, "target_id": 7}]
)


def test_each_instance_of_a_subgraph_sets_its_own_file() -> None:
    document = ui(
        node(1, SUBGRAPH, "a.pt"),
        node(2, SUBGRAPH, "b.pt"),
        node(3, SUBGRAPH),
        node(4, SUBGRAPH, inputs=[widget("vae_name", 1)]),
        node(5, "PrimitiveString", "c.pt"),
        links=[[1, 5, 0, 4, 1, "COMBO"]],
        subgraphs=[PROMOTED],
    )
    assert files(document) == [
        ("models/vae/a.pt", ("1:7",), True),
        ("models/vae/b.pt", ("2:7",), True),
        ("models/vae/c.pt", ("4:7",), True),
        ("models/vae/default.pt", ("3:7",), True),
    ]


def test_a_proxied_widget_sets_the_inner_nodes() -> None:
    inner = subgraph(node(7, "VAELoader", "x.pt"), node(8, "VAELoader", "y.pt"))
    proxies = {"proxyWidgets": [["7", "vae_name"], ["8", "vae_name"]]}
    document = ui(node(1, SUBGRAPH, "a.pt", "b.pt", properties=proxies), subgraphs=[inner])
    assert files(document) == [("models/vae/a.pt", ("1:7",), True), ("models/vae/b.pt", ("1:8",), True)]


def test_values_are_passed_down_through_nested_subgraphs() -> None:
    outer = subgraph(
        node(4, INNER, "mid.pt", inputs=[widget("vae_name", 9)]),
        key=SUBGRAPH,
        inputs=("vae_name",),
        links=[{"id": 9, "origin_id": -10, "origin_slot": 0, "target_id": 4}],
    )
    outer["definitions"] = {"subgraphs": [PROMOTED | {"id": INNER}]}
    document = ui(node(1, SUBGRAPH, "top.pt"), subgraphs=[outer])
    assert files(document) == [("models/vae/top.pt", ("1:4:7",), True)]


def test_all_in_a_muted_subgraph_is_off_and_a_subgraph_without_instance_counts_nothing() -> None:
    assert names(ui(node(1, SUBGRAPH, mode=2), subgraphs=[PROMOTED])) == [("default.pt", False)]
    assert names(ui(node(1, "KSampler"), subgraphs=[PROMOTED])) == []


def test_group_nodes_of_older_files_are_walked() -> None:
    group = {"nodes": [{"id": -1, "type": "VAELoader", "widgets_values": ["a.pt"]}, {"id": -1, "type": "Mystery"}]}
    document = ui(node(1, "workflow>Mine")) | {"extra": {"groupNodes": {"Mine": group}}}
    needs = needs_of(document)
    assert [need.filename for need in needs.models] == ["a.pt"]
    assert [(need.class_type, need.node_ids) for need in needs.nodes] == [("Mystery", ("1:1",))]
