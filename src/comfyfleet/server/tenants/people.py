"""What operators do with the people of tenants. Each act is noted in its transaction."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Conflict, Forbidden, NotFound
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import NewUser
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth import repository as sessions
from comfyfleet.server.auth.passwords import hash_password, new_one_time_password
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import User
from comfyfleet.server.tenants import repository, service


class UserNotFound(NotFound):
    """No such person of this tenant."""

    code = "user_not_found"


class LastOperator(Conflict):
    """Nobody could operate any more."""

    code = "last_operator"


class OwnAccount(Forbidden):
    """Nobody takes the own role or account away."""

    code = "own_account"


async def create(session: AsyncSession, operator: Principal, slug: str, new: NewUser) -> tuple[User, str]:
    """Make a person of a tenant; return it with a one-time password to hand over."""
    tenant = await service.find(session, slug)
    user, password = await service.create_user(session, tenant, new.email, role=new.role)
    await audit.record(session, operator, "user.create", user.email, {"tenant": slug, "role": new.role})
    return user, password


async def change_role(session: AsyncSession, operator: Principal, slug: str, user_id: UUID, role: Role) -> User:
    """Give a person another role, from the next request on. Keys that the person made keep theirs.

    Raises:
        OwnAccount: The caller's own role.
        LastOperator: There would be no operator any more.
    """
    operators = await repository.lock_operators(session)
    user = await _find(session, slug, user_id)
    before = Role(user.role)
    if before is role:
        return user
    _check_left(operators, operator, user)
    user.role = role
    await session.flush()
    await audit.record(session, operator, "user.role", user.email, {"tenant": slug, "from": before, "to": role})
    return user


async def renew_password(session: AsyncSession, operator: Principal, slug: str, user_id: UUID) -> tuple[User, str]:
    """Give a person a new one-time password to hand over; the old one and all sessions end."""
    user = await _find(session, slug, user_id)
    password = new_one_time_password()
    user.password_hash = await hash_password(password)
    user.must_change_password = True
    await session.flush()
    await sessions.delete_sessions_of(session, user.id)
    await audit.record(session, operator, "user.password", user.email, {"tenant": slug})
    return user, password


async def remove(session: AsyncSession, operator: Principal, slug: str, user_id: UUID) -> User:
    """Remove a person, whose sessions end; jobs and keys are the tenant's and stay.

    Raises:
        OwnAccount: The caller's own account.
        LastOperator: There would be no operator any more.
    """
    operators = await repository.lock_operators(session)
    user = await _find(session, slug, user_id)
    _check_left(operators, operator, user)
    await repository.delete_user(session, user)
    await audit.record(session, operator, "user.remove", user.email, {"tenant": slug, "role": user.role})
    return user


async def _find(session: AsyncSession, slug: str, user_id: UUID) -> User:
    tenant = await service.find(session, slug)
    user = await repository.user(session, tenant.id, user_id)
    if user is None:
        raise UserNotFound(f"The tenant '{slug}' has no such person.", hint="List them: comfyfleet tenants users SLUG.")
    return user


def _check_left(operators: list[UUID], operator: Principal, user: User) -> None:
    if user.id == operator.user_id:
        raise OwnAccount("This is your own account.", hint="Ask another operator.")
    if operators == [user.id]:
        raise LastOperator(f"'{user.email}' is the only operator.", hint="Make somebody else an operator first.")
