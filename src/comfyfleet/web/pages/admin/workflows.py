"""Workflows: the list, a new one, and one of them. The page checks and saves by the API of the command line."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Form, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.graph_layout import NODE_WIDTH, draw
from comfyfleet.core.graphs import Graph, parse_graph
from comfyfleet.core.properties import PropertyType
from comfyfleet.protocol.bundles import AnalysisRequest
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.fleets import repository as fleets
from comfyfleet.server.fleets import service as fleet_service
from comfyfleet.server.models import Workflow
from comfyfleet.server.workflows import analysis, repository, service, versions
from comfyfleet.server.workflows.views import workflow_views
from comfyfleet.web.admin import render_admin
from comfyfleet.web.notices import done
from comfyfleet.web.templating import clean, render

router = APIRouter(prefix="/admin/workflows", include_in_schema=False)

WORKFLOWS_ON_A_PAGE: Final = 50
_VERSIONS_SHOWN: Final = 50
_MOST_DRAWN: Final = 2_000
_TYPES: Final = [kind.value for kind in PropertyType]

Text = Annotated[str, Query(max_length=300)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]
Number = Annotated[int, Query(ge=1, lt=2**31)]


@router.get("")
async def show_workflows(
    request: Request, viewer: Viewer, session: Transaction, q: Text = "", offset: Offset = 0
) -> Response:
    """List workflows by name."""
    found, total = await repository.page(session, q=clean(q.strip()), limit=WORKFLOWS_ON_A_PAGE, offset=offset)
    ids = [workflow.id for workflow in found]
    context = {
        "workflows": found,
        "fleets": await repository.fleets_of(session, ids),
        "effects": await repository.effect_counts(session, ids),
        "q": q,
        "offset": offset,
        "limit": WORKFLOWS_ON_A_PAGE,
        "total": total,
    }
    return render_admin(request, viewer, "workflows/list.html", context)


@router.get("/new")
async def show_new(request: Request, operator: Operator, session: Transaction) -> Response:
    """Show the form for a new workflow."""
    return await _form(request, operator, session, None)


@router.post("/drawing")
async def show_drawing(request: Request, _viewer: Viewer, document: Annotated[dict[str, Any], Body()]) -> Response:
    """Draw a workflow in API format, as a part of a page."""
    return render(request, "admin/workflows/drawing.html", {"is_part": True, **await _drawn(parse_graph(document))})


@router.post("/needs")
async def show_needs(
    request: Request, _viewer: Viewer, session: Transaction, wanted: Annotated[AnalysisRequest, Body()]
) -> Response:
    """Show what a workflow needs and where that is, as a part of a page."""
    found = await analysis.analyze(session, wanted.document, wanted.fleet)
    return render(request, "admin/workflows/needs.html", {"found": found})


@router.get("/{slug}")
async def show_workflow(request: Request, slug: str, viewer: Viewer, session: Transaction) -> Response:
    """Show a workflow."""
    workflow = await service.find(session, slug)
    view = (await workflow_views(session, [workflow]))[0]
    context = {
        "workflow": view,
        **await _drawn(workflow.graph),
        "versions": await versions.views(session, workflow, _VERSIONS_SHOWN),
        "fleets": await _fleets(session),
        "effects": await repository.effects_of(session, workflow.id),
    }
    return render_admin(request, viewer, "workflows/workflow.html", context)


@router.get("/{slug}/edit")
async def show_edit(request: Request, slug: str, operator: Operator, session: Transaction) -> Response:
    """Show the form for changing a workflow."""
    return await _form(request, operator, session, await service.find(session, slug))


@router.get("/{slug}/diff")
async def show_changes(
    request: Request, slug: str, viewer: Viewer, session: Transaction, before: Number, after: Number
) -> Response:
    """Show what differs between two versions."""
    context = {"slug": slug, "difference": await service.difference(session, slug, before, after)}
    return render_admin(request, viewer, "workflows/diff.html", context)


@router.post("/{slug}/fleets")
async def assign_fleets(request: Request, slug: str, operator: Operator, session: Transaction) -> Response:
    """Make exactly the ticked fleets serve a workflow."""
    workflow = await service.find(session, slug)
    form = await request.form(max_fields=500)
    labels = [clean(str(value)) for value in form.getlist("fleet") if "/" in str(value)]
    await fleet_service.assign_workflow(session, operator, workflow, labels)
    return done(request, f"/admin/workflows/{workflow.slug}", "The fleets of this workflow were saved.")


@router.post("/{slug}/restore")
async def restore(
    request: Request, slug: str, operator: Operator, wiring: WiringDep, version: Annotated[int, Form(ge=1, lt=2**31)]
) -> Response:
    """Make what an old version ran the newest version."""
    workflow = await service.restore(wiring, operator, slug, version)
    words = f"Version {workflow.version} runs what version {version} ran."
    return done(request, f"/admin/workflows/{workflow.slug}", words)


@router.post("/{slug}/active")
async def set_active(
    request: Request, slug: str, operator: Operator, session: Transaction, is_active: Annotated[bool, Form()]
) -> Response:
    """Let effects run a workflow, or not."""
    workflow = await service.set_active(session, operator, slug, is_active=is_active)
    words = "Effects may run this workflow." if is_active else "No effect may run this workflow any more."
    return done(request, f"/admin/workflows/{workflow.slug}", words)


@router.post("/{slug}/delete")
async def delete_workflow(request: Request, slug: str, operator: Operator, session: Transaction) -> Response:
    """Delete a workflow that no effect is made of."""
    await service.remove(session, operator, slug)
    return done(request, "/admin/workflows", f"The workflow '{slug[:80]}' was deleted.")


async def _form(request: Request, operator: Principal, session: AsyncSession, workflow: Workflow | None) -> Response:
    view = (await workflow_views(session, [workflow]))[0].model_dump(mode="json") if workflow else None
    context = {
        "workflow": view,
        "graph": workflow.graph if workflow else None,
        "types": _TYPES,
        "fleets": await _fleets(session),
    }
    return render_admin(request, operator, "workflows/form.html", context)


async def _fleets(session: AsyncSession) -> list[str]:
    return [fleet_service.label(fleet) for fleet in await fleets.all_fleets(session)]


async def _drawn(graph: Graph) -> dict[str, Any]:
    # A graph may have thousands of nodes, for which the event loop shall not wait, and of which no picture helps.
    drawing = await asyncio.to_thread(draw, graph) if len(graph) <= _MOST_DRAWN else None
    return {"drawing": drawing, "node_width": NODE_WIDTH, "node_count": len(graph)}
