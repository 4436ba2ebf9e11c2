"""Signing in and out over HTTP."""

from fastapi import APIRouter, Request, Response

from comfyfleet import names
from comfyfleet.protocol.api import NewPassword, SignIn
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth import service
from comfyfleet.server.auth.dependencies import AnyoneSignedIn, Transaction, WiringDep, check_same_site, token_of
from comfyfleet.server.settings import ServerSettings

router = APIRouter(prefix="/api/auth", tags=["auth"])


@router.post("/sign-in")
async def sign_in(
    body: SignIn, request: Request, response: Response, session: Transaction, wiring: WiringDep
) -> Envelope[dict[str, bool]]:
    """Sign in with address and password; the answer sets the session's cookie."""
    check_same_site(request)
    user, token = await service.sign_in(
        session,
        request.app.state.sign_in_guard,
        body.email,
        body.password,
        now=wiring.clock(),
        lasts_seconds=wiring.settings.session_seconds,
    )
    set_session_cookie(response, token, wiring.settings)
    return Envelope(data={"must_change_password": user.must_change_password})


@router.post("/sign-out")
async def sign_out(request: Request, response: Response, session: Transaction) -> Envelope[None]:
    """End the session."""
    check_same_site(request)
    token = token_of(request)
    if token is not None:
        await service.sign_out(session, token)
    response.delete_cookie(names.SESSION_COOKIE)
    return Envelope(data=None, message="Signed out.")


@router.post("/password")
async def change_password(body: NewPassword, principal: AnyoneSignedIn, session: Transaction) -> Envelope[None]:
    """Change the caller's password; all sessions end."""
    await service.change_password(session, principal, body.current, body.new)
    return Envelope(data=None, message="Password changed. Sign in again.")


def set_session_cookie(response: Response, token: str, settings: ServerSettings) -> None:
    """Set the cookie of a session: out of reach for scripts and other sites."""
    response.set_cookie(
        names.SESSION_COOKIE,
        token,
        max_age=settings.session_seconds,
        httponly=True,
        samesite="lax",
        secure=settings.is_https,
    )
