"""Bundles as the wire and as the rules see them."""

from datetime import UTC, datetime

from comfyfleet import names
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Action, Difference, Entry, Manifest
from comfyfleet.protocol import bundles as wire
from comfyfleet.server.models import Bundle, BundleEntry


def label(bundle: Bundle) -> str:
    """Return `name@version`."""
    return f"{bundle.name}@{bundle.version}"


def iso(at: datetime) -> str:
    """Return a time as a manifest has it: UTC, whole seconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def manifest_of(bundle: Bundle) -> Manifest:
    """Return a bundle, loaded with its entries, as the rules see it."""
    return Manifest(
        bundle_id=str(bundle.id),
        name=bundle.name,
        created_at=iso(bundle.created_at),
        entries=entries_of(bundle),
        notes=bundle.notes,
        requirements_lock=bundle.requirements_lock,
    )


def entries_of(bundle: Bundle) -> tuple[Entry, ...]:
    """Return the entries of a bundle that was loaded with them."""
    return tuple(_entry(row) for row in bundle.entries)


def reference(bundle: Bundle) -> wire.BundleRef:
    """Name a bundle."""
    return wire.BundleRef(bundle_id=str(bundle.id), name=bundle.name, version=bundle.version)


def summary(bundle: Bundle, active_in: list[str]) -> wire.BundleSummary:
    """Describe a bundle without its entries."""
    return wire.BundleSummary(
        **reference(bundle).model_dump(),
        notes=bundle.notes,
        prefix=names.bundle_prefix(str(bundle.id)),
        manifest_sha256=bundle.manifest_sha256,
        total_bytes=bundle.total_bytes,
        entry_count=bundle.entry_count,
        active_in=active_in,
        previous_id=str(bundle.previous_id) if bundle.previous_id else None,
        created_by=bundle.created_by,
        created_at=bundle.created_at,
    )


def whole(bundle: Bundle, active_in: list[str]) -> wire.BundleView:
    """Describe a bundle that was loaded with its entries."""
    return wire.BundleView(
        **summary(bundle, active_in).model_dump(),
        entries=[entry_view(entry) for entry in entries_of(bundle)],
        requirements_lock=bundle.requirements_lock,
    )


def difference(before: Bundle, after: Bundle, change: Difference) -> wire.DifferenceView:
    """Describe what changes from one bundle to another."""
    return wire.DifferenceView(
        before=reference(before),
        after=reference(after),
        added=[entry_view(entry) for entry in change.added],
        removed=[entry_view(entry) for entry in change.removed],
        moved=[wire.MovedEntry(before=entry_view(old), after=entry_view(new)) for old, new in change.moved],
        kept=len(change.kept),
        bytes_to_fetch=change.bytes_to_fetch,
    )


def entry_view(entry: Entry) -> wire.EntryView:
    """Describe one asset of a bundle."""
    return wire.EntryView(
        asset_id=entry.asset_id,
        kind=entry.kind,
        sha256=entry.sha256,
        size=entry.size,
        original_filename=entry.original_filename,
        target_path=entry.target_path,
        action=entry.action,
    )


def _entry(row: BundleEntry) -> Entry:
    return Entry(
        kind=AssetKind(row.kind),
        sha256=row.sha256,
        asset_s3_key=row.asset_s3_key,
        original_filename=row.original_filename,
        target_path=row.target_path,
        action=Action(row.action),
        size=row.size,
        asset_id=row.asset_id,
    )
