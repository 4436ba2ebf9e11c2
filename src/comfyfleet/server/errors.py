"""The one file that turns errors into HTTP answers."""

import logging
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException

from comfyfleet.core.errors import ErrorKind, FleetError, Unavailable
from comfyfleet.protocol.envelope import Problem, Refusal

log = logging.getLogger(__name__)


class ConcurrentChange(Unavailable):
    """Somebody else made or changed the same thing at the same moment."""

    code = "concurrent_change"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database_unavailable"


_STATUS_OF_KIND: Final = {
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.INVALID: 422,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.UNAVAILABLE: 503,
}
_STATUS_OF_CODE: Final = {
    "credits_insufficient": 402,
    "not_signed_in": 401,
    "fleet_secret_wrong": 401,
    "worker_token_invalid": 401,
    "too_many_attempts": 429,
    "too_many_open_jobs": 429,
    "upload_too_large": 413,
}


def status_of(error: FleetError) -> int:
    """Return the HTTP status of an error."""
    return _STATUS_OF_CODE.get(error.code, _STATUS_OF_KIND[error.kind])


def answer(error: FleetError) -> JSONResponse:
    """Return an error as the envelope's refusal."""
    return _refuse(status_of(error), error.message, error.kind, error.code, error.hint)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of the app an envelope."""

    async def on_fleet_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FleetError)  # noqa: S101 - the registration below guarantees it
        return answer(error)

    async def on_validation_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return _refuse(422, _sentence(error), ErrorKind.INVALID, "request_invalid", "Correct the request.")

    async def on_http_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        kind = ErrorKind.NOT_FOUND if error.status_code == 404 else ErrorKind.INVALID
        return _refuse(error.status_code, str(error.detail), kind, f"http_{error.status_code}", "")

    async def on_integrity_error(_request: Request, error: Exception) -> JSONResponse:
        log.info("a request lost a race: %s", error)
        return answer(ConcurrentChange("Somebody changed the same thing at this moment.", hint="Try again."))

    async def on_database_error(_request: Request, error: Exception) -> JSONResponse:
        log.warning("the database does not answer: %s", error)
        return answer(DatabaseUnavailable("The database does not answer.", hint="Try again in a moment."))

    app.add_exception_handler(FleetError, on_fleet_error)
    app.add_exception_handler(IntegrityError, on_integrity_error)
    for kind in (OperationalError, InterfaceError, ConnectionError):
        app.add_exception_handler(kind, on_database_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)


def _refuse(status: int, message: str, kind: str, code: str, hint: str) -> JSONResponse:
    refusal = Refusal(message=message, error=Problem(kind=kind, code=code, hint=hint))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(refusal.model_dump(mode="json"), status_code=status, headers=headers)


def _sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return f"{where}: {first['msg']}" if where else str(first["msg"])
