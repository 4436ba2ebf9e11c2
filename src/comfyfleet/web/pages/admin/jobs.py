"""The jobs of all tenants: the list, searched and filtered."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.auth.dependencies import Before, Transaction, Viewer
from comfyfleet.server.fleets import repository as fleets
from comfyfleet.server.jobs import search_repository as repository
from comfyfleet.server.jobs.search import JobFilter, search
from comfyfleet.web.admin import render_admin
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/jobs", include_in_schema=False)

JOBS_ON_A_PAGE: Final = 50
_LONGEST_OPTION: Final = 40

Text = Annotated[str, Query(max_length=300)]


@router.get("")
async def show_jobs(
    request: Request,
    viewer: Viewer,
    session: Transaction,
    q: Text = "",
    status: Text = "",
    fleet: Text = "",
    effect: Text = "",
    tenant: Text = "",
    worker: Text = "",
    before: Before = None,
) -> Response:
    """List jobs, newest first."""
    chosen = JobStatus(status) if status in set(JobStatus) else None
    names = {"fleet": fleet, "effect": effect, "tenant": tenant, "worker": worker}
    wanted = JobFilter(q=q, status=chosen, **{name: clean(value) or None for name, value in names.items()})
    context = {
        "page": await search(session, wanted, before=before, limit=JOBS_ON_A_PAGE),
        "q": q,
        "status_chosen": chosen.value if chosen else "",
        "statuses": [one.value for one in JobStatus],
        "fleets": [f"{one.stage}/{one.slug}" for one in await fleets.all_fleets(session)],
        "effects": [(slug, name[:_LONGEST_OPTION]) for slug, name in await repository.effect_names(session)],
        "is_narrowed": bool(q or chosen or any(names.values())),
        **names,
    }
    return render_admin(request, viewer, "jobs/list.html", context)
