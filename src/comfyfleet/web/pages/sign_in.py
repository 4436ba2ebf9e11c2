"""Signing in and out, and choosing a password."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from comfyfleet import names
from comfyfleet.core.errors import FleetError
from comfyfleet.server.auth import service
from comfyfleet.server.auth.dependencies import WiringDep, check_same_site
from comfyfleet.server.auth.principal import NotSignedIn, TooManyAttempts
from comfyfleet.server.auth.routes import set_session_cookie
from comfyfleet.server.auth.service import PasswordUnchanged
from comfyfleet.server.errors import status_of
from comfyfleet.web.templating import render
from comfyfleet.web.visitors import safe_next, visitor

router = APIRouter(include_in_schema=False)

MIN_PASSWORD_LENGTH = 12

Text = Annotated[str, Form(max_length=1000)]


@router.get("/sign-in")
async def show_sign_in(request: Request, next: str = "/", changed: bool = False) -> Response:  # noqa: A002 - the query's name
    """Show the form."""
    return render(request, "sign_in.html", {"next": safe_next(next), "email": "", "is_changed": changed})


@router.post("/sign-in")
async def sign_in(
    request: Request,
    wiring: WiringDep,
    email: Text,
    password: Text,
    next: Text = "/",  # noqa: A002 - the field's name
) -> Response:
    """Sign in and go on; a one-time password leads to the choice of a new one."""
    check_same_site(request)
    try:
        async with wiring.sessions.begin() as session:
            user, token = await service.sign_in(
                session,
                request.app.state.sign_in_guard,
                email,
                password,
                now=wiring.clock(),
                lasts_seconds=wiring.settings.session_seconds,
            )
    except (NotSignedIn, TooManyAttempts) as error:
        context = {"next": safe_next(next), "email": email, "error": error}
        return render(request, "sign_in.html", context, status_code=status_of(error))
    target = safe_next(next)
    if user.must_change_password:
        target = f"/password?{urlencode({'next': target})}"
    response = RedirectResponse(target, status_code=303)
    set_session_cookie(response, token, wiring.settings)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, wiring: WiringDep) -> Response:
    """Sign out."""
    check_same_site(request)
    token = request.cookies.get(names.SESSION_COOKIE)
    if token is not None:
        async with wiring.sessions.begin() as session:
            await service.sign_out(session, token)
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(names.SESSION_COOKIE)
    return response


@router.get("/password")
async def show_password(request: Request, wiring: WiringDep, next: str = "/") -> Response:  # noqa: A002
    """Show the form for a new password."""
    person = await visitor(request, wiring)
    if person is None:
        return RedirectResponse("/sign-in", status_code=303)
    return render(request, "password.html", {"visitor": person, "next": safe_next(next)})


@router.post("/password")
async def change_password(
    request: Request,
    wiring: WiringDep,
    current: Text,
    new: Text,
    next: Text = "/",  # noqa: A002
) -> Response:
    """Change the password; the visitor signs in again with the new one."""
    check_same_site(request)
    person = await visitor(request, wiring)
    if person is None:
        return RedirectResponse("/sign-in", status_code=303)
    try:
        _check_length(new)
        async with wiring.sessions.begin() as session:
            await service.change_password(session, person, current, new)
    except (NotSignedIn, PasswordUnchanged) as error:
        return _again(request, person, next, error)
    query = urlencode({"next": safe_next(next), "changed": "true"})
    return RedirectResponse(f"/sign-in?{query}", status_code=303)


def _check_length(password: str) -> None:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise PasswordUnchanged("The new password is too short.", hint=f"Use {MIN_PASSWORD_LENGTH} characters or more.")


def _again(request: Request, person: object, target: str, error: FleetError) -> Response:
    context = {"visitor": person, "next": safe_next(target), "error": error}
    return render(request, "password.html", context, status_code=422)
