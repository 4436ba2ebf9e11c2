"""What the library refuses."""

from comfyfleet.core.errors import Conflict, Invalid, NotFound


class AssetNotFound(NotFound):
    """No such asset."""

    code = "asset_not_found"


class AssetAmbiguous(Conflict):
    """Several assets fit what was named."""

    code = "asset_ambiguous"


class AssetInUse(Conflict):
    """A bundle needs the asset."""

    code = "asset_in_use"


class AssetQuarantined(Conflict):
    """The asset's bytes are dangerous and nobody has released it."""

    code = "asset_quarantined"


class AssetNotQuarantined(Conflict):
    """There is nothing to release."""

    code = "asset_not_quarantined"


class AssetUploadNotFound(NotFound):
    """No such upload of an asset."""

    code = "asset_upload_not_found"


class AssetUploadOver(Conflict):
    """The upload takes no more parts."""

    code = "asset_upload_over"


class PartUnknown(Invalid):
    """The upload has no part of this number."""

    code = "part_unknown"


class DigestWrong(Invalid):
    """The bytes that came are not those of the digest that was announced."""

    code = "digest_wrong"


class BytesLost(NotFound):
    """The store no longer has what was uploaded."""

    code = "bytes_lost"
