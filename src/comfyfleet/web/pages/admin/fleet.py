"""One fleet: what it serves, where it points, and what it pointed to before."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.bundles import compare
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.bundles import repository as bundles
from comfyfleet.server.bundles import views
from comfyfleet.server.bundles.finding import find as find_bundle
from comfyfleet.server.fleets import pointers, repository, service
from comfyfleet.server.fleets.activation import activate
from comfyfleet.server.fleets.coverage import coverage_of
from comfyfleet.server.fleets.overview import overview
from comfyfleet.server.models import Bundle, Fleet
from comfyfleet.server.operations import repository as operations
from comfyfleet.server.operations.views import view
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.web.admin import render_admin
from comfyfleet.web.notices import done
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/comfyui/fleets/{stage}/{slug}", include_in_schema=False)

Reference = Annotated[str, Query(max_length=1000)]
_BUNDLES_TO_CHOOSE: Final = 100
_HISTORY_LINES: Final = 50
_LAST: Final = 5


@router.get("")
async def show_fleet(
    request: Request, stage: str, slug: str, viewer: Viewer, session: Transaction, wiring: WiringDep
) -> Response:
    """Show a fleet."""
    fleet = await service.find(session, clean(stage), clean(slug))
    newest, _ = await bundles.newest(session, limit=_BUNDLES_TO_CHOOSE, offset=0)
    context = {
        "fleet": await overview(session, fleet),
        "path": path_of(fleet),
        "pointer": pointers.as_written(wiring, fleet),
        "is_in_cloud": wiring.groups is not None,
        "machines": request.app.state.machines.show(fleet) if wiring.groups else None,
        "can_verb": request.app.state.desk.is_open,
        "nodes": request.app.state.nodes.show(fleet) if request.app.state.nodes else None,
        "operations": [view(one) for one in await operations.page(session, fleet_id=fleet.id, limit=_LAST)],
        "served": await repository.workflows_of(session, fleet.id),
        "workflows": await workflows.names(session),
        "history": await repository.activations(session, fleet.id, _HISTORY_LINES),
        "bundles": [views.reference(bundle) for bundle in newest],
    }
    return render_admin(request, viewer, "fleets/fleet.html", context)


@router.get("/coverage")
async def show_coverage(request: Request, stage: str, slug: str, viewer: Viewer, session: Transaction) -> Response:
    """Show what the active bundle has of what the fleet's workflows need."""
    fleet = await service.find(session, clean(stage), clean(slug))
    context = {
        "fleet": fleet,
        "path": path_of(fleet),
        "coverage": await coverage_of(session, fleet, await _active(session, fleet)),
    }
    return render_admin(request, viewer, "fleets/coverage.html", context)


@router.get("/activate")
async def show_plan(
    request: Request, stage: str, slug: str, viewer: Viewer, session: Transaction, bundle: Reference
) -> Response:
    """Show what activating a bundle would change, before anything does."""
    fleet = await service.find(session, clean(stage), clean(slug))
    chosen, active = await find_bundle(session, bundle), await _active(session, fleet)
    change = compare(views.manifest_of(active), views.manifest_of(chosen)) if active else None
    context = {
        "fleet": fleet,
        "path": path_of(fleet),
        "chosen": views.summary(chosen, []),
        "active": views.reference(active) if active else None,
        "difference": views.difference(active, chosen, change) if active and change else None,
        "coverage": await coverage_of(session, fleet, chosen),
    }
    return render_admin(request, viewer, "fleets/plan.html", context)


@router.post("/bundle")
async def activate_bundle(
    request: Request,
    stage: str,
    slug: str,
    operator: Operator,
    session: Transaction,
    wiring: WiringDep,
    bundle: Annotated[str, Form(max_length=1000)] = "",
    accept_missing: Annotated[bool, Form()] = False,
) -> Response:
    """Point the fleet to a bundle, or to none."""
    fleet = await service.find(session, clean(stage), clean(slug))
    pointer = await activate(
        session, operator, fleet, bundle or None, accept_missing=accept_missing, now=wiring.clock()
    )
    target = f"{pointer.bundle.name}@{pointer.bundle.version}" if pointer.bundle else "no bundle"
    return done(request, path_of(fleet), f"{service.label(fleet)} points to {target}.")


@router.post("/pointer")
async def write_pointer(request: Request, stage: str, slug: str, operator: Operator, wiring: WiringDep) -> Response:
    """Write the parameter that machines read again, by what the database says."""
    state = await pointers.mend(wiring, operator, clean(stage), clean(slug))
    words = f"Machines are told {state.found}." if state.agrees else f"Not written: {state.problem}"
    return done(request, f"/admin/comfyui/fleets/{state.fleet}", words)


@router.post("/workflows")
async def assign_workflows(
    request: Request, stage: str, slug: str, operator: Operator, session: Transaction
) -> Response:
    """Make the fleet serve exactly the workflows that are ticked."""
    fleet = await service.find(session, clean(stage), clean(slug))
    form = await request.form(max_fields=2000)
    await service.assign(session, operator, fleet, [clean(str(value)) for value in form.getlist("workflow")])
    return done(request, path_of(fleet), "The workflows of this fleet were saved.")


@router.post("/name")
async def rename_fleet(
    request: Request,
    stage: str,
    slug: str,
    operator: Operator,
    session: Transaction,
    name: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Change the fleet's name for people."""
    fleet = await service.find(session, clean(stage), clean(slug))
    await service.rename(session, operator, fleet, clean(name))
    return done(request, path_of(fleet), "The name was saved.")


@router.post("/delete")
async def delete_fleet(request: Request, stage: str, slug: str, operator: Operator, session: Transaction) -> Response:
    """Delete a fleet that was never used."""
    fleet = await service.find(session, clean(stage), clean(slug))
    await service.remove(session, operator, fleet)
    return done(request, "/admin/comfyui/fleets", f"{service.label(fleet)} was deleted.")


async def _active(session: AsyncSession, fleet: Fleet) -> Bundle | None:
    return await bundles.by_id(session, fleet.active_bundle_id) if fleet.active_bundle_id else None


def path_of(fleet: Fleet) -> str:
    """Return the address of a fleet's page."""
    return f"/admin/comfyui/fleets/{fleet.stage}/{fleet.slug}"
