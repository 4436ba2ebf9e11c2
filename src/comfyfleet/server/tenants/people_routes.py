"""The people of tenants over HTTP, for operators."""

from uuid import UUID

from fastapi import APIRouter

from comfyfleet.protocol.api import NewUser, NewUserView
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.tenants import UserPatch, UserView
from comfyfleet.server.auth.dependencies import Name, Operator, Transaction, Viewer
from comfyfleet.server.models import User
from comfyfleet.server.tenants import people, repository, service
from comfyfleet.server.tenants.views import user_view

router = APIRouter(prefix="/api/tenants/{slug}/users", tags=["tenants"])


@router.get("")
async def list_users(slug: Name, _viewer: Viewer, session: Transaction) -> Envelope[list[UserView]]:
    """List the people of a tenant."""
    tenant = await service.find(session, slug)
    return Envelope(data=[user_view(user) for user in await repository.users(session, tenant.id)])


@router.post("", status_code=201)
async def create_user(slug: Name, body: NewUser, operator: Operator, session: Transaction) -> Envelope[NewUserView]:
    """Make a person of a tenant; the answer holds a one-time password."""
    return Envelope(data=_with_password(*await people.create(session, operator, slug, body)))


@router.patch("/{user_id}")
async def change_role(
    slug: Name, user_id: UUID, body: UserPatch, operator: Operator, session: Transaction
) -> Envelope[UserView]:
    """Give a person another role."""
    return Envelope(data=user_view(await people.change_role(session, operator, slug, user_id, body.role)))


@router.post("/{user_id}/password", status_code=201)
async def renew_password(slug: Name, user_id: UUID, operator: Operator, session: Transaction) -> Envelope[NewUserView]:
    """Give a person a new one-time password; the old one and all sessions end."""
    return Envelope(data=_with_password(*await people.renew_password(session, operator, slug, user_id)))


@router.delete("/{user_id}")
async def remove_user(slug: Name, user_id: UUID, operator: Operator, session: Transaction) -> Envelope[UserView]:
    """Remove a person."""
    return Envelope(data=user_view(await people.remove(session, operator, slug, user_id)))


def _with_password(user: User, password: str) -> NewUserView:
    return NewUserView(id=str(user.id), email=user.email, one_time_password=password)
