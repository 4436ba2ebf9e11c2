"""Tenants: the list, and a new one."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response

from comfyfleet.protocol.api import NewTenant
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer
from comfyfleet.server.tenants import administration, repository, views
from comfyfleet.web.admin import render_admin
from comfyfleet.web.forms import validated
from comfyfleet.web.notices import done
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/tenants", include_in_schema=False)

TENANTS_ON_A_PAGE: Final = 50

Text = Annotated[str, Query(max_length=300)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]
Line = Annotated[str, Form(max_length=1000)]


@router.get("")
async def show_tenants(
    request: Request, viewer: Viewer, session: Transaction, q: Text = "", offset: Offset = 0
) -> Response:
    """List tenants by name."""
    found, total = await repository.tenants(session, clean(q.strip()), limit=TENANTS_ON_A_PAGE, offset=offset)
    context = {
        "tenants": await views.with_balances(session, found),
        "q": q,
        "offset": offset,
        "limit": TENANTS_ON_A_PAGE,
        "total": total,
    }
    return render_admin(request, viewer, "tenants/list.html", context)


@router.post("")
async def create_tenant(
    request: Request, operator: Operator, session: Transaction, slug: Line, name: Line = ""
) -> Response:
    """Make a tenant."""
    new = validated(NewTenant, slug=slug.strip(), name=name.strip() or slug.strip())
    tenant = await administration.create(session, operator, new)
    return done(request, f"/admin/tenants/{tenant.slug}", f"Made the tenant {tenant.name}.")
