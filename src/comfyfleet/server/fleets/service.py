"""The verbs of fleets."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Conflict, NotFound
from comfyfleet.core.workflows import check_slug
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.fleets import repository
from comfyfleet.server.models import Fleet, Workflow
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.server.workflows.service import not_found


class FleetNotFound(NotFound):
    """No such fleet."""

    code = "fleet_not_found"


class FleetExists(Conflict):
    """The stage has a fleet of this slug."""

    code = "fleet_exists"


class FleetInUse(Conflict):
    """The fleet has workers, or jobs that remember it."""

    code = "fleet_in_use"


class NoFleetServes(Conflict):
    """No fleet of this stage serves the workflow."""

    code = "no_fleet_serves"


def label(fleet: Fleet) -> str:
    """Return `stage/slug`."""
    return f"{fleet.stage}/{fleet.slug}"


async def find(session: AsyncSession, stage: str, slug: str) -> Fleet:
    """Return a fleet; raise `FleetNotFound`."""
    fleet = await repository.by_slug(session, stage, slug)
    if fleet is None:
        raise FleetNotFound(
            f"There is no fleet '{slug[:80]}' in stage '{stage[:80]}'.", hint="List them with `comfyfleet fleets list`."
        )
    return fleet


async def create(session: AsyncSession, principal: Principal, stage: str, slug: str, name: str) -> Fleet:
    """Make a fleet that serves nothing yet."""
    check_slug(stage)
    check_slug(slug)
    if await repository.by_slug(session, stage, slug) is not None:
        raise FleetExists(f"Stage '{stage}' has a fleet '{slug}' already.", hint="Choose another slug.")
    fleet = await repository.insert_fleet(session, stage, slug, name)
    await audit.record(session, principal, "fleet.create", label(fleet))
    return fleet


async def rename(session: AsyncSession, principal: Principal, fleet: Fleet, name: str) -> None:
    """Change a fleet's name for people; its slug and stage are fixed."""
    await audit.record(session, principal, "fleet.rename", label(fleet), {"before": fleet.name, "after": name})
    fleet.name = name


async def remove(session: AsyncSession, principal: Principal, fleet: Fleet) -> None:
    """Delete a fleet that never had a worker or a job; raise `FleetInUse` for another."""
    await repository.lock(session, fleet)
    if await repository.was_used(session, fleet.id):
        raise FleetInUse(
            f"The fleet {label(fleet)} has workers, or jobs that remember it.",
            hint="Take its workflows from it instead: it then gets no more jobs.",
        )
    await audit.record(session, principal, "fleet.delete", label(fleet))
    await repository.delete_fleet(session, fleet)


async def assign(session: AsyncSession, principal: Principal, fleet: Fleet, slugs: list[str]) -> None:
    """Make a fleet serve exactly these workflows."""
    found = await workflows.by_slugs(session, slugs)
    missing = [slug for slug in slugs if slug not in found]
    if missing:
        raise not_found(missing[0])
    await repository.set_workflows(session, fleet.id, [workflow.id for workflow in found.values()])
    await audit.record(session, principal, "fleet.assign", label(fleet), {"workflows": sorted(found)})


async def assign_workflow(session: AsyncSession, principal: Principal, workflow: Workflow, labels: list[str]) -> None:
    """Make exactly these fleets (`stage/slug`) serve a workflow."""
    wanted = [await find(session, *text.split("/", 1)) for text in dict.fromkeys(labels)]
    await repository.set_fleets(session, workflow.id, [fleet.id for fleet in wanted])
    await audit.record(session, principal, "workflow.fleets", workflow.slug, {"fleets": sorted(labels)})


async def serving(session: AsyncSession, stage: str, workflow_id: int) -> int:
    """Return the fleet that is to run a workflow's next job."""
    fleet_id = await repository.serving(session, stage, workflow_id)
    if fleet_id is None:
        raise NoFleetServes(
            "No fleet serves this effect at present.", hint="An administrator assigns its workflow to a fleet."
        )
    return fleet_id
