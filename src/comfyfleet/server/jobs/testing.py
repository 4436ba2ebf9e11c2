"""Running a workflow to see what it does, before any effect is made of it."""

from comfyfleet.protocol.api import NewJob
from comfyfleet.protocol.workflows import NewTestRun
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.effects import service as effects
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.jobs.enqueue import check, enqueue
from comfyfleet.server.models import Job
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workflows import service as workflows


async def run_test(wiring: Wiring, principal: Principal, slug: str, new: NewTestRun) -> Job:
    """Queue a workflow on one fleet, at no cost; the job is the caller's tenant's."""
    async with wiring.sessions.begin() as session:
        workflow = await workflows.find(session, slug)
        fleet = await fleets.find(session, *new.fleet.split("/", 1))
        effect = await effects.effect_for_tests(session, workflow)
        await audit.record(session, principal, "workflow.test", workflow.slug, {"fleet": new.fleet})
    wanted = NewJob(effect=effect.slug, values=new.values)
    job, _ = await enqueue(wiring, principal, wanted, None, test_on=fleet.id)
    return job


async def check_test(wiring: Wiring, principal: Principal, slug: str, new: NewTestRun) -> None:
    """Raise what `run_test` would raise, and run nothing."""
    async with wiring.sessions.begin() as session:
        workflow = await workflows.find(session, slug)
        fleet = await fleets.find(session, *new.fleet.split("/", 1))
        effect = await effects.effect_for_tests(session, workflow)
    await check(wiring, principal, NewJob(effect=effect.slug, values=new.values), test_on=fleet.id)
