"""Workers: the list, searched and filtered."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from comfyfleet.core.workers import WorkerStatus
from comfyfleet.server.auth.dependencies import Transaction, Viewer, Words
from comfyfleet.server.fleets import repository as fleets
from comfyfleet.server.workers.repository import WorkerFilter
from comfyfleet.server.workers.views import page_of
from comfyfleet.web.admin import render_admin

router = APIRouter(prefix="/admin/workers", include_in_schema=False)

WORKERS_ON_A_PAGE: Final = 50
SOURCES: Final = (("fleet", "of a fleet"), ("dev_node", "a developer's"), ("local", "local"))


@router.get("")
async def show_workers(
    request: Request,
    viewer: Viewer,
    session: Transaction,
    q: Words = "",
    fleet: Words = "",
    status: Words = "",
    source: Words = "",
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """List workers, last seen first."""
    chosen = WorkerStatus(status) if status in set(WorkerStatus) else None
    wanted = WorkerFilter(
        text=q.strip(), fleet=fleet or None, statuses=(chosen,) if chosen else (), source=source or None
    )
    context = {
        "page": await page_of(session, wanted, limit=WORKERS_ON_A_PAGE, offset=offset),
        "limit": WORKERS_ON_A_PAGE,
        "offset": offset,
        "q": q,
        "fleet": fleet,
        "fleets": [f"{one.stage}/{one.slug}" for one in await fleets.all_fleets(session)],
        "status_chosen": chosen.value if chosen else "",
        "statuses": [one.value for one in WorkerStatus],
        "source": source,
        "sources": SOURCES,
        "is_narrowed": bool(q or fleet or chosen or source),
    }
    return render_admin(request, viewer, "workers/list.html", context)
