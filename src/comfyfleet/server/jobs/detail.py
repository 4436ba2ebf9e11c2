"""A job with everything that tells what happened to it, for operators."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.cloud.ports import SignedRequest
from comfyfleet.core.attempts import Moment, attempts_of
from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.protocol.api import JobEventView
from comfyfleet.protocol.jobs import AttemptView, JobDetail, JobFileView, JobNode, RetryView
from comfyfleet.server.jobs import repository, service
from comfyfleet.server.models import Job, JobEventRow
from comfyfleet.server.wiring import Wiring


async def detail(session: AsyncSession, wiring: Wiring, job: Job, to_absolute: Callable[[str], str]) -> JobDetail:
    """Return all that is known of a job; `to_absolute` makes URLs of this control plane's paths."""
    view = await service.view(session, wiring, job)
    place = await repository.place_of(session, job)
    timeline = await repository.timeline(session, job.id)
    retries = await repository.retries_of(session, job.id)
    return JobDetail(
        **{**view.model_dump(), "output_url": to_absolute(view.output_url) if view.output_url else None},
        tenant=place.tenant,
        tenant_name=place.tenant_name,
        fleet=place.fleet,
        worker_id=place.worker_id,
        workflow=job.effect.workflow.slug,
        workflow_name=job.effect.workflow.name,
        is_test=job.effect.is_test,
        provider_job_id=job.provider_job_id,
        output_node_id=job.output_node_id,
        output_metadata=job.output_metadata,
        files=[_file(wiring, file, to_absolute) for file in job.files],
        nodes=[_node(node_id, node) for node_id, node in job.graph.items()],
        error_inputs=job.graph.get(job.error_node_id, {}).get("inputs") if job.error_node_id else None,
        attempts=_attempts(timeline),
        timeline=[event_view(row) for row in timeline],
        retry_of=job.retry_of,
        retries=[RetryView(id=job.id, status=JobStatus(job.status), created_at=job.created_at) for job in retries],
    )


def event_view(row: JobEventRow) -> JobEventView:
    """Return one line of a timeline."""
    return JobEventView(at=row.at, event=JobEvent(row.event), attempt=row.attempt, detail=row.detail)


def signed_file(wiring: Wiring, file: dict[str, Any]) -> SignedRequest:
    """Sign the request for one of a job's files."""
    return wiring.media.sign_get(file["object_key"], expires_seconds=wiring.settings.download_url_seconds)


def _file(wiring: Wiring, file: dict[str, Any], to_absolute: Callable[[str], str]) -> JobFileView:
    return JobFileView(
        key=file["key"],
        type=file["type"],
        filename=file["filename"],
        content_type=file["content_type"],
        size=file["size"],
        is_primary_input=file["is_primary_input"],
        url=to_absolute(signed_file(wiring, file).url),
    )


def _node(node_id: str, node: dict[str, Any]) -> JobNode:
    class_type = str(node["class_type"])
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return JobNode(id=node_id, class_type=class_type, title=title if isinstance(title, str) else class_type)


def _attempts(timeline: list[JobEventRow]) -> list[AttemptView]:
    moments = [Moment(row.at, JobEvent(row.event), row.attempt, row.detail) for row in timeline]
    return [AttemptView.model_validate(attempt, from_attributes=True) for attempt in attempts_of(moments)]
