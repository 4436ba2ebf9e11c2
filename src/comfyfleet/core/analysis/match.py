"""What of a workflow's needs the library and a bundle have."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from comfyfleet.core.analysis.folders import ALIASES
from comfyfleet.core.analysis.needs import ModelNeed, Needs, NodeNeed
from comfyfleet.core.assets import AssetKind, archive_suffix


class Place(StrEnum):
    """Where a need is met: the nearest place to the machine counts."""

    IN_BUNDLE = "in_bundle"
    IN_LIBRARY = "in_library"
    MISSING = "missing"


class Basis(StrEnum):
    """By what an asset was recognized."""

    DIGEST = "digest"
    NAME = "name"


@dataclass(frozen=True)
class KnownAsset:
    """An asset of the library, or an entry of a bundle, for which `target_path` is where the bundle puts it.

    `nodes` are the node classes that an asset of kind `custom_node` is known to bring, if any are known.
    """

    asset_id: int | None
    kind: AssetKind
    sha256: str
    filenames: tuple[str, ...]
    target_path: str | None = None
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFinding:
    """Where a model file is.

    `library_asset_id` is the newest asset that fits. `same_name_ids` are assets of that name but another kind, which
    ComfyUI would not find. `bundle_path` is where the bundle has the file when that is not where ComfyUI looks.
    `is_other_content` is true when the name fits but the workflow declares another digest.
    """

    need: ModelNeed
    place: Place
    library_asset_id: int | None
    basis: Basis | None
    same_name_ids: tuple[int, ...] = ()
    bundle_path: str | None = None
    is_other_content: bool = False


@dataclass(frozen=True)
class PackageFinding:
    """Where a package of custom nodes is; `package` is None for a class whose package the workflow does not name."""

    package: str | None
    version: str | None
    class_types: tuple[str, ...]
    is_used: bool
    place: Place
    library_asset_ids: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """All findings of one workflow."""

    models: tuple[ModelFinding, ...]
    packages: tuple[PackageFinding, ...]

    def lacking(self, *, bundle: bool) -> tuple[tuple[ModelFinding, ...], tuple[PackageFinding, ...]]:
        """Return what a run needs that the library lacks, or with `bundle` what the bundle lacks."""
        short = {Place.MISSING, Place.IN_LIBRARY} if bundle else {Place.MISSING}
        models = tuple(found for found in self.models if found.need.is_used and found.place in short)
        return models, tuple(found for found in self.packages if found.is_used and found.place in short)


@dataclass(frozen=True)
class Sought:
    """By what the assets are known that could meet some needs: digests, and names without folders.

    Packages of custom nodes are compared by looser rules: all assets of their kind must be looked at.
    """

    digests: frozenset[str]
    names: frozenset[str]


def sought_by(needs: Iterable[Needs]) -> Sought:
    """Return by what `match_needs` could find assets for any of these needs."""
    models = [model for one in needs for model in one.models]
    return Sought(
        digests=frozenset(model.sha256 for model in models if model.sha256),
        names=frozenset(name for model in models for name in _sought_names(model)),
    )


def match_needs(needs: Needs, library: Sequence[KnownAsset], bundled: Sequence[KnownAsset] | None) -> Findings:
    """Tell for each need where it is met.

    A model is recognized by its digest first, then by its kind and its name, in which case counts. In a bundle the
    target path must be where ComfyUI looks. Pass None for `bundled` when there is no bundle to look at.
    """
    in_library, in_bundle = _Shelf(library), _Shelf(bundled or ())
    return Findings(
        models=tuple(_model(need, in_library, in_bundle) for need in needs.models),
        packages=tuple(_package(group, in_library, in_bundle) for group in _packages(needs.nodes)),
    )


_EMBEDDING_SUFFIXES: Final = ("", ".safetensors", ".pt", ".bin")  # in the order in which ComfyUI tries them
_VERSION: Final = re.compile(r"[-_@](?:v?\d+(?:\.\d+)*|main|master|[0-9a-f]{7,40})$")


class _Shelf:
    """Assets, found by digest, by name and by the name of a package."""

    def __init__(self, assets: Iterable[KnownAsset]) -> None:
        self._digests: defaultdict[str, list[KnownAsset]] = defaultdict(list)
        self._names: defaultdict[str, list[KnownAsset]] = defaultdict(list)
        self._packages: defaultdict[str, list[KnownAsset]] = defaultdict(list)
        self._classes: defaultdict[str, list[KnownAsset]] = defaultdict(list)
        for asset in assets:
            self._digests[asset.sha256].append(asset)
            for name in {_base(name) for name in _names(asset)}:
                self._names[name].append(asset)
            if asset.kind is AssetKind.CUSTOM_NODE:
                self._add_package(asset)

    def by_digest(self, need: ModelNeed) -> list[KnownAsset]:
        return list(self._digests.get(need.sha256, ())) if need.sha256 else []

    def by_name(self, need: ModelNeed) -> list[KnownAsset]:
        """Return assets of that name, whatever their kind."""
        found = [asset for name in _sought_names(need) for asset in self._names.get(name, ())]
        return list(dict.fromkeys(found))

    def by_package(self, needs: Sequence[NodeNeed]) -> list[KnownAsset]:
        names = {package_name(need.package) for need in needs if need.package}
        found = [asset for name in names for asset in self._packages.get(name, ())]
        found += [asset for need in needs for asset in self._classes.get(need.class_type, ())]
        return list(dict.fromkeys(found))

    def _add_package(self, asset: KnownAsset) -> None:
        for name in {package_name(name) for name in _names(asset)}:
            self._packages[name].append(asset)
        for class_type in asset.nodes:
            self._classes[class_type].append(asset)


def package_name(name: str) -> str:
    """Return by what a package's name, `owner/repository`, folder and archive are compared.

    `ltdrdata/ComfyUI-Impact-Pack`, `comfyui_impact_pack` and `ComfyUI-Impact-Pack-8.2.tar.gz` are one.
    """
    base = _base(name.rstrip("/")).lower()
    base = base[: -len(archive_suffix(base) or "")] if archive_suffix(base) else base
    return _VERSION.sub("", base.removesuffix(".git")).replace("_", "-").replace(" ", "-")


def _sought_names(need: ModelNeed) -> list[str]:
    """Return the names that a file may have, without folders; an embedding's extension may be left out."""
    bare = not need.filename.endswith(_EMBEDDING_SUFFIXES[1:])
    suffixes = _EMBEDDING_SUFFIXES if bare and need.folder in {"embeddings", "vae_approx"} else ("",)
    return [_base(need.filename) + suffix for suffix in suffixes]


