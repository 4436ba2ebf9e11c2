"""What operators do with effects over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.protocol import effects as wire
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep, Words
from comfyfleet.server.effects import previews, repository, service
from comfyfleet.server.models import Effect

router = APIRouter()


@router.get("/all")
async def list_all_effects(
    _viewer: Viewer,
    session: Transaction,
    q: Words = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Envelope[wire.EffectAdminPage]:
    """List all effects, active or not, in the catalogue's order; `q` is a part of slug or name."""
    found, total = await repository.page(session, q=q.strip(), limit=limit, offset=offset)
    return Envelope(data=wire.EffectAdminPage(items=await admin_views(session, found), total=total))


@router.put("/order")
async def order_effects(body: wire.EffectOrder, operator: Operator, session: Transaction) -> Envelope[None]:
    """Put effects first in the catalogue."""
    await service.order(session, operator, body.slugs)
    return Envelope(data=None, message="Ordered.")


@router.put("/{slug}/active")
async def set_active(
    slug: str, body: wire.EffectState, operator: Operator, session: Transaction
) -> Envelope[wire.EffectAdminView]:
    """Put an effect into the catalogue, or take it out."""
    effect = await service.set_active(session, operator, slug, is_active=body.is_active)
    return Envelope(data=(await admin_views(session, [effect]))[0])


@router.put("/{slug}/preview")
async def set_preview(
    slug: str, request: Request, operator: Operator, wiring: WiringDep, content_type: Annotated[str, Header()]
) -> Envelope[wire.EffectAdminView]:
    """Keep the body, a picture or a clip, as the effect's preview."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > previews.MAX_PREVIEW_BYTES:
            break
    effect = await previews.store(wiring, operator, slug, bytes(content), content_type)
    async with wiring.sessions.begin() as session:
        return Envelope(data=(await admin_views(session, [effect]))[0])


@router.delete("/{slug}")
async def delete_effect(slug: str, operator: Operator, session: Transaction) -> Envelope[None]:
    """Delete an effect that no job was made with."""
    await service.remove(session, operator, slug)
    return Envelope(data=None, message="Deleted.")


async def admin_views(session: AsyncSession, effects: list[Effect]) -> list[wire.EffectAdminView]:
    """Return effects as an operator sees them."""
    runs = await repository.run_counts(session, [effect.id for effect in effects])
    return [
        wire.EffectAdminView(
            name=effect.name,
            slug=effect.slug,
            description=effect.description,
            workflow=effect.workflow.slug,
            property_overrides=effect.property_overrides,
            credits_cost=effect.credits_cost,
            is_active=effect.is_active,
            position=effect.position,
            preview_url=service.preview_url(effect),
            preview_type=effect.preview_type,
            run_count=runs.get(effect.id, 0),
        )
        for effect in effects
    ]
