"""Wire models of bundles, of what workflows need, and of a fleet's coverage."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Action
from comfyfleet.protocol.api import NO_NUL, Slug, Strict

Reference = Annotated[str, Field(min_length=1, max_length=1000)]
BundleName = Annotated[str, Field(max_length=100, pattern=r"^\w[^/\\@?#\x00-\x1f\x7f]*$")]
"""A bundle's name stands in addresses and before `@version`."""


class NewEntry(Strict):
    """An asset for a bundle, by id, digest (or its beginning) or name; the defaults follow from the asset."""

    asset: Reference
    target_path: str | None = Field(default=None, max_length=1024)
    action: Action | None = None


class NewBundle(Strict):
    """A bundle to write. With `previous` it is the next version of that one: its entries, changed as said here.

    `for_workflows` (slugs) and `documents` (workflows as JSON) add what these workflows need and the rest lacks.
    `accept_missing` goes on though the library lacks something that they need.
    """

    name: BundleName | None = None
    notes: str | None = Field(default=None, max_length=5000, pattern=NO_NUL)
    entries: list[NewEntry] = Field(default_factory=list, max_length=10_000)
    for_workflows: list[Slug] = Field(default_factory=list, max_length=200)
    documents: dict[str, dict[str, Any]] = Field(default_factory=dict, max_length=50)
    previous: Reference | None = None
    remove: list[Reference] = Field(default_factory=list, max_length=10_000)
    requirements_lock: str | None = Field(default=None, max_length=1_000_000, pattern=NO_NUL)
    accept_missing: bool = False


class BundleRef(BaseModel):
    """Which bundle is meant."""

    bundle_id: str
    name: str
    version: int


class EntryView(BaseModel):
    """One asset of a bundle."""

    asset_id: int | None
    kind: AssetKind
    sha256: str
    size: int | None
    original_filename: str
    target_path: str
    action: Action


class BundleSummary(BundleRef):
    """A bundle without its entries. `active_in` names fleets as `stage/slug`; bytes count each digest once."""

    notes: str | None
    prefix: str
    manifest_sha256: str
    total_bytes: int
    entry_count: int
    active_in: list[str] = Field(default_factory=list)
    previous_id: str | None
    created_by: str
    created_at: datetime


class BundleView(BundleSummary):
    """A bundle."""

    entries: list[EntryView]
    requirements_lock: str | None = None


class BundlePlan(BaseModel):
    """What a bundle would be: bytes count each digest once; `bytes_to_fetch` are those that `previous` lacks."""

    name: str
    version: int
    previous: BundleRef | None
    entries: list[EntryView]
    total_bytes: int
    bytes_to_fetch: int


class BundlePage(BaseModel):
    """A page of bundles, newest first; `total` counts all."""

    items: list[BundleSummary]
    total: int


class ManifestView(BaseModel):
    """A bundle's manifest: `content` is the text whose UTF-8 has the digest `sha256`."""

    bundle_id: str
    key: str
    sha256: str
    content: str


class MovedEntry(BaseModel):
    """The same bytes under another path, or handled by another action."""

    before: EntryView
    after: EntryView


class DifferenceView(BaseModel):
    """What changes from one bundle to another. `bytes_to_fetch` counts digests that the first one lacks, once each."""

    before: BundleRef
    after: BundleRef
    added: list[EntryView]
    removed: list[EntryView]
    moved: list[MovedEntry]
    kept: int
    bytes_to_fetch: int


class GcRequest(Strict):
    """A clearing up of manifests that no bundle has; with `older_than_days` it also lists bundles never used."""

    dry_run: bool = True
    older_than_days: int | None = Field(default=None, ge=0, le=10_000)


class GcView(BaseModel):
    """What a clearing up removed, or with `dry_run` would remove. `unused` bundles are listed only."""

    dry_run: bool
    manifests: list[str]
    unused: list[BundleSummary]


class Where(StrEnum):
    """Where something that a workflow needs is found.

    `unknown` is a custom node whose package the workflow does not name, while there are packages whose nodes nobody
    has listed: it may be in one of them, so it never counts as lacking.
    """

    BUNDLE = "bundle"
    LIBRARY = "library"
    QUARANTINED = "quarantined"
    MISSING = "missing"
    UNKNOWN = "unknown"


class NeededModel(BaseModel):
    """A model file that workflows need under exactly this name; `url` and `sha256` as far as a workflow names them.

    `folder` is empty where nothing tells it. What no node that runs uses (`is_used` is false) never counts as lacking.
    `target_path` is where ComfyUI looks for it; `note` says what is near but not right.
    """

    filename: str
    folder: str
    kind: AssetKind
    url: str | None
    sha256: str | None
    node_ids: list[str]
    workflows: list[str] = Field(default_factory=list)
    is_used: bool = True
    where: Where
    asset_id: int | None = None
    target_path: str | None = None
    note: str | None = None


class NeededPackage(BaseModel):
    """Custom nodes of one package; `package` is null for a class whose package the workflow does not name."""

    package: str | None
    version: str | None
    class_types: list[str]
    workflows: list[str] = Field(default_factory=list)
    is_used: bool = True
    where: Where
    asset_ids: list[int] = Field(default_factory=list)


class AnalysisRequest(Strict):
    """A workflow in API or UI format, and a fleet (`stage/slug`) whose bundle is looked at."""

    document: dict[str, Any]
    fleet: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,64}/[a-z0-9-]{1,64}$")


class AnalysisView(BaseModel):
    """What a workflow needs and where that is; `bundle` is the fleet's active one.

    `lacking` has a line for each thing that the library lacks, or with a fleet for each that the fleet's bundle lacks.
    """

    fleet: str | None
    bundle: BundleRef | None
    models: list[NeededModel]
    packages: list[NeededPackage]
    lacking: list[str]


class CoverageView(BaseModel):
    """What a fleet's workflows need, and what of it a bundle has; `lacking` has a line for each thing it lacks."""

    fleet: str
    bundle: BundleRef | None
    workflows: list[str]
    models: list[NeededModel]
    packages: list[NeededPackage]
    lacking: list[str]


class NewActivation(Strict):
    """The bundle that a fleet is to point to, or none; `accept_missing` goes on though workflows lack something."""

    bundle: Reference | None
    accept_missing: bool = False


class PointerView(BaseModel):
    """Where a fleet points to now; `changed` tells whether it pointed elsewhere before."""

    fleet: str
    bundle: BundleRef | None
    prefix: str | None
    changed: bool
    accepted_missing: list[str]


class ActivationView(BaseModel):
    """One line of a fleet's history. `bundle` is `name@version`; both are null when the fleet was deactivated."""

    at: datetime
    by: str
    bundle_id: str | None
    bundle: str | None
    accepted_missing: list[str]
