"""The only file that spells external names: object keys, buckets, environment of others, machine paths.

Formats are fixed by the contract that other systems rely on; see `docs/reference/names.md`.
"""

import re
from typing import Final

LOCAL_STAGE: Final = "local"
DEFAULT_FLEET: Final = "gpu-default"

SECRET_PLACEHOLDER: Final = "CHANGE_ME_AFTER_DEPLOY"
"""What a deployed template holds until an operator sets a secret; refused as a secret."""

FLEET_SECRET_HEADER: Final = "X-Fleet-Secret"
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
SESSION_COOKIE: Final = "comfyfleet_session"

MODELS_DISK: Final = "comfyui_models"
MEDIA_DISK: Final = "media"
LOGS_DISK: Final = "comfyui_logs"

INSTALL_ROOT: Final = "/opt/comfyui"
"""ComfyUI on a GPU machine, and all that bundles install."""

BAKED_BUNDLE_FILE: Final = ".baked_bundle_id"
ACTIVE_BUNDLE_FILE: Final = ".active_bundle_id"
INSTALLED_PATHS_FILE: Final = ".installed_bundle_paths"
"""Files below the install root: the bundle of the image, the one applied last, and the paths that it installed."""

COMFYUI_SERVICE: Final = "comfyui.service"
WORKER_SERVICE: Final = "comfyui-worker.service"
ASSET_SYNC_LOG: Final = "/var/log/comfyui-asset-sync.log"

COMFYUI_DEFAULT_URL: Final = "http://127.0.0.1:8188"

_EXTENSION: Final = re.compile(r"[A-Za-z0-9]{1,10}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def safe_filename(filename: str) -> str:
    """Return `filename` as one harmless path segment of at most 120 characters, its extension kept."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, extension = name.rpartition(".")
    if not dot or not _EXTENSION.fullmatch(extension):
        stem, extension = name, ""
    suffix = f".{extension}" if extension else ""
    return f"{_UNSAFE.sub('-', stem).strip('.-')[: 120 - len(suffix)] or 'file'}{suffix}"


def workflow_key(slug: str, sha256: str) -> str:
    """Key of a workflow's API JSON in the models bucket."""
    return f"workflows/{slug}/{sha256}.json"


def asset_key(kind: str, sha256: str) -> str:
    """Key of an asset in the models bucket."""
    return f"assets/{kind}/{sha256}"


def incoming_key(upload_id: str) -> str:
    """Key under which an asset's bytes wait in the models bucket until they are verified."""
    return f"incoming/{upload_id}"


BUNDLES_PREFIX: Final = "bundles/"


def bundle_prefix(bundle_id: str) -> str:
    """What a fleet points to: `bundles/<bundle_id>`."""
    return f"{BUNDLES_PREFIX}{bundle_id}"


def manifest_key(bundle_id: str) -> str:
    """Key of a bundle's manifest in the models bucket."""
    return f"{bundle_prefix(bundle_id)}/manifest.json"


def preview_key(effect_slug: str, sha256: str) -> str:
    """Key of an effect's preview in the media bucket."""
    return f"previews/{effect_slug}/{sha256}"


def upload_key(tenant_id: str, upload_id: str, filename: str) -> str:
    """Key of a job's input in the media bucket."""
    return f"tenants/{tenant_id}/uploads/{upload_id}/{safe_filename(filename)}"


def output_key(tenant_id: str, job_id: int, filename: str) -> str:
    """Key of a job's output in the media bucket."""
    return f"tenants/{tenant_id}/ai-jobs/{job_id}/{safe_filename(filename)}"
