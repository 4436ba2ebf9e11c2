"""Signing in and out, and finding out who calls."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Invalid
from comfyfleet.core.roles import Role
from comfyfleet.core.secrets import API_KEY_PREFIX, SESSION_PREFIX, hash_token, new_token
from comfyfleet.server.auth import repository
from comfyfleet.server.auth.guard import SignInGuard
from comfyfleet.server.auth.passwords import hash_password, is_password
from comfyfleet.server.auth.principal import NotSignedIn, Principal
from comfyfleet.server.models import User


class PasswordUnchanged(Invalid):
    """The new password is the old one."""

    code = "password_unchanged"


async def identify(session: AsyncSession, token: str, now: datetime) -> Principal:
    """Return who holds an API key or a session token; raise `NotSignedIn` for any other."""
    token_hash = hash_token(token)
    if token.startswith(f"{API_KEY_PREFIX}_"):
        key = await repository.key_by_hash(session, token_hash, now)
        if key is not None:
            return Principal(tenant_id=key.tenant_id, role=Role(key.role), key_name=key.name)
        raise NotSignedIn("This API key is not valid.", hint="It may have been revoked: make a new one.")
    user = await repository.user_of_session(session, token_hash, now)
    if user is None:
        raise NotSignedIn("Your session has ended.", hint="Sign in again.")
    return principal_of(user)


def principal_of(user: User) -> Principal:
    """Return a person as the caller of a request."""
    return Principal(
        tenant_id=user.tenant_id,
        role=Role(user.role),
        user_id=user.id,
        email=user.email,
        must_change_password=user.must_change_password,
    )


async def sign_in(
    session: AsyncSession, guard: SignInGuard, email: str, password: str, *, now: datetime, lasts_seconds: int
) -> tuple[User, str]:
    """Return the person and the token of a new session; raise `NotSignedIn` or `TooManyAttempts`."""
    guard.check(email, now)
    user = await repository.user_by_email(session, email)
    if not await is_password(password, user.password_hash if user else None) or user is None:
        guard.failed(email, now)
        raise NotSignedIn("Wrong e-mail address or password.", hint="Check both and try again.")
    guard.succeeded(email)
    token = new_token(SESSION_PREFIX)
    await repository.insert_session(session, user.id, hash_token(token), now + timedelta(seconds=lasts_seconds))
    return user, token


async def sign_out(session: AsyncSession, token: str) -> None:
    """End the session of a token."""
    await repository.delete_session(session, hash_token(token))


async def change_password(session: AsyncSession, principal: Principal, current: str, new: str) -> None:
    """Replace the password of the calling person and end all of their sessions."""
    user = await repository.user_by_id(session, principal.user_id) if principal.user_id else None
    if user is None:
        raise NotSignedIn("An API key has no password.", hint="Sign in as a person.")
    if not await is_password(current, user.password_hash):
        raise NotSignedIn("The current password is wrong.", hint="Check it and try again.")
    if current == new:
        raise PasswordUnchanged("The new password is the old one.", hint="Choose another.")
    user.password_hash = await hash_password(new)
    user.must_change_password = False
    await repository.delete_sessions_of(session, user.id)
