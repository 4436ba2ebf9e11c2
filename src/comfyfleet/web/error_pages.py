"""Errors as pages, for whoever asked for a page."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from comfyfleet.core.errors import FleetError, Invalid, NotFound
from comfyfleet.server.errors import status_of
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.templating import render
from comfyfleet.web.visitors import balance_of, visitor

_NOT_PAGES: Final = ("/api/", "/objects/", "/static/", "/healthz")

Handler = Callable[[Request, Exception], Response | Awaitable[Response]]


class PageNotFound(NotFound):
    """Nothing is at this address."""

    code = "page_not_found"


class PageRefused(Invalid):
    """The address or the form's values make no sense here."""

    code = "page_refused"


def add_error_pages(app: FastAPI, wiring: Wiring) -> None:
    """Answer errors with pages; the API and files keep the answers that `app` has for them so far."""
    for kind in (FleetError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _with_page(app.exception_handlers[kind], wiring))


def _with_page(otherwise: Handler, wiring: Wiring) -> Handler:
    async def on_error(request: Request, error: Exception) -> Response:
        if not request.url.path.startswith(_NOT_PAGES):
            return await _page(request, wiring, error)
        response = otherwise(request, error)
        return await response if isawaitable(response) else response

    return on_error


async def _page(request: Request, wiring: Wiring, error: Exception) -> Response:
    shown = _shown(error)
    status = error.status_code if isinstance(error, HTTPException) else status_of(shown)
    person = await visitor(request, wiring)
    balance = await balance_of(wiring, person)
    context = {"visitor": person, "balance": balance, "error": shown, "is_missing": status == 404}
    return render(request, "error.html", context, status_code=status)


def _shown(error: Exception) -> FleetError:
    if isinstance(error, FleetError):
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return PageNotFound("There is no such page.", hint="Start from the list of effects.")
    return PageRefused("This page cannot be shown like that.", hint="Go back and try again.")
