"""From what was asked for to the entries of a bundle."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.assets import FOLDER_OF, AssetKind
from comfyfleet.core.bundles import (
    Action,
    BundleInvalid,
    Entry,
    check_entries,
    check_target,
    default_action,
    default_target,
)
from comfyfleet.core.errors import Conflict
from comfyfleet.protocol.bundles import NeededModel, NewBundle, NewEntry, Where
from comfyfleet.server.assets import service as assets
from comfyfleet.server.assets.errors import AssetQuarantined
from comfyfleet.server.bundles import repository, views
from comfyfleet.server.bundles.finding import find, matching
from comfyfleet.server.models import Asset, Bundle
from comfyfleet.server.workflows import analysis
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.server.workflows.service import not_found


class NeedsMissing(Conflict):
    """The library lacks what a workflow needs."""

    code = "needs_missing"


@dataclass(frozen=True)
class Draft:
    """A bundle before it is written."""

    name: str
    entries: tuple[Entry, ...]
    notes: str | None
    requirements_lock: str | None
    previous_id: UUID | None


async def compose(session: AsyncSession, new: NewBundle) -> Draft:
    """Return the bundle that was asked for.

    Raises:
        BundleInvalid: It has no name, no assets, or contradicts itself.
        NeedsMissing: The library lacks what a workflow needs.
        AssetQuarantined: One of its assets is in quarantine.
    """
    previous = await find(session, new.previous) if new.previous else None
    name = _name(new, previous)
    entries = _kept(previous, new.remove)
    for wanted in new.entries:
        _add(entries, await _entry(session, wanted))
    for entry in await _needed(session, new, entries):
        _add(entries, entry)
    _check(entries)
    await _refuse_quarantined(session, entries)
    lock = new.requirements_lock or (previous.requirements_lock if previous else None)
    before = previous or await repository.by_name(session, name)
    return Draft(name, tuple(entries), new.notes, lock, before.id if before else None)


def _name(new: NewBundle, previous: Bundle | None) -> str:
    name = new.name or (previous.name if previous else None)
    if name is None:
        raise BundleInvalid("The bundle has no name.", hint="Give it a name, or make the next version of another.")
    if _is_id(name):
        raise BundleInvalid(f"'{name}' is an id, not a name.", hint="Choose a name that people understand.")
    if new.remove and previous is None:
        raise BundleInvalid("Only from a previous version can something be removed.", hint="Name it with --from.")
    return name


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _kept(previous: Bundle | None, remove: Sequence[str]) -> list[Entry]:
    entries = list(views.entries_of(previous)) if previous else []
    gone = [entry for reference in remove for entry in matching(entries, reference)]
    return [entry for entry in entries if entry not in gone]


def _add(entries: list[Entry], entry: Entry) -> None:
    """Add an entry, unless the same asset goes to the same place already."""
    same = (entry.sha256, entry.target_path, entry.action)
    if all((other.sha256, other.target_path, other.action) != same for other in entries):
        entries.append(entry)


async def _entry(session: AsyncSession, wanted: NewEntry) -> Entry:
    asset = await assets.find(session, wanted.asset)
    filename = wanted.asset if wanted.asset in filenames(asset) else None
    return entry_of(asset, filename=filename, target_path=wanted.target_path, action=wanted.action)


def entry_of(
    asset: Asset, *, filename: str | None = None, target_path: str | None = None, action: Action | None = None
) -> Entry:
    """Return an asset as an entry; what is not said follows from its kind and its newest name."""
    kind, name = AssetKind(asset.kind), filename or filenames(asset)[0]
    action = action or default_action(kind, name)
    return Entry(
        kind=kind,
        sha256=asset.sha256,
        asset_s3_key=asset.object_key,
        original_filename=name,
        target_path=check_target(target_path.rstrip("/")) if target_path else default_target(kind, name, action),
        action=action,
        size=asset.size,
        asset_id=asset.id,
    )


def filenames(asset: Asset) -> list[str]:
    """Return the names under which an asset was handed in, the newest one, which counts, first."""
    return [name.filename for name in reversed(asset.names)]


async def _needed(session: AsyncSession, new: NewBundle, entries: Sequence[Entry]) -> list[Entry]:
    """Return what the named workflows need beyond `entries`."""
    documents = {**await _graphs(session, new.for_workflows), **new.documents}
    if not documents:
        return []
    found = await analysis.examine(session, documents, [analysis.known(entry) for entry in entries])
    missing = found.lacking({Where.BUNDLE, Where.LIBRARY})
    if missing and not new.accept_missing:
        raise NeedsMissing(
            f"The library lacks what these workflows need: {'; '.join(missing)}.",
            hint="Add it (comfyfleet assets add FILE, or assets import URL), or go on without: --accept-missing.",
        )
    models = [model for model in found.models if model.is_used and model.where is Where.LIBRARY]
    packages = [item for item in found.packages if item.is_used and item.where is Where.LIBRARY]
    ids = {model.asset_id for model in models} | {item.asset_ids[0] for item in packages}
    by_id = await repository.assets_by_id(session, [asset_id for asset_id in ids if asset_id is not None])
    return [
        *(_model_entry(model, by_id) for model in models),
        *(entry_of(by_id[item.asset_ids[0]]) for item in packages),
    ]


async def _graphs(session: AsyncSession, slugs: Sequence[str]) -> dict[str, Any]:
    found = await workflows.by_slugs(session, list(slugs))
    for slug in slugs:
        if slug not in found:
            raise not_found(slug)
    return {slug: found[slug].graph for slug in slugs}


def _model_entry(model: NeededModel, by_id: Mapping[int, Asset]) -> Entry:
    """Put a model where ComfyUI finds it under the very name that the workflow uses, subfolders included."""
    asset = by_id[model.asset_id or 0]
    name = _spelled(asset, model.filename)
    target = model.target_path or f"{FOLDER_OF[AssetKind(asset.kind)]}/{model.filename}"
    suffix = "" if PurePosixPath(model.filename).suffix in _MODEL_SUFFIXES else PurePosixPath(name).suffix
    return entry_of(asset, filename=name, target_path=target + suffix, action=Action.COPY)


_MODEL_SUFFIXES = frozenset({".safetensors", ".pt", ".bin", ".ckpt", ".pth", ".gguf", ".sft", ".onnx"})


def _spelled(asset: Asset, filename: str) -> str:
    """Return that name of an asset by which a workflow found it, or its newest one."""
    base = filename.rsplit("/", 1)[-1]
    fitting = (name for name in filenames(asset) if name.replace("\\", "/").rsplit("/", 1)[-1].startswith(base))
    return next(fitting, filenames(asset)[0])


def _check(entries: Iterable[Entry]) -> None:
    entries = list(entries)
    if not entries:
        raise BundleInvalid("The bundle would have no assets.", hint="Name assets, or workflows that need some.")
    check_entries(entries)


async def _refuse_quarantined(session: AsyncSession, entries: Sequence[Entry]) -> None:
    ids = [entry.asset_id for entry in entries if entry.asset_id is not None]
    found = await repository.assets_by_id(session, ids)
    barred = [asset for asset in found.values() if assets.is_locked_away(asset)]
    if barred:
        names = ", ".join(f"{asset.id} ({filenames(asset)[0]})" for asset in barred[:10])
        raise AssetQuarantined(
            f"In quarantine: asset {names}.",
            hint="Look at it with `comfyfleet assets show`, and release it if you trust it, or leave it out.",
        )
