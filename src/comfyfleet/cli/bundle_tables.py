"""How bundles, differences and needs are shown to a person."""

from collections.abc import Iterable, Iterator
from typing import Final

import typer

from comfyfleet.cli.output import print_record, print_table, say
from comfyfleet.core.wording import size_text
from comfyfleet.protocol.bundles import (
    BundlePlan,
    BundleRef,
    BundleSummary,
    BundleView,
    DifferenceView,
    EntryView,
    NeededModel,
    NeededPackage,
    Where,
)

_UNUSED: Final = "no node that runs uses it"


def name_of(bundle: BundleRef | None) -> str:
    """Return `name@version`, or that there is none."""
    return "none" if bundle is None else f"{bundle.name}@{bundle.version}"


def show_list(bundles: Iterable[BundleSummary], *, empty: str) -> None:
    """Print a line for each bundle."""
    rows = [
        (name_of(item), item.bundle_id, item.entry_count, size_text(item.total_bytes), _fleets(item), item.created_at)
        for item in bundles
    ]
    print_table(("BUNDLE", "ID", "ASSETS", "SIZE", "ACTIVE IN", "CREATED"), rows, empty=empty)


def show_bundle(bundle: BundleView) -> None:
    """Print a bundle and its assets."""
    print_record(
        [
            ("bundle", name_of(bundle)),
            ("id", bundle.bundle_id),
            ("prefix", bundle.prefix),
            ("notes", bundle.notes),
            ("size", f"{size_text(bundle.total_bytes)} in {bundle.entry_count} assets"),
            ("manifest", f"sha256 {bundle.manifest_sha256}"),
            ("active in", _fleets(bundle)),
            ("version before", bundle.previous_id),
            ("created", bundle.created_at),
            ("by", bundle.created_by),
        ]
    )
    typer.echo()
    _show_entries(bundle.entries)


def show_plan(plan: BundlePlan) -> None:
    """Print what a bundle would be."""
    print_record(
        [
            ("would be", f"{plan.name}@{plan.version}"),
            ("after", name_of(plan.previous) if plan.previous else None),
            ("size", f"{size_text(plan.total_bytes)} in {len(plan.entries)} assets"),
            ("machines would fetch", size_text(plan.bytes_to_fetch)),
        ]
    )
    typer.echo()
    _show_entries(plan.entries)


def _show_entries(entries: list[EntryView]) -> None:
    rows = [
        (entry.target_path, entry.action, entry.kind, size_text(entry.size), entry.asset_id, entry.sha256[:12])
        for entry in entries
    ]
    print_table(("TARGET", "ACTION", "KIND", "SIZE", "ASSET", "DIGEST"), rows, empty="It has no assets.")


def show_difference(difference: DifferenceView) -> None:
    """Print what changes, one line a change."""
    print_table(("", "TARGET", "SIZE", "DIGEST"), _changes(difference), empty="Nothing changes.")
    say(
        f"{len(difference.added)} added, {len(difference.removed)} removed, {len(difference.moved)} moved, "
        f"{difference.kept} kept; {size_text(difference.bytes_to_fetch)} to fetch."
    )


def show_needs(models: list[NeededModel], packages: list[NeededPackage]) -> None:
    """Print each model file and each package of custom nodes, and where it is."""
    rows = [(item.filename, item.folder or "?", item.kind, item.where, _detail(item)) for item in models]
    print_table(("MODEL", "FOLDER", "KIND", "WHERE", "WHICH, OR FROM WHERE"), rows, empty="No model files are needed.")
    if packages:
        typer.echo()
        lines = [(_package(item), " ".join(item.class_types), item.where, _assets(item)) for item in packages]
        print_table(("PACKAGE", "CUSTOM NODES", "WHERE", "WHICH"), lines, empty="")


def _fleets(bundle: BundleSummary) -> str:
    return " ".join(bundle.active_in) or "-"


def _changes(difference: DifferenceView) -> Iterator[tuple[object, ...]]:
    for sign, entries in (("+", difference.added), ("-", difference.removed)):
        yield from (_change(sign, entry, entry.target_path) for entry in entries)
    for move in difference.moved:
        yield _change("→", move.after, f"{move.before.target_path} → {move.after.target_path}")


def _change(sign: str, entry: EntryView, path: str) -> tuple[object, ...]:
    return sign, path, size_text(entry.size), entry.sha256[:12]


def _detail(model: NeededModel) -> str:
    known = f"asset {model.asset_id}" if model.asset_id is not None else ""
    source = model.url or "no URL is known" if model.where is Where.MISSING else ""
    unused = "" if model.is_used else _UNUSED
    return "; ".join(part for part in (known, source, model.note or "", unused) if part)


def _package(package: NeededPackage) -> str:
    return " ".join(part for part in (package.package, package.version) if part) or "unknown"


def _assets(package: NeededPackage) -> str:
    known = " ".join(f"asset {asset_id}" for asset_id in package.asset_ids)
    return "; ".join(part for part in (known, "" if package.is_used else _UNUSED) if part)
