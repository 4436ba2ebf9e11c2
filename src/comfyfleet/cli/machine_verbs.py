"""From the settings of a machine to the verbs of `comfyfleet.machine`, and back to what is printed."""

import threading
from dataclasses import asdict
from typing import Any
from uuid import UUID

from comfyfleet import names
from comfyfleet.cloud.local.source import DiskSource
from comfyfleet.cloud.ports import ObjectPlace, ObjectSource
from comfyfleet.core.bundles import Entry, Manifest
from comfyfleet.machine import apply as applying
from comfyfleet.machine.options import Options
from comfyfleet.machine.places import Places, places_of
from comfyfleet.machine.plan import Plan
from comfyfleet.machine.report import Report, size_text
from comfyfleet.machine.settings import MachineSettings, MachineSettingsInvalid
from comfyfleet.machine.state import alone, read_active_bundle, read_installed, read_record
from comfyfleet.machine.verify import Verification
from comfyfleet.machine.verify import verify as verify_installed

Told = tuple[dict[str, Any], list[str]]


def apply(
    settings: MachineSettings, first: tuple[str, ...], wait: float, report: Report, *, refresh: bool = False
) -> Told:
    """Apply the bundle that the settings name. `refresh` reads its manifest again though the bundle is here."""
    places, bundle_id = places_in(settings), _bundle_id(settings)
    source = _source(settings)
    with alone(places, wait_seconds=wait):
        # A bundle never changes, so the manifest of one that is here need not be asked for: that takes no network.
        manifest = (None if refresh else applying.recorded_manifest(places, bundle_id)) or _manifest(source, bundle_id)
        receipt = applying.apply(places, source, manifest, _options(settings, first), report)
    return asdict(receipt), []


def show_plan(settings: MachineSettings, first: tuple[str, ...]) -> Told:
    """Return what an apply would do."""
    places, source = places_in(settings), _source(settings)
    manifest = _manifest(source, _bundle_id(settings))
    _, plan = applying.plan_apply(places, source, manifest, _options(settings, first))
    return _plan_document(plan), _plan_lines(plan)


def verify(settings: MachineSettings, wait: float, report: Report) -> Verification:
    """Read what is installed again."""
    places = places_in(settings)
    with alone(places, wait_seconds=wait):
        return verify_installed(places, report)


def rollback(settings: MachineSettings, wait: float, report: Report) -> Told:
    """Go back to the bundle before."""
    places = places_in(settings)
    with alone(places, wait_seconds=wait):
        # Nothing is read from a store: the source of an empty folder shows it if something were.
        receipt = applying.rollback(places, DiskSource(places.store), _options(settings, ()), report)
    return asdict(receipt), []


def status(settings: MachineSettings) -> Told:
    """Return which bundles are here."""
    places = places_in(settings)
    installed = read_installed(places)
    previous = read_record(places.previous)
    stored = [path.stat().st_size for path in places.objects.iterdir()] if places.objects.is_dir() else []
    document: dict[str, Any] = {
        "install_root": str(places.root),
        "content_store": str(places.store),
        "active_bundle": read_active_bundle(places),
        "is_complete": installed is not None and installed.is_complete,
        "name": installed.manifest.name if installed else None,
        "previous_bundle": previous.manifest.bundle_id if previous else None,
        "stored_files": len(stored),
        "stored_bytes": sum(stored),
    }
    width = max(len(name) for name in document)
    return document, [f"{name:{width}}  {'-' if value is None else value}" for name, value in document.items()]


def places_in(settings: MachineSettings) -> Places:
    """Return the places that the settings name."""
    return places_of(settings.install_root, settings.content_store)


def _source(settings: MachineSettings) -> ObjectSource:
    if settings.models_bucket is not None:
        return _LateS3Source(settings)
    if settings.models_folder is not None:
        return DiskSource(settings.models_folder)
    raise MachineSettingsInvalid(
        "Where bundles come from is not known.", hint="Set MODELS_BUCKET, or MODELS_FOLDER for a disk of this machine."
    )


class _LateS3Source:
    """S3, whose library is loaded and whose credentials are looked for when the first object is read."""

    def __init__(self, settings: MachineSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._source: ObjectSource | None = None

    def locate(self, key: str) -> ObjectPlace:
        """Return a signed URL of an object; see `ObjectSource`."""
        with self._lock:
            if self._source is None:
                from comfyfleet.cloud.aws.source import S3Source  # noqa: PLC0415 - takes a fifth of a second

                self._source = S3Source(
                    self._settings.models_bucket or "",
                    endpoint_url=self._settings.endpoint_url,
                    region=self._settings.aws_default_region,
                )
        return self._source.locate(key)


def _bundle_id(settings: MachineSettings) -> str:
    text = (settings.bundle_prefix or "").strip("/").removeprefix(names.BUNDLES_PREFIX)
    try:
        return str(UUID(text))
    except ValueError:
        raise MachineSettingsInvalid(
            f"{settings.bundle_prefix!r} is no bundle.", hint="Set BUNDLE_PREFIX to bundles/<bundle_id>."
        ) from None


def _manifest(source: ObjectSource, bundle_id: str) -> Manifest:
    return applying.load_manifest(source, names.manifest_key(bundle_id), bundle_id)


def _options(settings: MachineSettings, first: tuple[str, ...]) -> Options:
    return Options(
        first=first,
        connections=settings.fetch_connections,
        store_limit_bytes=settings.content_store_limit_bytes,
        comfyui_python=settings.comfyui_python,
        restart_command=settings.comfyui_restart_command,
    )


def _plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "bundle_id": plan.manifest.bundle_id,
        "fetch": [_entry(entry) for entry in plan.fetch],
        "adopt": [_entry(entry) for entry in plan.adopt],
        "unpack": [_entry(entry) for entry in plan.unpack],
        "place": [_entry(entry) for entry in plan.place],
        "keep": [_entry(entry) for entry in plan.keep],
        "remove": list(plan.remove),
        "fetch_bytes": plan.fetch_bytes,
        "needed_bytes": plan.needed_bytes,
        "is_restart_needed": plan.is_restart_needed,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {"target_path": entry.target_path, "sha256": entry.sha256, "size": entry.size, "action": entry.action.value}


def _plan_lines(plan: Plan) -> list[str]:
    standing = {entry.target_path for entry in plan.adopt}
    lines = [
        f"{'check' if entry.target_path in standing else 'fetch':7} {entry.target_path}  {size_text(entry.size or 0)}"
        for entry in plan.fetch
    ]
    lines += [f"unpack  {entry.target_path}  {entry.original_filename}" for entry in plan.unpack]
    lines += [f"place   {entry.target_path}" for entry in plan.place if not entry.action.is_extract]
    lines += [f"remove  {path}" for path in plan.remove]
    lines.append(
        f"{len(plan.keep)} in place, {len(plan.fetch)} to fetch ({size_text(plan.fetch_bytes)}), "
        f"{len(plan.unpack)} to unpack, {len(plan.place)} to place, {len(plan.remove)} to remove"
        + ("; ComfyUI is started again" if plan.is_restart_needed else "")
    )
    return lines
