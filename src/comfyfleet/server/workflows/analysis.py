"""What workflows need, and where the library or a bundle has it."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.analysis import Findings, KnownAsset, ModelFinding, Needs, Place, match_needs, needs_of, sought_by
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Entry
from comfyfleet.core.errors import NotFound
from comfyfleet.protocol.bundles import AnalysisView, BundleRef, NeededModel, NeededPackage, Where
from comfyfleet.server.models import Bundle, BundleEntry
from comfyfleet.server.workflows import repository

_WHERE: Final = {Place.IN_BUNDLE: Where.BUNDLE, Place.IN_LIBRARY: Where.LIBRARY, Place.MISSING: Where.MISSING}
_WORDS: Final = {
    Where.BUNDLE: "in the bundle",
    Where.LIBRARY: "in the library, not in the bundle",
    Where.QUARANTINED: "quarantined in the library",
    Where.MISSING: "missing",
    Where.UNKNOWN: "in a package that nobody names",
}


class FleetUnknown(NotFound):
    """The fleet whose bundle is to be looked at does not exist."""

    code = "fleet_unknown"


@dataclass(frozen=True)
class Library:
    """The assets that could meet some needs; those in quarantine meet none."""

    assets: tuple[KnownAsset, ...]
    quarantined: tuple[KnownAsset, ...]


@dataclass(frozen=True)
class Examination:
    """What one or several workflows need, each thing once."""

    models: list[NeededModel]
    packages: list[NeededPackage]

    def lacking(self, fine: Collection[Where]) -> list[str]:
        """Return a line for each thing that a node that runs needs, that is nowhere in `fine` and not unknown."""
        fine = {*fine, Where.UNKNOWN}
        models = [_model_line(model) for model in self.models if model.is_used and model.where not in fine]
        packages = [_package_line(item) for item in self.packages if item.is_used and item.where not in fine]
        return models + packages


async def analyze(session: AsyncSession, document: dict[str, Any], fleet: str | None) -> AnalysisView:
    """Say what one workflow needs and where that is; `fleet` (`stage/slug`) names whose active bundle is looked at.

    Raises:
        GraphInvalid: The document is no workflow.
        FleetUnknown: There is no such fleet.
    """
    bundle = await _active_bundle(session, fleet) if fleet else None
    bundled = [known(row) for row in bundle.entries] if bundle else []
    found = await examine(session, {"": document}, bundled if fleet else None)
    return AnalysisView(
        fleet=fleet,
        bundle=BundleRef(bundle_id=str(bundle.id), name=bundle.name, version=bundle.version) if bundle else None,
        models=[model.model_copy(update={"workflows": []}) for model in found.models],
        packages=[package.model_copy(update={"workflows": []}) for package in found.packages],
        lacking=found.lacking({Where.BUNDLE} if fleet else {Where.BUNDLE, Where.LIBRARY}),
    )


def known(entry: Entry | BundleEntry) -> KnownAsset:
    """Return an entry of a bundle as the rules of matching see it."""
    names = (entry.original_filename,)
    return KnownAsset(entry.asset_id, AssetKind(entry.kind), entry.sha256, names, target_path=entry.target_path)


async def examine(
    session: AsyncSession, documents: Mapping[str, Mapping[str, Any]], bundled: Sequence[KnownAsset] | None
) -> Examination:
    """Say what workflows, by name, need and where that is; raise `GraphInvalid` for one that is none."""
    # There may be hundreds of workflows with thousands of nodes, for which the event loop shall not wait.
    needs = await asyncio.to_thread(lambda: {name: needs_of(document) for name, document in documents.items()})
    return await asyncio.to_thread(_examine, needs, await _library(session, needs.values()), bundled)


async def _library(session: AsyncSession, needs: Iterable[Needs]) -> Library:
    rows = await repository.library(session, sought_by(needs))
    return Library(
        assets=tuple(asset for asset, is_quarantined in rows if not is_quarantined),
        quarantined=tuple(asset for asset, is_quarantined in rows if is_quarantined),
    )


def _examine(needs_by_name: Mapping[str, Needs], library: Library, bundled: Sequence[KnownAsset] | None) -> Examination:
    models: dict[tuple[str, str, str | None], NeededModel] = {}
    packages: dict[tuple[str | None, tuple[str, ...]], NeededPackage] = {}
    looked_at = library.assets if bundled is None else bundled
    has_unlisted = any(asset.kind is AssetKind.CUSTOM_NODE and not asset.nodes for asset in looked_at)
    for name, needs in needs_by_name.items():
        found = match_needs(needs, library.assets, bundled)
        barred = match_needs(needs, library.quarantined, None)
        for model in _models(found, barred):
            _merge(models.setdefault((model.folder, model.filename, model.sha256), model), model, name)
        for package in _packages(found, barred):
            if package.where is Where.MISSING and package.package is None and has_unlisted:
                package.where = Where.UNKNOWN
            _merge(packages.setdefault((package.package, tuple(package.class_types)), package), package, name)
    return Examination(list(models.values()), list(packages.values()))


async def _active_bundle(session: AsyncSession, fleet: str) -> Bundle | None:
    stage, _, slug = fleet.partition("/")
    found = await repository.fleet_and_bundle(session, stage, slug)
    if found is None:
        raise FleetUnknown(f"There is no fleet '{fleet}'.", hint="List them with `comfyfleet fleets list`.")
    return found[1]


def _merge(kept: NeededModel | NeededPackage, other: NeededModel | NeededPackage, workflow: str) -> None:
    kept.workflows.append(workflow)
    kept.is_used = kept.is_used or other.is_used
    if isinstance(kept, NeededModel) and isinstance(other, NeededModel):
        kept.url = kept.url or other.url


def _models(found: Findings, barred: Findings) -> Iterable[NeededModel]:
    for finding, other in zip(found.models, barred.models, strict=True):
        need = finding.need
        is_barred = finding.place is Place.MISSING and other.place is not Place.MISSING
        yield NeededModel(
            filename=need.filename,
            folder=need.folder,
            kind=need.kind,
            url=need.url,
            sha256=need.sha256,
            node_ids=list(need.node_ids),
            is_used=need.is_used,
            where=Where.QUARANTINED if is_barred else _WHERE[finding.place],
            asset_id=other.library_asset_id if is_barred else finding.library_asset_id,
            target_path=need.target_path,
            note=_note(finding),
        )


def _packages(found: Findings, barred: Findings) -> Iterable[NeededPackage]:
    for finding, other in zip(found.packages, barred.packages, strict=True):
        is_barred = finding.place is Place.MISSING and other.place is not Place.MISSING
        yield NeededPackage(
            package=finding.package,
            version=finding.version,
            class_types=list(finding.class_types),
            is_used=finding.is_used,
            where=Where.QUARANTINED if is_barred else _WHERE[finding.place],
            asset_ids=list((other if is_barred else finding).library_asset_ids),
        )


def _note(finding: ModelFinding) -> str | None:
    if finding.bundle_path is not None:
        return f"the bundle has it at {finding.bundle_path}, where ComfyUI does not look for it"
    if finding.is_other_content:
        return "the name fits, but the workflow declares another digest"
    if finding.same_name_ids and finding.place is Place.MISSING:
        return f"assets of another kind have that name: {', '.join(map(str, finding.same_name_ids))}"
    return None


def _model_line(model: NeededModel) -> str:
    source = f", from {model.url}" if model.url and model.where is Where.MISSING else ""
    note = f" ({model.note})" if model.note else ""
    return f"{model.folder or model.kind}/{model.filename}: {_words(model)}{source}{note}"


def _package_line(package: NeededPackage) -> str:
    classes = ", ".join(package.class_types[:5])
    return f"custom nodes {package.package or 'of an unknown package'} ({classes}): {_words(package)}"


def _words(item: NeededModel | NeededPackage) -> str:
    return _WORDS[item.where]
