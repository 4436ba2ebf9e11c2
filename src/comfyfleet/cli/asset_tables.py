"""Assets as a person reads them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from comfyfleet.cli.output import print_record, print_table
from comfyfleet.core.wording import size_text
from comfyfleet.protocol.library import AssetView

_SHOWN_DIGITS: Final = 12
_SHOWN_CHARACTERS: Final = 400


def show_assets(assets: Sequence[AssetView], *, empty: str) -> None:
    """Print a table of assets."""
    rows = [
        (
            asset.id,
            asset.kind,
            name_of(asset),
            size_text(asset.size),
            asset.sha256[:_SHOWN_DIGITS],
            "quarantined" if asset.is_quarantined else f"{len(asset.used_by)} bundles" if asset.used_by else "unused",
        )
        for asset in assets
    ]
    print_table(("ID", "KIND", "NAME", "SIZE", "DIGEST", "USE"), rows, empty=empty)


def show_asset(asset: AssetView) -> None:
    """Print all that is known of an asset."""
    print_record(
        [
            ("id", asset.id),
            ("name", name_of(asset)),
            *([("also", ", ".join(asset.filenames[:-1]))] if len(asset.filenames) > 1 else []),
            ("kind", asset.kind),
            ("size", f"{size_text(asset.size)} ({asset.size:,} bytes)"),
            ("sha256", asset.sha256),
            ("object", asset.object_key),
            ("notes", asset.notes or None),
            ("licence", asset.license or None),
            ("source", asset.source_url),
            ("quarantined", asset.is_quarantined),
            ("used by", ", ".join(f"{use.name}@{use.version}" for use in asset.used_by) or "no bundle"),
            ("added", f"{asset.created_at:%Y-%m-%d %H:%M} UTC by {asset.created_by}"),
            *_inspection_rows(asset.inspection),
        ]
    )


def name_of(asset: AssetView) -> str:
    """Return the name under which an asset was handed in last, or the beginning of its digest."""
    return asset.filenames[-1] if asset.filenames else asset.sha256[:_SHOWN_DIGITS]


def _inspection_rows(inspection: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in inspection.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _inspection_rows(value, f"{name} ")
        elif value not in (None, [], "", ()):
            yield name, _shortened(value)


def _shortened(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
