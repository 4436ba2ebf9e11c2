"""The page of a tenant's runs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response

from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.auth.dependencies import Before, WiringDep
from comfyfleet.server.jobs import repository
from comfyfleet.server.jobs.service import signed_output
from comfyfleet.server.models import Job
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.templating import render
from comfyfleet.web.visitors import balance_of, detour, visitor

router = APIRouter(include_in_schema=False)

RUNS_ON_A_PAGE: Final = 20


@dataclass(frozen=True)
class Run:
    """A job as one line of the list."""

    id: int
    effect: str
    effect_name: str
    has_page: bool
    state: str
    credits_cost: int
    created_at: datetime
    output_url: str | None
    output_kind: str
    problem: str | None


@router.get("/runs")
async def show_runs(request: Request, wiring: WiringDep, before: Before = None) -> Response:
    """List the runs of the visitor's tenant, newest first; `before` is the id that the page before ended with."""
    person = await visitor(request, wiring)
    if person is None:
        return detour("/sign-in", request)
    if person.must_change_password:
        return detour("/password", request)
    async with wiring.sessions.begin() as session:
        one_more = RUNS_ON_A_PAGE + 1
        jobs = await repository.page(session, person.tenant_id, before=before, limit=one_more, status=None)
        runs = [_run(wiring, job) for job in jobs[:RUNS_ON_A_PAGE]]
    context = {
        "visitor": person,
        "balance": await balance_of(wiring, person),
        "runs": runs,
        "before": runs[-1].id if len(jobs) > len(runs) else None,
    }
    return render(request, "runs.html", context)


def _run(wiring: Wiring, job: Job) -> Run:
    output = signed_output(wiring, job)
    is_stopping = job.status == JobStatus.PROCESSING and job.is_cancel_requested
    return Run(
        id=job.id,
        effect=job.effect.slug,
        effect_name=job.effect.name,
        has_page=job.effect.is_active,
        state="stopping" if is_stopping else job.status,
        credits_cost=job.credits_cost,
        created_at=job.created_at.astimezone(UTC),
        output_url=output.url if output else None,
        output_kind=job.output_mime_type.split("/")[0],
        problem=job.error_message,
    )
