"""What operators did."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from comfyfleet.server.audit import repository
from comfyfleet.server.auth.dependencies import Before, Transaction, Viewer
from comfyfleet.web.acts import KINDS, details_of, path_of
from comfyfleet.web.admin import render_admin
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/audit", include_in_schema=False)

ACTS_ON_A_PAGE: Final = 50

Text = Annotated[str, Query(max_length=400)]


@router.get("")
async def show_audit(
    request: Request,
    viewer: Viewer,
    session: Transaction,
    q: Text = "",
    action: Text = "",
    actor: Text = "",
    subject: Text = "",
    before: Before = None,
) -> Response:
    """List acts, newest first."""
    wanted = {"action": clean(action), "actor": clean(actor), "subject": clean(subject), "text": clean(q.strip())}
    entries = await repository.entries(session, **wanted, before=before, limit=ACTS_ON_A_PAGE)
    context = {
        "acts": [(entry, path_of(entry), details_of(entry)) for entry in entries],
        "next_before": entries[-1].id if len(entries) == ACTS_ON_A_PAGE else None,
        "kinds": KINDS,
        "q": q,
        "action": action,
        "actor": actor,
        "subject": subject,
    }
    return render_admin(request, viewer, "audit.html", context)
