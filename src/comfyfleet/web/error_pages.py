"""Errors as pages, for whoever asked for a page."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from comfyfleet.core.errors import FleetError
from comfyfleet.server.auth.principal import NotSignedIn, PasswordChangeRequired
from comfyfleet.server.errors import status_of
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.notices import is_by_script
from comfyfleet.web.templating import render
from comfyfleet.web.visitors import balance_of, detour, visitor

_NOT_PAGES: Final = ("/api/", "/objects/", "/static/", "/healthz")

Handler = Callable[[Request, Exception], Response | Awaitable[Response]]


@dataclass(frozen=True)
class Words:
    """What a page says of an error."""

    status: int
    message: str
    hint: str


def is_page(path: str) -> bool:
    """Tell whether people look at what is at a path."""
    return not path.startswith(_NOT_PAGES)


def add_error_pages(app: FastAPI, wiring: Wiring) -> None:
    """Answer errors with pages; the API and files keep the answers that `app` has for them so far."""
    for kind in (FleetError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _with_page(app.exception_handlers[kind], wiring))


def _with_page(otherwise: Handler, wiring: Wiring) -> Handler:
    async def on_error(request: Request, error: Exception) -> Response:
        if is_page(request.url.path):
            return await _page(request, wiring, error)
        response = otherwise(request, error)
        return await response if isawaitable(response) else response

    return on_error


async def _page(request: Request, wiring: Wiring, error: Exception) -> Response:
    if is_by_script(request):
        return _fragment(request, error)
    if request.method == "GET" and isinstance(error, NotSignedIn | PasswordChangeRequired):
        return detour("/sign-in" if isinstance(error, NotSignedIn) else "/password", request)
    words = _words(error)
    person = await visitor(request, wiring)
    context = {"visitor": person, "balance": await balance_of(wiring, person), "error": words}
    return render(request, "error.html", context, status_code=words.status)


def _fragment(request: Request, error: Exception) -> Response:
    """Tell a script of ours what went wrong, above the page that it leaves as it is."""
    words = _words(error)
    if isinstance(error, NotSignedIn):
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    response = render(request, "problem.html", {"error": words}, status_code=words.status)
    response.headers.update(
        {"HX-Retarget": "#notices", "HX-Reswap": "innerHTML", "HX-Reselect": "unset", "HX-Push-Url": "false"}
    )
    return response


def _words(error: Exception) -> Words:
    match error:
        case FleetError():
            return Words(status_of(error), error.message, error.hint)
        case HTTPException(status_code=404):
            return Words(404, "There is no such page.", "")
        case HTTPException():
            return Words(error.status_code, "This page cannot be shown like that.", "Go back and try again.")
        case _:
            return Words(422, "Something is missing in this request, or is not valid.", "Go back and try again.")
