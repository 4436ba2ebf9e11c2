"""Effects over HTTP: the public reads them, administrators make them."""

from fastapi import APIRouter

from comfyfleet.protocol import api
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Operator, Transaction
from comfyfleet.server.effects import admin_routes, repository, service

router = APIRouter(prefix="/api/effects", tags=["effects"])
router.include_router(admin_routes.router)


@router.get("")
async def list_effects(session: Transaction) -> Envelope[list[api.EffectView]]:
    """List the effects that can be run."""
    return Envelope(data=[service.public_view(effect) for effect in await repository.active(session)])


@router.get("/{slug}")
async def show_effect(slug: str, session: Transaction) -> Envelope[api.EffectView]:
    """Show an effect."""
    return Envelope(data=service.public_view(await service.find_active(session, slug)))


@router.post("", status_code=201)
async def create_effect(body: api.NewEffect, operator: Operator, session: Transaction) -> Envelope[api.EffectView]:
    """Make an effect."""
    return Envelope(data=service.public_view(await service.create(session, operator, body)))


@router.put("/{slug}")
async def replace_effect(
    slug: str, body: api.NewEffect, operator: Operator, session: Transaction
) -> Envelope[api.EffectView]:
    """Change an effect."""
    return Envelope(data=service.public_view(await service.replace(session, operator, slug, body)))
