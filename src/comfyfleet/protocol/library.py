"""Wire models of the library: assets, and how their bytes come in."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from comfyfleet.core.assets import AssetKind
from comfyfleet.protocol.api import Strict

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Filename = Annotated[str, Field(min_length=1, max_length=1000)]
Notes = Annotated[str, Field(max_length=5000)]
License = Annotated[str, Field(max_length=200)]
SourceUrl = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s]+$")]

MAX_SIGNED_PARTS = 100


class UploadState(StrEnum):
    """The life of an asset's upload: bytes come, are verified, and become an asset, or are refused."""

    RECEIVING = "receiving"
    VERIFYING = "verifying"
    STORED = "stored"
    REFUSED = "refused"


class NewAssetUpload(Strict):
    """A file that is to become an asset. `head_sha256` is of its first MiB, or of all of it if it is smaller."""

    filename: Filename
    size: int = Field(ge=1, le=2**40)
    head_sha256: Sha256
    sha256: Sha256 | None = None
    kind: AssetKind | None = None
    notes: Notes = ""
    license: License = ""
    source_url: SourceUrl | None = None


class NewAssetImport(Strict):
    """A URL whose file is to become an asset."""

    url: SourceUrl
    filename: Filename | None = None
    sha256: Sha256 | None = None
    kind: AssetKind | None = None
    notes: Notes = ""
    license: License = ""


class WantedParts(Strict):
    """The numbers, from 1 on, of the parts that are sent next."""

    numbers: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(min_length=1, max_length=MAX_SIGNED_PARTS)


class SignedPart(BaseModel):
    """Where one part goes: a PUT of exactly `size` bytes with these headers."""

    number: int
    size: int
    url: str
    headers: dict[str, str]


class FinishedUpload(Strict):
    """All parts were sent; this is the digest of the whole file."""

    sha256: Sha256


class AssetPatch(Strict):
    """What of an asset may be changed; what is left out stays. An empty `source_url` removes it."""

    kind: AssetKind | None = None
    notes: Notes | None = None
    license: License | None = None
    source_url: Annotated[str, Field(max_length=2000, pattern=r"^(https?://[^\s]+)?$")] | None = None


class BundleUse(BaseModel):
    """A bundle that needs an asset."""

    bundle_id: str
    name: str
    version: int


class AssetView(BaseModel):
    """An asset. `filenames` are all names under which it was handed in, the newest last.

    `inspection` is what was found in the bytes: header, scan, or list of an archive.
    """

    id: int
    kind: AssetKind
    sha256: str
    size: int
    object_key: str
    filenames: list[str]
    notes: str
    license: str
    source_url: str | None
    inspection: dict[str, Any]
    is_quarantined: bool
    used_by: list[BundleUse] = Field(default_factory=list)
    created_by: str
    created_at: datetime


class AssetPage(BaseModel):
    """A page of assets; `total` and `bytes` count all that match."""

    items: list[AssetView]
    total: int
    bytes: int


class AssetUploadView(BaseModel):
    """How far an upload is. `may_be_known`: hash the whole file first and ask again, for the library may have it."""

    upload_id: str
    state: UploadState
    filename: str
    size: int
    part_size: int
    part_count: int
    received: list[int]
    received_bytes: int
    verified_bytes: int
    may_be_known: bool = False
    was_known: bool = False
    asset: AssetView | None = None
    problem: str | None = None


class AuditEntryView(BaseModel):
    """An act of an administrator."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
