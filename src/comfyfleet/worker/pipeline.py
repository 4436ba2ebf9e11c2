"""One leased job: its inputs, the render, its output, and word to the control plane of how it ended."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.core.errors import FleetError
from comfyfleet.core.graphs import parse_graph
from comfyfleet.protocol.worker import (
    CompleteRequest,
    FailRequest,
    Lease,
    LeasedJob,
    OutputDescription,
    RequeueRequest,
)
from comfyfleet.worker.comfyui.render import Patience, Rendered, render
from comfyfleet.worker.delivery import deliver
from comfyfleet.worker.errors import (
    NOWHERE,
    AttemptFailed,
    ComfyUIUnreachable,
    LeaseLost,
    OutOfMemory,
    OutputRefused,
    RenderTimedOut,
    WorkerFaulty,
)
from comfyfleet.worker.heartbeat import Pulse, under_lease
from comfyfleet.worker.inputs import bring_inputs
from comfyfleet.worker.outcome.files import OutputFile, result_file
from comfyfleet.worker.outputs import send_output
from comfyfleet.worker.tools import Tools

log = logging.getLogger(__name__)

T = TypeVar("T")

STOP_REASON: Final = "The worker was told to stop."

_COMPLETE_PATIENCE_SECONDS: Final = 600.0
_FAIL_PATIENCE_SECONDS: Final = 60.0
_REQUEUE_PATIENCE_SECONDS: Final = 3.0
_LAST_WORD_SECONDS: Final = 3.0
_MOST_CHARACTERS: Final = 8000


async def run_job(tools: Tools, job: LeasedJob, pulse: Pulse) -> None:
    """Render one leased job and tell the control plane how it ended.

    When the task is cancelled, the job is put back untouched, unless its completion was already being told: then
    the control plane knows best, and what it did not hear of it puts back itself when the worker deregisters.
    What else goes wrong is told as a failure, and nothing but the cancellation is raised.
    """
    interval = tools.settings.heartbeat_interval_seconds
    log.info("job %d, attempt %d: leased", job.job_id, job.attempt)
    try:
        await under_lease(tools.api, _lease(job), pulse, interval, _produce(tools, job, pulse))
    except LeaseLost as lost:
        log.warning("job %d: abandoned, the lease has ended: %s", job.job_id, lost.message)
    except FleetError as error:
        await _recover(tools, error)
        await _fail(tools, job, error)
    except asyncio.CancelledError:
        if pulse.is_delivering:
            log.info("job %d: stopped after its completion was sent", job.job_id)
        else:
            await put_back(tools, job, pulse.stop_reason or STOP_REASON)
        raise
    except Exception:
        log.exception("job %d: an error in the worker's own code", job.job_id)
        await _fail(tools, job, WorkerFaulty("The worker has an error of its own; its log holds the details."))
    else:
        log.info("job %d: completed", job.job_id)


async def _produce(tools: Tools, job: LeasedJob, pulse: Pulse) -> None:
    started_at = time.monotonic()
    payload = job.input_payload
    node_type = parse_graph(payload.workflow).get(payload.output_node_id, {}).get("class_type")
    with tempfile.TemporaryDirectory(dir=tools.settings.work_directory, prefix=f"job-{job.job_id}-") as folder:
        graph = await bring_inputs(tools.storage, tools.comfyui, job, Path(folder))
    rendered = await _render(tools, job, graph, pulse)
    file = result_file(rendered.entry, payload.output_node_id, payload.output_extension, node_type)
    size = await send_output(tools.storage, tools.comfyui, file, job)
    pulse.is_delivering = True
    await _complete(tools, job, rendered, _description(job, file, size, time.monotonic() - started_at))


async def _render(tools: Tools, job: LeasedJob, graph: dict[str, Any], pulse: Pulse) -> Rendered:
    prompt_id = str(uuid4())
    log.info("job %d: prompt %s", job.job_id, prompt_id)
    patience = Patience(render_seconds=tools.settings.render_timeout_seconds)
    return await render(tools.comfyui, graph, prompt_id, pulse.tell, owner=tools.owner, patience=patience)


def _description(job: LeasedJob, file: OutputFile, size: int, seconds: float) -> OutputDescription:
    return OutputDescription(
        size=size,
        mime_type=job.input_payload.output_mime_type,
        metadata={"filename": file.filename, "duration_seconds": round(seconds, 3)},
    )


async def _complete(tools: Tools, job: LeasedJob, rendered: Rendered, output: OutputDescription) -> None:
    request = CompleteRequest(**_lease(job).model_dump(), provider_job_id=rendered.prompt_id, output=output)
    telling = deliver(lambda: tools.api.complete(request), patience_seconds=_COMPLETE_PATIENCE_SECONDS)
    delivering = asyncio.create_task(telling)
    try:
        await asyncio.shield(delivering)
    except Refused as refused:
        raise OutputRefused(f"The control plane refused the result: {refused.message}") from refused
    except asyncio.CancelledError:
        # The output is in storage: a moment for the answer is better than rendering all of it again.
        await asyncio.wait({delivering}, timeout=_LAST_WORD_SECONDS)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        raise


async def _fail(tools: Tools, job: LeasedJob, error: FleetError) -> None:
    place = error.place if isinstance(error, AttemptFailed) else NOWHERE
    is_retryable = error.is_retryable if isinstance(error, AttemptFailed) else isinstance(error, Unreachable)
    log.warning("job %d: failed (%s%s): %s", job.job_id, error.code, ", retryable" if is_retryable else "", error)
    request = FailRequest(
        **_lease(job).model_dump(),
        error_message=str(error)[:_MOST_CHARACTERS],
        retryable=is_retryable,
        error_code=error.code,
        node_id=place.node_id,
        node_type=place.node_type,
        input_name=place.input_name,
    )
    await _tell(job, lambda: tools.api.fail(request), _FAIL_PATIENCE_SECONDS)


async def put_back(tools: Tools, job: LeasedJob, reason: str) -> None:
    """Put a job back untouched, so that another worker renders it; the attempt is not counted."""
    log.info("job %d: put back", job.job_id)
    request = RequeueRequest(**_lease(job).model_dump(), reason=reason)
    with suppress(TimeoutError):
        async with asyncio.timeout(_REQUEUE_PATIENCE_SECONDS):
            await _tell(job, lambda: tools.api.requeue(request), _REQUEUE_PATIENCE_SECONDS)


async def _tell(job: LeasedJob, call: Callable[[], Awaitable[T]], patience_seconds: float) -> None:
    try:
        await deliver(call, patience_seconds=patience_seconds)
    except (LeaseLost, Unreachable) as error:
        log.warning("job %d: the control plane did not hear how it ended: %s", job.job_id, error.message)
    except Refused as error:
        log.error("job %d: the control plane refused to hear how it ended: %s", job.job_id, error.message)  # noqa: TRY400


async def _recover(tools: Tools, error: FleetError) -> None:
    """Leave ComfyUI fit for the next job, as far as that can be done."""
    if isinstance(error, RenderTimedOut) and tools.process is not None:
        log.warning("ComfyUI hangs and is restarted")
        await tools.process.restart()
    elif isinstance(error, OutOfMemory):
        with suppress(ComfyUIUnreachable):
            await tools.comfyui.free()


def _lease(job: LeasedJob) -> Lease:
    return Lease(dispatch_id=job.dispatch_id, lease_token=job.lease_token)
