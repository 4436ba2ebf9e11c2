"""Test runs over HTTP."""

from fastapi import APIRouter, Request

from comfyfleet.protocol.api import JobView
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.workflows import NewTestRun
from comfyfleet.server.auth.dependencies import Operator, WiringDep
from comfyfleet.server.jobs import routes as jobs
from comfyfleet.server.jobs.testing import run_test

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


@router.post("/{slug}/test-run", status_code=201)
async def run_workflow(
    slug: str, body: NewTestRun, request: Request, operator: Operator, wiring: WiringDep
) -> Envelope[JobView]:
    """Run a workflow on one fleet, at no cost."""
    job = await run_test(wiring, operator, slug, body)
    async with wiring.sessions.begin() as session:
        return Envelope(data=await jobs.job_view(request, session, wiring, job))
