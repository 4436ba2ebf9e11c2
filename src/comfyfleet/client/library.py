"""The typed client of the library: assets, their uploads, and the audit."""

from collections.abc import Sequence
from urllib.parse import quote

from comfyfleet.client.api import ControlPlane
from comfyfleet.core.assets import AssetKind
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.library import (
    AssetPage,
    AssetPatch,
    AssetUploadView,
    AssetView,
    AuditEntryView,
    FinishedUpload,
    NewAssetImport,
    NewAssetUpload,
    SignedPart,
    WantedParts,
)


class LibraryPlane(ControlPlane):
    """A control plane's library. References are an id, a digest or its beginning, or a name."""

    def assets(
        self,
        *,
        text: str | None = None,
        kind: AssetKind | None = None,
        sort: str | None = None,
        unused: bool = False,
        quarantined: bool = False,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AssetPage:
        """Return a page of assets."""
        return self._get(
            AssetPage,
            "/api/assets",
            q=text,
            kind=kind,
            sort=sort,
            unused="true" if unused else None,
            quarantined="true" if quarantined else None,
            limit=limit,
            offset=offset,
        )

    def asset(self, reference: str) -> AssetView:
        """Return one asset."""
        return self._get(AssetView, f"/api/assets/{_part(reference)}")

    def update_asset(self, reference: str, patch: AssetPatch) -> AssetView:
        """Change what is said of an asset."""
        return self._send(AssetView, "PATCH", f"/api/assets/{_part(reference)}", patch)

    def delete_asset(self, reference: str) -> AssetView:
        """Delete an asset that no bundle needs."""
        return self._send(AssetView, "DELETE", f"/api/assets/{_part(reference)}")

    def release_asset(self, reference: str) -> AssetView:
        """Let a quarantined asset be used."""
        return self._send(AssetView, "POST", f"/api/assets/{_part(reference)}/release")

    def begin_upload(self, new: NewAssetUpload) -> AssetUploadView:
        """Begin an upload, or go on with an unfinished one of the same file."""
        return self._send(AssetUploadView, "POST", "/api/assets/uploads", new)

    def asset_upload(self, upload_id: str) -> AssetUploadView:
        """Return how far an upload is."""
        return self._get(AssetUploadView, f"/api/assets/uploads/{_part(upload_id)}")

    def sign_parts(self, upload_id: str, numbers: Sequence[int]) -> list[SignedPart]:
        """Return where parts are PUT to."""
        wanted = WantedParts(numbers=list(numbers))
        return self._send(list[SignedPart], "POST", f"/api/assets/uploads/{_part(upload_id)}/parts", wanted)

    def complete_upload(self, upload_id: str, sha256: str) -> AssetUploadView:
        """Say that all parts were sent."""
        finished = FinishedUpload(sha256=sha256)
        return self._send(AssetUploadView, "POST", f"/api/assets/uploads/{_part(upload_id)}/complete", finished)

    def abort_upload(self, upload_id: str) -> None:
        """Drop an unfinished upload and its parts."""
        self._call("DELETE", f"/api/assets/uploads/{_part(upload_id)}")

    def import_asset(self, new: NewAssetImport) -> AssetUploadView:
        """Let the control plane bring a file from a URL."""
        return self._send(AssetUploadView, "POST", "/api/assets/imports", new)

    def audit(
        self,
        text: str | None = None,
        *,
        subject: str | None = None,
        action: str | None = None,
        actor: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> Page[AuditEntryView]:
        """Return a page of acts, newest first; `action` is a beginning, and `text` is looked for in everything."""
        return self._get(
            Page[AuditEntryView],
            "/api/audit",
            q=text,
            subject=subject,
            action=action,
            actor=actor,
            before=before,
            limit=limit,
        )


def _part(reference: str) -> str:
    return quote(reference, safe="")
