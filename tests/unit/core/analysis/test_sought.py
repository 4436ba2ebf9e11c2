"""By what the assets are found that could meet the needs of workflows."""

from tests.unit.core.analysis.documents import api, declared, node, ui

from comfyfleet.core.analysis import KnownAsset, match_needs, needs_of, sought_by
from comfyfleet.core.analysis.match import Sought
from comfyfleet.core.assets import AssetKind

A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_names_are_sought_without_their_folders_and_digests_as_declared() -> None:
    vae = needs_of(api(a=("VAELoader", {"vae_name": "x/a.pt"})))
    hashed = needs_of(ui(node(1, "VAELoader", "b.pt", properties=declared("b.pt", "vae", hash=A, hash_type="SHA256"))))
    assert sought_by([vae, hashed]) == Sought(digests=frozenset({A}), names=frozenset({"a.pt", "b.pt"}))


def test_an_embedding_is_sought_with_every_extension_that_it_may_have() -> None:
    needs = needs_of(api(a=("CLIPTextEncode", {"text": "embedding:bad_hands", "clip": ["1", 0]})))
    assert sought_by([needs]).names == {
        "bad_hands",
        "bad_hands.safetensors",
        "bad_hands.pt",
        "bad_hands.bin",
    }


def test_nothing_is_sought_for_nothing() -> None:
    assert sought_by([]) == Sought(frozenset(), frozenset())


def test_what_is_not_sought_changes_no_finding() -> None:
    needs = needs_of(ui(node(1, "VAELoader", "a.pt", properties=declared("a.pt", "vae", hash=A, hash_type="SHA256"))))
    assets = [
        KnownAsset(1, AssetKind.VAE, B, ("old/a.pt",)),
        KnownAsset(2, AssetKind.VAE, A, ("renamed.pt",)),
        KnownAsset(3, AssetKind.LORA, C, ("a.pt",)),
        KnownAsset(4, AssetKind.VAE, C, ("A.pt", "b.pt")),
    ]
    sought = sought_by([needs])
    kept = [
        asset
        for asset in assets
        if asset.sha256 in sought.digests or {name.rsplit("/")[-1] for name in asset.filenames} & sought.names
    ]
    assert [asset.asset_id for asset in kept] == [1, 2, 3]
    assert match_needs(needs, kept, None) == match_needs(needs, assets, None)
