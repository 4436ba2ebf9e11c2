"""What routes ask for: the wiring, a transaction, the caller, and numbers that can be ids."""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.protocol.api import NO_NUL
from comfyfleet.server.auth.principal import (
    AdminOnly,
    CrossSiteRefused,
    NotSignedIn,
    OperatorOnly,
    PasswordChangeRequired,
    Principal,
)
from comfyfleet.server.auth.service import identify
from comfyfleet.server.models.base import MAX_BIG_ID
from comfyfleet.server.wiring import Wiring

_SAFE_METHODS: Final = {"GET", "HEAD", "OPTIONS"}

RowId = Annotated[int, Path(ge=1, le=MAX_BIG_ID)]
"""The id of a row, as a part of a path."""

Before = Annotated[int | None, Query(ge=1, le=MAX_BIG_ID)]
"""The id that the page before ended with, in a list that is newest first."""

Name = Annotated[str, Path(max_length=200, pattern=NO_NUL)]
"""The name of something, as a part of a path."""

Words = Annotated[str, Query(max_length=200, pattern=NO_NUL)]
"""What somebody looks for, or the name of something."""


def wiring_of(request: Request) -> Wiring:
    """Return what the app was wired with."""
    wiring: Wiring = request.app.state.wiring
    return wiring


WiringDep = Annotated[Wiring, Depends(wiring_of)]


async def transaction(wiring: WiringDep) -> AsyncIterator[AsyncSession]:
    """One request is one transaction: it commits after the route's function, before the answer leaves."""
    async with wiring.sessions.begin() as session:
        yield session


Transaction = Annotated[AsyncSession, Depends(transaction, scope="function")]


def token_of(request: Request) -> str | None:
    """Return the bearer token, or else the session cookie, of a request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.cookies.get(names.SESSION_COOKIE)


def check_same_site(request: Request) -> None:
    """Raise `CrossSiteRefused` for a request that changes something and was not made by our own pages."""
    if request.method in _SAFE_METHODS or "authorization" in request.headers:
        return
    if not _is_from_our_pages(request, request.headers.get("origin")):
        raise CrossSiteRefused(
            "This request came from another site.", hint="Use our pages, or an API key in the Authorization header."
        )


async def anyone_signed_in(request: Request, wiring: WiringDep) -> Principal:
    """Return the caller, who may still have a one-time password."""
    token = token_of(request)
    if token is None:
        raise NotSignedIn("You are not signed in.", hint=_how_to_sign_in(request))
    check_same_site(request)
    async with wiring.sessions.begin() as session:
        return await identify(session, token, wiring.clock())


async def signed_in(principal: Annotated[Principal, Depends(anyone_signed_in)]) -> Principal:
    """Return the caller."""
    if principal.must_change_password:
        raise PasswordChangeRequired("Your password works once only.", hint="Choose a password of your own first.")
    return principal


async def viewer(principal: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """Return the caller, who may see what belongs to all tenants."""
    if not principal.role.can_view:
        raise AdminOnly("Only an administrator may see this.", hint="Ask your administrator.")
    return principal


async def operator(principal: Annotated[Principal, Depends(viewer)]) -> Principal:
    """Return the caller, who may change what belongs to all tenants."""
    if not principal.role.can_operate:
        raise OperatorOnly("You may look at everything, and change nothing.", hint="Ask an operator to do this.")
    return principal


AnyoneSignedIn = Annotated[Principal, Depends(anyone_signed_in)]
SignedIn = Annotated[Principal, Depends(signed_in)]
Viewer = Annotated[Principal, Depends(viewer)]
Operator = Annotated[Principal, Depends(operator)]


def absolute(request: Request, url: str) -> str:
    """Return a URL that the caller can use: a path is taken on the address that the caller used."""
    return f"{str(request.base_url).rstrip('/')}{url}" if url.startswith("/") else url


def _is_from_our_pages(request: Request, address: str | None) -> bool:
    """Tell whether a page of ours made a request, by what the browser says, or else by the `address` it names."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return address is not None and urlsplit(address).netloc == request.headers.get("host")


def _how_to_sign_in(request: Request) -> str:
    # Browsers name the page that asks in `Referer`, also where they send nothing else: on plain HTTP, to GET something.
    if _is_from_our_pages(request, request.headers.get("referer")):
        return "Sign in again."
    return "Sign in, or send an API key as a bearer token."
