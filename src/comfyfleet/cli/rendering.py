"""One run of an effect from files on this disk to a file on this disk, for `run` and `demo`."""

import mimetypes
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import httpx

from comfyfleet.cli.errors import JobFailed, UsageProblem
from comfyfleet.cli.reporting import Reporter
from comfyfleet.cli.values import Inputs
from comfyfleet.client.api import ControlPlane
from comfyfleet.client.following import follow
from comfyfleet.client.uploads import upload
from comfyfleet.core.jobs import JobStatus
from comfyfleet.protocol.api import JobView, NewJob

_ANY_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True)
class Order:
    """What to run: an effect by slug, its inputs, and the key under which the server knows this submission."""

    effect: str
    inputs: Inputs
    idempotency_key: str


def submit_order(plane: ControlPlane, order: Order, reporter: Reporter) -> JobView:
    """Upload the inputs and submit the job."""
    values = dict(order.inputs.values)
    for key, path in order.inputs.files.items():
        values[key] = upload_file(plane, path, reporter)
    job = plane.submit(NewJob(effect=order.effect, values=values), order.idempotency_key)
    reporter.job(job)
    return job


def upload_file(plane: ControlPlane, path: Path, reporter: Reporter) -> str:
    """Upload a file and return the upload's id."""
    content_type = mimetypes.guess_type(path.name)[0] or _ANY_TYPE
    return upload(plane, path, content_type, lambda moved, total: reporter.upload(path, moved, total))


def await_job(plane: ControlPlane, job: JobView, reporter: Reporter) -> JobView:
    """Follow a job to its end and return it; raise `JobFailed` unless it completed."""
    for seen in follow(plane, job.id):
        reporter.job(seen)
        job = seen
    if job.status is not JobStatus.COMPLETED:
        raise JobFailed(_reason(job), hint=f"See what happened: comfyfleet jobs show {job.id}")
    return job


def save_output(plane: ControlPlane, job: JobView, target: Path | None, reporter: Reporter) -> Path:
    """Download a completed job's output to `target`, a file or a folder, and return the file's path."""
    if job.output_url is None:
        raise JobFailed(f"Job {job.id} has no output.", hint="Its output may have been removed; run it again.")
    path = output_path(job, target)
    plane.download(job.output_url, path, lambda moved, total: reporter.download(path, moved, total))
    return path


def check_target(target: Path | None, inputs: Inputs) -> None:
    """Raise `UsageProblem` when the output cannot be written, before anything is spent."""
    if target is None:
        return
    if not target.parent.is_dir():
        raise UsageProblem(f"There is no folder {target.parent}.", hint="Make it first, or choose another output.")
    if any(target.exists() and target.samefile(path) for path in inputs.files.values()):
        raise UsageProblem(f"{target} is an input.", hint="Choose another output: the input would be overwritten.")


def output_path(job: JobView, target: Path | None) -> Path:
    """Return where a job's output goes: `target`, or a name made of the effect and the job in that folder."""
    if target is not None and not target.is_dir():
        return target
    return (target or Path()) / f"{job.effect}-{job.id}{_extension(job)}"


def _extension(job: JobView) -> str:
    suffix = PurePosixPath(httpx.URL(job.output_url or "").path).suffix
    return suffix or mimetypes.guess_extension(job.output_mime_type) or ""


def _reason(job: JobView) -> str:
    if job.status is JobStatus.CANCELED:
        return f"Job {job.id} was canceled; its {job.credits_cost} credits were returned."
    if job.error is None:
        return f"Job {job.id} failed without a reason."
    node = job.error.node_type or job.error.node_id
    where = ", ".join(
        part
        for part in (f"node {node}" if node else "", f"input {job.error.input_name}" if job.error.input_name else "")
        if part and part.split(" ", 1)[1] not in job.error.message
    )
    return f"Job {job.id} failed: {job.error.message}{f' ({where})' if where else ''}"
