"""Workers as tables and lines."""

from collections.abc import Iterable

from comfyfleet.cli.output import print_record, print_table
from comfyfleet.core.wording import size_text
from comfyfleet.core.workers import gpu_name
from comfyfleet.protocol.bundles import BundleRef
from comfyfleet.protocol.worker import GpuFigures
from comfyfleet.protocol.workers import WorkerDetail, WorkerJob, WorkerLogLineView, WorkerView


def comfyui_name(worker: WorkerView) -> str:
    """Return which ComfyUI a worker drives, such as `ComfyUI 0.33.0` or `the stand-in (not ComfyUI) 0.33.0`."""
    told = worker.figures.comfyui_version if worker.figures else None
    version = told or worker.capabilities.get("comfyui_version") or "of unknown version"
    kind = "the stand-in (not ComfyUI)" if worker.capabilities.get("is_standin") else "ComfyUI"
    return f"{kind} {version}"


def show_workers(workers: Iterable[WorkerView]) -> None:
    """Print workers as a table."""
    headers = ("WORKER", "STAGE", "FLEET", "STATUS", "COMFYUI", "JOBS", "LAST SEEN")
    print_table(headers, map(_row, workers), empty="There are no workers.")


def show_worker(worker: WorkerDetail) -> None:
    """Print a worker in full."""
    print_record(
        [
            ("worker", worker.worker_id),
            ("name", worker.display_name),
            ("fleet", f"{worker.stage}/{worker.fleet_slug}"),
            ("status", worker.status),
            ("source", worker.registration_source),
            ("machine", " ".join(part for part in (worker.instance_type, worker.capacity_type) if part) or None),
            ("comfyui", comfyui_name(worker)),
            ("bundle", _bundle(worker)),
            ("jobs at once", worker.max_concurrency),
            ("registered", worker.registered_at),
            ("last seen", worker.last_seen_at),
            *(("gpu", _gpu(gpu)) for gpu in (worker.figures.gpus if worker.figures else [])),
        ]
    )
    headers = ("ID", "TENANT", "EFFECT", "STATE", "ATTEMPT", "LEASED", "ENDED", "ERROR")
    print_table(headers, map(_job_row, [*worker.jobs, *worker.recent_jobs]), empty="It has had no jobs.")


def log_text(line: WorkerLogLineView) -> str:
    """Return a line of a log."""
    at = line.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{at} {line.level:<8} {line.text}"


def _row(worker: WorkerView) -> tuple[object, ...]:
    jobs = ", ".join(f"{job.id} ({job.progress:.0%})" for job in worker.jobs) or "-"
    fleet, seen_at = worker.fleet_slug, worker.last_seen_at
    return worker.worker_id, worker.stage, fleet, worker.status, comfyui_name(worker), jobs, seen_at


def _job_row(job: WorkerJob) -> tuple[object, ...]:
    state = f"{job.status} {job.progress:.0%}" if job.finished_at is None else job.status
    error = job.error_message
    return job.id, job.tenant, job.effect, state, job.attempt, job.leased_at, job.finished_at, error


def _bundle(worker: WorkerDetail) -> str:
    own = _name(worker.bundle) or worker.bundle_id or "none that is known"
    wanted = worker.fleet_bundle
    if wanted is None or wanted.bundle_id == worker.bundle_id:
        return own
    return f"{own} (the fleet points to {_name(wanted)})"


def _name(bundle: BundleRef | None) -> str | None:
    return f"{bundle.name}@{bundle.version}" if bundle else None


def _gpu(gpu: GpuFigures) -> str:
    name = gpu_name(gpu.name or gpu.type or "a device")
    if gpu.vram_total is None or gpu.vram_free is None:
        return name
    torch = f", {size_text(gpu.torch_vram_total)} reserved by PyTorch" if gpu.torch_vram_total else ""
    return f"{name}: {size_text(gpu.vram_total - gpu.vram_free)} of {size_text(gpu.vram_total)} in use{torch}"
