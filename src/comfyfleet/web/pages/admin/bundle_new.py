"""Composing a bundle. The page's script asks the same API as the command line what it would be, and writes it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Action
from comfyfleet.server.auth.dependencies import Operator, Transaction
from comfyfleet.server.bundles import views
from comfyfleet.server.bundles.finding import find
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.web.admin import render_admin

router = APIRouter(prefix="/admin/comfyui/new-bundle", include_in_schema=False)

Previous = Annotated[str | None, Query(alias="from", max_length=1000)]
Workflow = Annotated[list[str] | None, Query(max_length=200)]


@router.get("")
async def show_new_bundle(
    request: Request, operator: Operator, session: Transaction, previous: Previous = None, workflow: Workflow = None
) -> Response:
    """Show the form; `from` begins with what another bundle has, `workflow` with what workflows need."""
    before = await find(session, previous) if previous else None
    context = {
        "previous": views.whole(before, []).model_dump(mode="json") if before else None,
        "workflows": await workflows.names(session),
        "chosen": workflow or [],
        "kinds": [kind.value for kind in AssetKind],
        "actions": [action.value for action in Action],
    }
    return render_admin(request, operator, "bundles/new.html", context)