def _model(need: ModelNeed, library: _Shelf, bundle: _Shelf) -> ModelFinding:
    bundled = _fitting(need, bundle)
    stored = _fitting(need, library)
    best = next(iter(bundled or stored), None)
    stored_ids = sorted((asset.asset_id for asset in stored if asset.asset_id is not None), reverse=True)
    near = [asset for asset in library.by_name(need) if not _is_kind(need, asset)]
    elsewhere = [asset for asset in (*bundle.by_digest(need), *bundle.by_name(need)) if asset.target_path]
    return ModelFinding(
        need=need,
        place=Place.IN_BUNDLE if bundled else Place.IN_LIBRARY if stored else Place.MISSING,
        library_asset_id=stored_ids[0] if stored_ids else None,
        basis=None if best is None else Basis.DIGEST if best.sha256 == need.sha256 else Basis.NAME,
        same_name_ids=tuple(sorted(asset.asset_id for asset in near if asset.asset_id is not None)),
        bundle_path=elsewhere[0].target_path if elsewhere and not bundled else None,
        is_other_content=best is not None and need.sha256 is not None and best.sha256 != need.sha256,
    )


def _fitting(need: ModelNeed, shelf: _Shelf) -> list[KnownAsset]:
    """Return the assets that meet a need, by digest if any does, else by kind and name."""
    exact = [asset for asset in shelf.by_digest(need) if _is_in_place(need, asset)]
    return exact or [asset for asset in shelf.by_name(need) if _is_kind(need, asset) and _is_in_place(need, asset)]


def _is_kind(need: ModelNeed, asset: KnownAsset) -> bool:
    return not need.folder or asset.kind is need.kind


def _is_in_place(need: ModelNeed, asset: KnownAsset) -> bool:
    """Tell whether ComfyUI finds what a bundle installs; a library's assets have no place yet."""
    if asset.target_path is None:
        return True
    if not need.folder:
        return asset.target_path.endswith(f"/{need.filename}")
    folders = (need.folder, *(older for older, present in ALIASES.items() if present == need.folder))
    suffixes = _EMBEDDING_SUFFIXES if need.folder in {"embeddings", "vae_approx"} else ("",)
    return asset.target_path in {
        f"models/{folder}/{need.filename}{suffix}" for folder in folders for suffix in suffixes
    }


def _package(needs: Sequence[NodeNeed], library: _Shelf, bundle: _Shelf) -> PackageFinding:
    bundled, stored = bundle.by_package(needs), library.by_package(needs)
    return PackageFinding(
        package=needs[0].package,
        version=next((need.version for need in needs if need.version), None),
        class_types=tuple(need.class_type for need in needs),
        is_used=any(need.is_used for need in needs),
        place=Place.IN_BUNDLE if bundled else Place.IN_LIBRARY if stored else Place.MISSING,
        library_asset_ids=tuple(
            sorted((asset.asset_id for asset in stored if asset.asset_id is not None), reverse=True)
        ),
    )


def _packages(nodes: Sequence[NodeNeed]) -> Iterable[Sequence[NodeNeed]]:
    """Group the classes by package; each class without a package is a group of its own."""
    groups: Mapping[str, list[NodeNeed]] = defaultdict(list)
    for need in nodes:
        groups[package_name(need.package) if need.package else f"\0{need.class_type}"].append(need)
    return groups.values()


def _names(asset: KnownAsset) -> tuple[str, ...]:
    return (*asset.filenames, asset.target_path) if asset.target_path else asset.filenames


def _base(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
