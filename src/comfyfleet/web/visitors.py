"""Who looks at a page."""

from typing import Final
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse

from comfyfleet import names
from comfyfleet.server.auth.principal import NotSignedIn, Principal
from comfyfleet.server.auth.service import identify
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.wiring import Wiring

_SIGNING_IN: Final = ("/sign-in", "/sign-out", "/password")


async def visitor(request: Request, wiring: Wiring) -> Principal | None:
    """Return who is signed in, or None."""
    token = request.cookies.get(names.SESSION_COOKIE)
    if token is None:
        return None
    async with wiring.sessions.begin() as session:
        try:
            return await identify(session, token, wiring.clock())
        except NotSignedIn:
            return None


def safe_next(target: str) -> str:
    """Return a path on this site to go on to; anything else becomes the start page."""
    # Browsers read a backslash as a slash, and leave out tabs and line breaks, which could uncover "//elsewhere".
    is_local = target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    is_about_signing_in = urlsplit(target).path in _SIGNING_IN if is_local else False
    return target if is_local and not is_about_signing_in else "/"


def next_after_sign_in(request: Request) -> str:
    """Return the path of the page that is shown, with its query, to come back to."""
    query = f"?{request.url.query}" if request.url.query else ""
    return safe_next(f"{request.url.path}{query}")


def detour(page: str, request: Request) -> RedirectResponse:
    """Lead to the page for signing in or for a password, and back to this one afterwards."""
    return RedirectResponse(f"{page}?{urlencode({'next': next_after_sign_in(request)})}", status_code=303)


async def balance_of(wiring: Wiring, person: Principal | None) -> int | None:
    """Return how many credits a visitor can spend; None for strangers."""
    if person is None:
        return None
    async with wiring.sessions.begin() as session:
        return (await credit_service.balance(session, person.tenant_id)).available
