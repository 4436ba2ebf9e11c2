"""Where graph and declaration differ is said."""

from tests.unit.core.analysis.documents import declared, node, ui

from comfyfleet.core.analysis import DisagreementKind, disagreements_of


def kinds(*nodes: dict[str, object]) -> list[tuple[DisagreementKind, str]]:
    return [(found.kind, found.filename) for found in disagreements_of(ui(*nodes))]


def test_graph_and_declaration_that_agree_give_nothing() -> None:
    assert kinds(node(1, "VAELoader", "a.pt", properties=declared("a.pt", "vae", url="https://h/a.pt"))) == []


def test_a_file_of_another_name_is_neither_declared_nor_used() -> None:
    found = kinds(node(1, "VAELoader", "b.pt", properties=declared("a.pt", "vae")))
    assert found == [(DisagreementKind.NOT_USED, "a.pt"), (DisagreementKind.NOT_DECLARED, "b.pt")]


def test_a_declared_file_of_a_bypassed_node_is_switched_off() -> None:
    found = kinds(node(1, "VAELoader", "a.pt", properties=declared("a.pt", "vae"), mode=4))
    assert found == [(DisagreementKind.SWITCHED_OFF, "a.pt")]


def test_another_folder_and_another_subfolder_are_told() -> None:
    (found,) = disagreements_of(ui(node(1, "VAELoader", "a.pt", properties=declared("a.pt", "checkpoints"))))
    assert (found.kind, found.folder, found.node_ids) == (DisagreementKind.OTHER_FOLDER, "vae", ("1",))
    assert "declared for checkpoints, but looked for in vae" in found.detail
    subfolder = kinds(node(1, "VAELoader", "x/a.pt", properties=declared("a.pt", "vae")))
    assert subfolder == [(DisagreementKind.OTHER_NAME, "x/a.pt")]


def test_two_urls_and_two_digests_of_one_file_are_told() -> None:
    first = declared("a.pt", "vae", url="https://h/1", hash="a" * 64, hash_type="sha-256")
    second = declared("a.pt", "vae", url="https://h/2", hash="b" * 64, hash_type="sha256")
    found = kinds(node(1, "VAELoader", "a.pt", properties=first), node(2, "VAELoader", "a.pt", properties=second))
    assert [kind for kind, _ in found] == [DisagreementKind.SEVERAL_URLS, DisagreementKind.SEVERAL_DIGESTS]
