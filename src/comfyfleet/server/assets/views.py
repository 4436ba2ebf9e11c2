"""Assets and uploads as the wire shows them."""

from comfyfleet.core.assets import AssetKind
from comfyfleet.protocol import library
from comfyfleet.server.assets.service import is_locked_away
from comfyfleet.server.assets.uploads import Standing, parted_of
from comfyfleet.server.models import Asset, Bundle


def asset_view(asset: Asset, uses: list[Bundle] | None = None) -> library.AssetView:
    """Return an asset with the bundles that need it."""
    return library.AssetView(
        id=asset.id,
        kind=AssetKind(asset.kind),
        sha256=asset.sha256,
        size=asset.size,
        object_key=asset.object_key,
        filenames=[name.filename for name in asset.names],
        notes=asset.notes,
        license=asset.license,
        source_url=asset.source_url,
        inspection=asset.inspection,
        is_quarantined=is_locked_away(asset),
        used_by=[
            library.BundleUse(bundle_id=str(bundle.id), name=bundle.name, version=bundle.version)
            for bundle in uses or []
        ],
        created_by=asset.created_by,
        created_at=asset.created_at,
    )


def upload_view(standing: Standing) -> library.AssetUploadView:
    """Return how far an upload is."""
    upload = standing.upload
    state = library.UploadState(upload.state)
    was_sent = state in {library.UploadState.VERIFYING, library.UploadState.STORED} and upload.store_upload_id != ""
    return library.AssetUploadView(
        upload_id=str(upload.id),
        state=state,
        filename=upload.filename,
        size=upload.size,
        part_size=upload.part_size,
        part_count=parted_of(upload).part_count,
        received=sorted(standing.received),
        received_bytes=upload.size if was_sent else sum(standing.received.values()),
        verified_bytes=upload.verified_bytes,
        may_be_known=standing.may_be_known,
        was_known=state is library.UploadState.STORED and upload.store_upload_id == "",
        asset=asset_view(standing.asset) if standing.asset else None,
        problem=None if state is library.UploadState.VERIFYING else upload.problem,
    )
