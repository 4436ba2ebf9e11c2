"""Wire models of bundles, of what workflows need, and of a fleet's coverage."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Action
from comfyfleet.protocol.api import Name, Slug, Strict

Reference = Annotated[str, Field(min_length=1, max_length=1000)]


class NewEntry(Strict):
    """An asset for a bundle, by id, digest (or its beginning) or name; the defaults follow from the asset."""

    asset: Reference
    target_path: str | None = Field(default=None, max_length=1024)
    action: Action | None = None


class NewBundle(Strict):
    """A bundle to write. With `previous` it is the next version of that one: its entries, changed as said here."""

    name: Name | None = None
    notes: str | None = Field(default=None, max_length=5000)
    entries: list[NewEntry] = Field(default_factory=list, max_length=10_000)
    for_workflows: list[Slug] = Field(default_factory=list, max_length=200)
    previous: Reference | None = None
    remove: list[Reference] = Field(default_factory=list, max_length=10_000)
    requirements_lock: str | None = Field(default=None, max_length=1_000_000)


class EntryView(BaseModel):
    """One asset of a bundle."""

    asset_id: int | None
    kind: AssetKind
    sha256: str
    size: int | None
    original_filename: str
    target_path: str
    action: Action


class BundleView(BaseModel):
    """A bundle. `active_in` names fleets as `stage/slug`."""

    bundle_id: str
    name: str
    version: int
    notes: str | None
    prefix: str
    manifest_sha256: str
    total_bytes: int
    entries: list[EntryView]
    active_in: list[str] = Field(default_factory=list)
    previous_id: str | None
    created_by: str
    created_at: datetime


class MovedEntry(BaseModel):
    """The same bytes under another path."""

    before: EntryView
    after: EntryView


class DifferenceView(BaseModel):
    """What changes from one bundle to another."""

    added: list[EntryView]
    removed: list[EntryView]
    moved: list[MovedEntry]
    kept: int
    bytes_to_fetch: int


class AnalysisRequest(Strict):
    """A workflow in API or UI format, and a fleet (`stage/slug`) whose bundle is looked at."""

    document: dict[str, Any]
    fleet: str | None = Field(default=None, max_length=130)


class NewActivation(Strict):
    """The bundle that a fleet is to point to, or none; `accept_missing` goes on though workflows lack something."""

    bundle: Reference | None
    accept_missing: bool = False
