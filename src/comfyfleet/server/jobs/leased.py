"""A leased job as the worker protocol hands it out."""

from collections.abc import Callable
from typing import Any

from comfyfleet.core.jobs import output_prefix
from comfyfleet.core.payloads import with_output_prefix
from comfyfleet.protocol.worker import FileAsset, InputPayload, LeasedJob
from comfyfleet.server.jobs.leases import output_key
from comfyfleet.server.models import Job
from comfyfleet.server.wiring import Wiring


def leased_job(wiring: Wiring, job: Job, lease_token: str, to_absolute: Callable[[str], str]) -> LeasedJob:
    """Return what a worker needs: the payload, and signed URLs for inputs and output."""
    seconds = wiring.settings.worker_url_seconds
    output = wiring.media.sign_put(output_key(job), expires_seconds=seconds, content_type=job.output_mime_type)
    assets = [_asset(wiring, file, seconds, to_absolute) for file in job.files]
    primary = next((asset for asset in assets if asset.is_primary_input), None)
    primary_type = next((file["content_type"] for file in job.files if file["is_primary_input"]), None)
    if job.lease_expires_at is None:
        raise ValueError(f"job {job.id} is not leased")
    return LeasedJob(
        dispatch_id=job.id,
        lease_token=lease_token,
        lease_expires_at=job.lease_expires_at,
        tenant_id=str(job.tenant_id),
        job_id=job.id,
        effect_id=job.effect_id,
        attempt=job.attempt,
        input_url=primary.download_url if primary else None,
        output_url=to_absolute(output.url),
        output_headers=output.headers,
        input_payload=InputPayload(
            workflow=with_output_prefix(job.graph, output_prefix(job.id, job.attempt)),
            output_node_id=job.output_node_id,
            output_extension=job.output_extension,
            output_mime_type=job.output_mime_type,
            input_path_placeholder=primary.placeholder if primary else None,
            input_name=primary.filename if primary else None,
            input_mime_type=primary_type,
            assets=assets,
        ),
    )


def _asset(wiring: Wiring, file: dict[str, Any], seconds: int, to_absolute: Callable[[str], str]) -> FileAsset:
    signed = wiring.media.sign_get(file["object_key"], expires_seconds=seconds)
    return FileAsset(
        key=file["key"],
        type=file["type"],
        placeholder=file["placeholder"],
        is_primary_input=file["is_primary_input"],
        download_url=to_absolute(signed.url),
        content_hash=None,
        filename=file["filename"],
        size=file["size"],
        max_seconds=file.get("max_seconds"),
    )
