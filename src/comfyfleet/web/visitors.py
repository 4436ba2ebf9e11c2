"""Who looks at a page."""

from fastapi import Request

from comfyfleet import names
from comfyfleet.server.auth.principal import NotSignedIn, Principal
from comfyfleet.server.auth.service import identify
from comfyfleet.server.wiring import Wiring


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
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and "\n" not in target
    return target if is_local else "/"
