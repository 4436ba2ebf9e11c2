"""API keys over HTTP: of the caller's tenant, or for operators of any."""

from uuid import UUID

from fastapi import APIRouter

from comfyfleet.protocol import api
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import SignedIn, Transaction, WiringDep, Words
from comfyfleet.server.tenants import keys, repository, service
from comfyfleet.server.tenants.views import key_view

router = APIRouter(prefix="/api/keys", tags=["tenants"])


@router.get("")
async def list_keys(
    principal: SignedIn, session: Transaction, tenant: Words | None = None
) -> Envelope[list[api.KeyView]]:
    """List a tenant's keys."""
    owner = await service.tenant_of(session, principal, tenant)
    return Envelope(data=[key_view(key) for key in await repository.keys(session, owner.id)])


@router.post("", status_code=201)
async def create_key(
    body: api.NewKey, principal: SignedIn, session: Transaction, tenant: Words | None = None
) -> Envelope[api.NewKeyView]:
    """Make a key; it may do no more than the caller."""
    key, token = await keys.create(session, principal, tenant, body)
    return Envelope(data=api.NewKeyView(key=key_view(key), token=token))


@router.delete("/{key_id}")
async def revoke_key(
    key_id: UUID, principal: SignedIn, session: Transaction, wiring: WiringDep, tenant: Words | None = None
) -> Envelope[api.KeyView]:
    """Revoke a key."""
    return Envelope(data=key_view(await keys.revoke(session, principal, tenant, key_id, wiring.clock())))
