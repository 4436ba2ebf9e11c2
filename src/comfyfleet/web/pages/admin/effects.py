"""Effects for operators: the list in the catalogue's order, and one of them with its public form."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.properties import Property, Scalar, parse_value
from comfyfleet.protocol.api import NewEffect
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.effects import previews, repository, service
from comfyfleet.server.effects.admin_routes import admin_views
from comfyfleet.server.workflows import repository as workflows
from comfyfleet.server.workflows.service import find as find_workflow
from comfyfleet.server.workflows.service import properties_of
from comfyfleet.web.admin import render_admin
from comfyfleet.web.forms import validated
from comfyfleet.web.notices import done
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/effects", include_in_schema=False)

EFFECTS_ON_A_PAGE: Final = 50
_OVERRIDE: Final = "override."
_MAX_FIELDS: Final = 300

Text = Annotated[str, Query(max_length=300)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]


@router.get("")
async def show_effects(
    request: Request, viewer: Viewer, session: Transaction, q: Text = "", offset: Offset = 0
) -> Response:
    """List all effects."""
    found, total = await repository.page(session, q=clean(q.strip()), limit=EFFECTS_ON_A_PAGE, offset=offset)
    context = {
        "effects": await admin_views(session, found),
        "q": q,
        "offset": offset,
        "limit": EFFECTS_ON_A_PAGE,
        "total": total,
    }
    return render_admin(request, viewer, "effects/list.html", context)


@router.get("/new")
async def show_new(request: Request, operator: Operator, session: Transaction, workflow: Text = "") -> Response:
    """Show the form for a new effect, once its workflow is chosen."""
    chosen = await find_workflow(session, workflow) if workflow else None
    context = {
        "effect": None,
        "workflows": await workflows.names(session),
        "workflow": chosen.slug if chosen else "",
        "properties": properties_of(chosen) if chosen else (),
    }
    return render_admin(request, operator, "effects/form.html", context)


@router.post("")
async def create_effect(request: Request, operator: Operator, session: Transaction) -> Response:
    """Make an effect."""
    effect = await service.create(session, operator, await _wanted(request, session))
    return done(request, f"/admin/effects/{effect.slug}", f"Made the effect {effect.name}.")


@router.get("/{slug}")
async def show_effect(request: Request, slug: str, viewer: Viewer, session: Transaction) -> Response:
    """Show an effect, its settings, and the form that the public gets."""
    effect = await service.find(session, slug)
    context = {
        "effect": (await admin_views(session, [effect]))[0],
        "public": service.public_view(effect),
        "workflows": await workflows.names(session),
        "workflow": effect.workflow.slug,
        "properties": properties_of(effect.workflow),
    }
    return render_admin(request, viewer, "effects/form.html", context)


@router.post("/{slug}")
async def replace_effect(request: Request, slug: str, operator: Operator, session: Transaction) -> Response:
    """Change an effect."""
    effect = await service.replace(session, operator, slug, await _wanted(request, session, slug))
    return done(request, f"/admin/effects/{effect.slug}", "The effect was saved.")


@router.post("/{slug}/active")
async def set_active(
    request: Request, slug: str, operator: Operator, session: Transaction, is_active: Annotated[bool, Form()]
) -> Response:
    """Put the effect into the catalogue, or take it out."""
    effect = await service.set_active(session, operator, slug, is_active=is_active)
    return done(request, "/admin/effects", f"{effect.name} is {'in' if is_active else 'out of'} the catalogue.")


@router.post("/{slug}/move")
async def move_effect(
    request: Request, slug: str, operator: Operator, session: Transaction, by: Annotated[int, Form(ge=-1000, le=1000)]
) -> Response:
    """Move the effect in the catalogue."""
    await service.move(session, operator, slug, by)
    return done(request, "/admin/effects", "The order was saved.")


@router.post("/{slug}/preview")
async def set_preview(
    request: Request, slug: str, operator: Operator, wiring: WiringDep, preview: UploadFile
) -> Response:
    """Keep a picture or a clip as the effect's preview."""
    content = await preview.read(previews.MAX_PREVIEW_BYTES + 1)
    effect = await previews.store(wiring, operator, slug, content, preview.content_type or "")
    return done(request, f"/admin/effects/{effect.slug}", "The preview was saved.")


@router.post("/{slug}/delete")
async def delete_effect(request: Request, slug: str, operator: Operator, session: Transaction) -> Response:
    """Delete an effect that no job was made with."""
    await service.remove(session, operator, slug)
    return done(request, "/admin/effects", f"The effect '{slug[:80]}' was deleted.")


async def _wanted(request: Request, session: AsyncSession, slug: str | None = None) -> NewEffect:
    form = await request.form(max_fields=_MAX_FIELDS)
    texts = {name: clean(str(value)) for name, value in form.items()}
    workflow = await find_workflow(session, texts.get("workflow", ""))
    values: dict[str, Any] = {name: texts.get(name, "") for name in ("name", "description", "workflow")}
    return validated(
        NewEffect,
        **values,
        slug=slug or texts.get("slug", ""),
        credits_cost=texts.get("credits_cost", ""),
        is_active="is_active" in texts,
        preview_url=texts.get("preview_url") or None,
        property_overrides=_overrides(properties_of(workflow), texts),
    )


def _overrides(properties: tuple[Property, ...], texts: dict[str, str]) -> dict[str, Scalar]:
    given = {prop: texts.get(f"{_OVERRIDE}{prop.key}", "") for prop in properties if not prop.type.is_file}
    return {prop.key: parse_value(prop, text) for prop, text in given.items() if text != ""}
