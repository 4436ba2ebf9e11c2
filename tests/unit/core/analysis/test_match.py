"""What the library and a bundle have of the needs."""

from tests.unit.core.analysis.documents import api, declared, node, ui

from comfyfleet.core.analysis import Basis, KnownAsset, ModelFinding, Place, match_needs, needs_of
from comfyfleet.core.analysis.match import package_name
from comfyfleet.core.assets import AssetKind

A, B = "a" * 64, "b" * 64
VAE = needs_of(api(a=("VAELoader", {"vae_name": "x/a.pt"})))
HASHED = needs_of(ui(node(1, "VAELoader", "a.pt", properties=declared("a.pt", "vae", hash=A, hash_type="SHA256"))))


def asset(
    asset_id: int, name: str, kind: AssetKind = AssetKind.VAE, sha256: str = B, target: str | None = None
) -> KnownAsset:
    return KnownAsset(asset_id, kind, sha256, (name,), target)


def model(needs: object, library: list[KnownAsset], bundled: list[KnownAsset] | None = None) -> ModelFinding:
    assert needs in (VAE, HASHED)
    (found,) = match_needs(VAE if needs is VAE else HASHED, library, bundled).models
    return found


def test_nothing_known_is_missing() -> None:
    found = model(VAE, [])
    assert (found.place, found.library_asset_id, found.basis) == (Place.MISSING, None, None)


def test_kind_and_name_find_the_newest_asset() -> None:
    found = model(VAE, [asset(1, "a.pt"), asset(3, "x/a.pt"), asset(2, "a.pt"), asset(9, "A.pt")])
    assert (found.place, found.library_asset_id, found.basis) == (Place.IN_LIBRARY, 3, Basis.NAME)


def test_the_digest_counts_before_name_and_kind() -> None:
    found = model(HASHED, [asset(5, "a.pt"), asset(1, "renamed.pt", AssetKind.OTHER, A)])
    assert (found.library_asset_id, found.basis, found.is_other_content) == (1, Basis.DIGEST, False)


def test_the_right_name_with_another_digest_is_found_and_said() -> None:
    found = model(HASHED, [asset(5, "a.pt")])
    assert (found.place, found.basis, found.is_other_content) == (Place.IN_LIBRARY, Basis.NAME, True)


def test_the_same_name_of_another_kind_is_missing_and_said() -> None:
    found = model(VAE, [asset(4, "a.pt", AssetKind.LORA)])
    assert (found.place, found.same_name_ids) == (Place.MISSING, (4,))


def test_a_bundle_must_have_the_file_where_comfyui_looks() -> None:
    found = model(VAE, [asset(4, "a.pt")], [asset(4, "a.pt", target="models/vae/x/a.pt")])
    assert (found.place, found.library_asset_id, found.bundle_path) == (Place.IN_BUNDLE, 4, None)
    astray = model(VAE, [asset(4, "a.pt")], [asset(4, "a.pt", target="models/vae/a.pt")])
    assert (astray.place, astray.bundle_path) == (Place.IN_LIBRARY, "models/vae/a.pt")


def test_a_renamed_asset_is_recognized_by_where_the_bundle_puts_it() -> None:
    assert model(VAE, [], [asset(4, "download(1).pt", target="models/vae/x/a.pt")]).place is Place.IN_BUNDLE


def test_the_older_folder_of_a_kind_is_as_good() -> None:
    needs = needs_of(api(a=("CLIPLoader", {"clip_name": "a.pt"})))
    bundled = [asset(1, "a.pt", AssetKind.TEXT_ENCODER, target="models/clip/a.pt")]
    assert match_needs(needs, [], bundled).models[0].place is Place.IN_BUNDLE


def test_an_embedding_is_found_without_its_extension() -> None:
    needs = needs_of(api(a=("CLIPTextEncode", {"text": "embedding:easy"})))
    stored = asset(1, "easy.safetensors", AssetKind.EMBEDDING)
    bundled = asset(1, "easy.safetensors", AssetKind.EMBEDDING, target="models/embeddings/easy.safetensors")
    assert match_needs(needs, [stored], None).models[0].place is Place.IN_LIBRARY
    assert match_needs(needs, [stored], [bundled]).models[0].place is Place.IN_BUNDLE


def test_what_is_lacking_counts_only_what_a_run_needs() -> None:
    needs = needs_of(ui(node(1, "VAELoader", "a.pt"), node(2, "VAELoader", "b.pt", mode=4), node(3, "Mystery")))
    models, packages = match_needs(needs, [], None).lacking(bundle=False)
    assert [found.need.filename for found in models] == ["a.pt"]
    assert [found.class_types for found in packages] == [("Mystery",)]
    findings = match_needs(needs, [asset(1, "a.pt")], [])
    assert findings.lacking(bundle=False)[0] == ()
    assert [found.need.filename for found in findings.lacking(bundle=True)[0]] == ["a.pt"]


def test_packages_are_found_by_name_or_by_the_classes_they_bring() -> None:
    needs = needs_of(ui(
        node(1, "M1", properties={"aux_id": "someone/ComfyUI-Mystery", "ver": "1.0"}),
        node(2, "M2", properties={"cnr_id": "comfyui_mystery"}),
        node(3, "Riddle"),
        node(4, "Lost"),
    ))  # fmt: skip
    library = [
        asset(1, "comfyui-mystery-1.2.3.tar.gz", AssetKind.CUSTOM_NODE),
        KnownAsset(2, AssetKind.CUSTOM_NODE, A, ("r.zip",), None, ("Riddle",)),
        asset(3, "lost.zip", AssetKind.OTHER),
    ]
    bundled = [asset(1, "x.zip", AssetKind.CUSTOM_NODE, target="custom_nodes/ComfyUI-Mystery")]
    found = {finding.class_types: finding for finding in match_needs(needs, library, bundled).packages}
    assert {classes: finding.place for classes, finding in found.items()} == {
        ("M1", "M2"): Place.IN_BUNDLE,
        ("Riddle",): Place.IN_LIBRARY,
        ("Lost",): Place.MISSING,
    }
    assert (found["M1", "M2"].library_asset_ids, found["M1", "M2"].version) == ((1,), "1.0")
    assert found[("Riddle",)].library_asset_ids == (2,)


def test_names_of_one_package_are_compared_as_one() -> None:
    names = (
        "ltdrdata/ComfyUI-Impact-Pack",
        "comfyui_impact_pack",
        "ComfyUI-Impact-Pack-8.2.tar.gz",
        "comfyui-impact-pack-main.zip",
        "custom_nodes/ComfyUI-Impact-Pack/",
        "ComfyUI-Impact-Pack.git",
    )
    assert {package_name(name) for name in names} == {"comfyui-impact-pack"}
    assert package_name("was-ns") != package_name("was-node-suite-comfyui")
