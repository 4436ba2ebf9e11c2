"""`/api/jobs`: every prompt in one form."""

from typing import Final

from starlette.requests import Request
from starlette.routing import Route

from comfyfleet.standin.answers import Json
from comfyfleet.standin.jobs import STATUSES, all_jobs, duration, one_job
from comfyfleet.standin.services import services_of


async def list_jobs(request: Request) -> Json:
    """List jobs: `status`, `workflow_id`, `sort_by`, `sort_order`, `limit`, `offset`."""
    query = request.query_params
    wanted = [part.strip().lower() for part in query.get("status", "").split(",") if part.strip()]
    limit, offset = query.get("limit"), query.get("offset", "0")
    if complaint := _complaint(wanted, query.get("sort_by"), query.get("sort_order"), limit, offset):
        return Json({"error": complaint}, 400)
    jobs = [job for job in all_jobs(services_of(request).state) if not wanted or job["status"] in wanted]
    if workflow_id := query.get("workflow_id"):
        jobs = [job for job in jobs if job.get("workflow_id") == workflow_id]
    if query.get("sort_by") == "execution_duration":
        jobs.sort(key=duration, reverse=True)
    if query.get("sort_order") == "asc":
        jobs.reverse()
    start = max(int(offset), 0)
    page = jobs[start : start + int(limit)] if limit else jobs[start:]
    pagination = {
        "offset": start,
        "limit": int(limit) if limit else None,
        "total": len(jobs),
        "has_more": start + len(page) < len(jobs),
    }
    return Json({"jobs": page, "pagination": pagination})


def _complaint(wanted: list[str], sort_by: str | None, order: str | None, limit: str | None, offset: str) -> str | None:
    if unknown := [status for status in wanted if status not in STATUSES]:
        return f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(STATUSES)}"
    if sort_by not in {None, "created_at", "execution_duration"}:
        return "sort_by must be 'created_at' or 'execution_duration'"
    if order not in {None, "asc", "desc"}:
        return "sort_order must be 'asc' or 'desc'"
    if limit is not None and not (limit.isdecimal() and int(limit) > 0):
        return "limit must be a positive integer"
    if not offset.removeprefix("-").isdecimal():
        return "offset must be an integer"
    return None


async def show_job(request: Request) -> Json:
    """Show one job with its workflow and outputs."""
    job = one_job(services_of(request).state, request.path_params["job_id"])
    return Json(job) if job else Json({"error": "Job not found"}, 404)


ROUTES: Final = [Route("/jobs", list_jobs, methods=["GET"]), Route("/jobs/{job_id}", show_job, methods=["GET"])]
