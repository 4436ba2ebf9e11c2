"""The only file that spells external names: object keys, buckets, environment of others, machine paths.

Formats are fixed by the contract that other systems rely on; see `docs/reference/names.md`.
"""

import re
from enum import StrEnum
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
DEV_NODE_SCRIPT: Final = "/opt/comfyui/bin/dev-node.sh"
WORKER_SERVICE: Final = "comfyui-worker.service"
ASSET_SYNC_LOG: Final = "/var/log/comfyui-asset-sync.log"

WORKER_ENVIRONMENT: Final = "/opt/worker/env"
APPLY_PROGRAM: Final = "/opt/comfyui/bin/apply-bundle.sh"

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


def package_key(sha256: str) -> str:
    """Key in the models bucket of what a machine is provisioned with when an image is baked."""
    return f"machine/{sha256}.tar.gz"


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


DEFAULT_PREFIX: Final = "bp"
"""What the names of an installation's buckets, parameters and stacks begin with, unless it is told otherwise."""

NO_BUNDLE: Final = "none"
"""What a fleet's pointer holds while it points to no bundle."""

STACKS: Final = ("data", "compute", "gpu")


def stack_name(stage: str, stack: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Name of one of the `STACKS` of a stage."""
    return f"{prefix}-{stage}-{stack}"


def models_bucket(account: str, stage: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Bucket of assets, bundles and workflows."""
    return f"{prefix}-models-{account}-{stage}"


def media_bucket(account: str, stage: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Bucket of users' uploads and of jobs' outputs."""
    return f"{prefix}-media-{account}-{stage}"


def logs_bucket(account: str, stage: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Bucket of what applies and commands on machines said."""
    return f"{prefix}-logs-{account}-{stage}"


def sync_log_prefix(stage: str, instance_id: str) -> str:
    """Where the logs bucket keeps what applies and commands on a machine said."""
    return f"asset-sync/{stage}/{instance_id}"


def models_bucket_parameter(stage: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Parameter that holds the name of the models bucket."""
    return f"/{prefix}/{stage}/models/bucket"


def fleet_secret_parameter(stage: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Parameter that holds what a new worker shows to register."""
    return f"/{prefix}/{stage}/fleet-secret"


def app_key_parameter(stage: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Parameter that holds the control plane's signing key."""
    return f"/{prefix}/{stage}/app-key"


def active_bundle_parameter(stage: str, fleet_slug: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Parameter that holds `bundles/<bundle_id>`, or `none`."""
    return f"/{prefix}/{stage}/fleets/{fleet_slug}/active_bundle"


def image_parameter(stage: str, fleet_slug: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """Parameter that holds the id of a fleet's machine image."""
    return f"/{prefix}/ami/fleets/{stage}/{fleet_slug}"


def group_name(stage: str, fleet_slug: str) -> str:
    """Auto Scaling group of a fleet."""
    return f"asg-{stage}-{fleet_slug}"


def launch_template_name(stage: str, fleet_slug: str) -> str:
    """Launch template of a fleet."""
    return f"lt-{stage}-{fleet_slug}"


def queue_has_jobs_alarm(stage: str, fleet_slug: str) -> str:
    """Alarm that wakes a fleet."""
    return f"{stage}-{fleet_slug}-queue-has-jobs"


def queue_empty_alarm(stage: str, fleet_slug: str) -> str:
    """Alarm that leads to the scale-to-zero function."""
    return f"{stage}-{fleet_slug}-queue-empty"


TERMINATION_HOOK: Final = "drain"
"""Lifecycle hook of a fleet's group that waits until a machine has put back what is unfinished."""

FLEET_TAG: Final = "FleetSlug"
STAGE_TAG: Final = "Stage"
ROLE_TAG: Final = "Role"
"""Tags of machines and images; a role is one of the three below."""

FLEET_ROLE: Final = "fleet"
DEV_NODE_ROLE: Final = "dev-node"
BAKE_ROLE: Final = "bake"

OWNER_TAG: Final = "Owner"
BUNDLE_TAG: Final = "BundleId"
COMFYUI_TAG: Final = "ComfyUIVersion"
REVISION_TAG: Final = "GitRevision"
GATE_TAG: Final = "Gate"
LAUNCH_TAG: Final = "LaunchToken"
"""Further tags: who launched a dev node, what is in an image, the security group that was made for a machine, and what
finds a machine whose launch was cut off."""

COMFYUI_PORT: Final = 8188

BASE_IMAGE_PARAMETER: Final = (
    "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
)
"""AWS's own parameter of the image that fleets' images are made of.

https://docs.aws.amazon.com/dlami/latest/devguide/find-dlami-id.html
"""

METRICS_NAMESPACE: Final = "ComfyUI/Workers"
FLEET_DIMENSION: Final = "FleetSlug"


class Metric(StrEnum):
    """What the control plane tells CloudWatch of each fleet."""

    QUEUE_DEPTH = "QueueDepth"
    BACKLOG_PER_INSTANCE = "BacklogPerInstance"
    ACTIVE_WORKERS = "ActiveWorkers"
    AVAILABLE_CAPACITY = "AvailableCapacity"
    JOB_PROCESSING_P50 = "JobProcessingP50"
    ERROR_RATE = "ErrorRate"
    LEASE_EXPIRED_COUNT = "LeaseExpiredCount"
    SPOT_INTERRUPTION_COUNT = "SpotInterruptionCount"
    OLDEST_JOB_AGE = "OldestJobAge"
