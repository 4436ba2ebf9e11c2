"""The manifest of a bundle as JSON, version 1: read from anyone, written canonically."""

import json
from typing import Any, Final
from uuid import UUID

from comfyfleet import names
from comfyfleet.core.assets import AssetKind, check_digest
from comfyfleet.core.bundles import MAX_ENTRIES, Action, Entry, Manifest, check_entries
from comfyfleet.core.errors import FleetError, Invalid
from comfyfleet.core.keys import check_key

MANIFEST_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 32 * 2**20


class ManifestInvalid(Invalid):
    """The JSON is no manifest that this version can apply."""

    code = "manifest_invalid"


def write_manifest(manifest: Manifest) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8. The same bundle always gives the same bytes."""
    document: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "bundle_id": manifest.bundle_id,
        "name": manifest.name,
        "created_at": manifest.created_at,
        "notes": manifest.notes,
        "assets": [_entry_document(entry) for entry in manifest.entries],
    }
    if manifest.requirements_lock is not None:
        document["requirements_lock"] = manifest.requirements_lock
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_manifest(content: bytes) -> Manifest:
    """Return the manifest that `content` is; keys that we do not know are ignored.

    Raises:
        ManifestInvalid: It is no JSON, of an unknown version, lacks something, or holds something impossible.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise ManifestInvalid(f"The manifest has {len(content):,} bytes.", hint="No bundle is that large.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"The manifest is no JSON: {error}.", hint=_HINT) from error
    return parse_manifest(document)


def parse_manifest(document: object) -> Manifest:
    """Return parsed JSON as a manifest; see `read_manifest`."""
    if not isinstance(document, dict):
        raise ManifestInvalid("The manifest is not a JSON object.", hint=_HINT)
    version = document.get("manifest_version")
    if version != MANIFEST_VERSION or isinstance(version, bool):
        raise ManifestInvalid(
            f"The manifest has the version {version!r}, and only {MANIFEST_VERSION} is known.",
            hint="Update comfyfleet.",
        )
    assets = document.get("assets")
    if not isinstance(assets, list) or len(assets) > MAX_ENTRIES:
        raise ManifestInvalid(f"The manifest has no list of at most {MAX_ENTRIES:,} assets.", hint=_HINT)
    entries = tuple(_entry(number, asset) for number, asset in enumerate(assets, start=1))
    check_entries(entries)
    return Manifest(
        bundle_id=_bundle_id(document),
        name=_text(document, "name", "the manifest", default=""),
        created_at=_text(document, "created_at", "the manifest", default=""),
        entries=entries,
        notes=_maybe_text(document, "notes", "the manifest"),
        requirements_lock=_maybe_text(document, "requirements_lock", "the manifest"),
    )


_HINT: Final = "Write the bundle again, or ask whoever wrote the manifest."


def _entry_document(entry: Entry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "asset_id": entry.asset_id,
        "kind": entry.kind.value,
        "sha256": entry.sha256,
        "asset_s3_key": entry.asset_s3_key,
        "original_filename": entry.original_filename,
        "target_path": entry.target_path,
        "action": entry.action.value,
    }
    if entry.size is not None:
        document["size"] = entry.size
    return document


def _entry(number: int, asset: object) -> Entry:
    where = f"asset {number}"
    if not isinstance(asset, dict):
        raise ManifestInvalid(f"In the manifest {where} is no JSON object.", hint=_HINT)
    try:
        sha256 = check_digest(_text(asset, "sha256", where).lower())
        kind = _kind(asset)
        target_path = _text(asset, "target_path", where).removesuffix("/")
        return Entry(
            asset_id=_number(asset, "asset_id", where),
            kind=kind,
            sha256=sha256,
            size=_number(asset, "size", where),
            asset_s3_key=check_key(_text(asset, "asset_s3_key", where, default=names.asset_key(kind, sha256))),
            original_filename=_text(asset, "original_filename", where, default=target_path.rsplit("/", 1)[-1]),
            target_path=target_path,
            action=_action(asset, where),
        )
    except ManifestInvalid:
        raise
    except FleetError as error:
        raise ManifestInvalid(f"In the manifest {where} is wrong: {error.message}", hint=error.hint) from error


def _bundle_id(document: dict[str, Any]) -> str:
    text = _text(document, "bundle_id", "the manifest")
    try:
        return str(UUID(text))
    except ValueError:
        raise ManifestInvalid(f"The bundle's id {text[:80]!r} is no UUID.", hint=_HINT) from None


def _kind(asset: dict[str, Any]) -> AssetKind:
    # A newer library may know more kinds; where a file goes stands in target_path, so such a kind does no harm.
    kind = asset.get("kind")
    return AssetKind(kind) if kind in set(AssetKind) else AssetKind.OTHER


def _action(asset: dict[str, Any], where: str) -> Action:
    text = _text(asset, "action", where, default=Action.COPY.value)
    if text not in set(Action):
        raise ManifestInvalid(
            f"In the manifest {where} has the unknown action '{text[:80]}'.", hint="Update comfyfleet."
        )
    return Action(text)


def _text(document: dict[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = document.get(key, default)
    if not isinstance(value, str):
        raise ManifestInvalid(f"In the manifest {where} has no text '{key}'.", hint=_HINT)
    return value


def _maybe_text(document: dict[str, Any], key: str, where: str) -> str | None:
    return None if document.get(key) is None else _text(document, key, where)


def _number(document: dict[str, Any], key: str, where: str) -> int | None:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ManifestInvalid(f"In the manifest {where} has a '{key}' that is no number from 0 on.", hint=_HINT)
    return value
