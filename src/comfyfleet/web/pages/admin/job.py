"""One job: how it stands, what went in and came out, and what happened to it."""

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from comfyfleet.cloud.ports import SignedRequest
from comfyfleet.server.auth.dependencies import Name, Operator, RowId, Transaction, Viewer, WiringDep
from comfyfleet.server.jobs import administration
from comfyfleet.server.jobs.detail import detail, signed_file
from comfyfleet.server.jobs.service import signed_output
from comfyfleet.web.admin import render_admin
from comfyfleet.web.notices import done

router = APIRouter(prefix="/admin/jobs/{job_id}", include_in_schema=False)


@router.get("")
async def show_job(
    request: Request, job_id: RowId, viewer: Viewer, session: Transaction, wiring: WiringDep
) -> Response:
    """Show a job of any tenant."""
    job = await detail(session, wiring, await administration.find(session, job_id), str)
    failed = next((node for node in job.nodes if job.error and node.id == job.error.node_id), None)
    return render_admin(request, viewer, "jobs/job.html", {"job": job, "failed_node": failed})


@router.get("/output")
async def show_output(job_id: RowId, _viewer: Viewer, session: Transaction, wiring: WiringDep) -> Response:
    """Lead to the output. Its own address changes with each signature, and a player would begin anew each time."""
    return _lead_to(signed_output(wiring, await administration.find(session, job_id)))


@router.get("/files/{key}")
async def show_file(job_id: RowId, key: Name, _viewer: Viewer, session: Transaction, wiring: WiringDep) -> Response:
    """Lead to one of the files that the job was given."""
    files = (await administration.find(session, job_id)).files
    return _lead_to(next((signed_file(wiring, file) for file in files if file["key"] == key), None))


@router.post("/cancel")
async def cancel_job(
    request: Request, job_id: RowId, operator: Operator, session: Transaction, wiring: WiringDep
) -> Response:
    """Cancel the job, or ask its worker to stop."""
    job = await administration.cancel(session, wiring, operator, job_id)
    is_over = job.finished_at is not None
    words = f"Job {job_id} was canceled." if is_over else f"Job {job_id} stops as soon as its worker hears of it."
    return done(request, f"/admin/jobs/{job_id}", words)


@router.post("/retry")
async def retry_job(
    request: Request, job_id: RowId, operator: Operator, session: Transaction, wiring: WiringDep
) -> Response:
    """Do the job again, as a new one."""
    again = await administration.retry(session, wiring, operator, job_id)
    return done(request, f"/admin/jobs/{again.id}", f"Job {job_id} is done again as this one.")


def _lead_to(signed: SignedRequest | None) -> Response:
    if signed is None:
        raise HTTPException(404)
    return RedirectResponse(signed.url, status_code=307, headers={"Cache-Control": "no-store"})
