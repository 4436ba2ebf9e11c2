"""The program put together: routes, middleware, and the runner that lives as long as the app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount

from comfyfleet.standin.events import Events
from comfyfleet.standin.executor import Executor
from comfyfleet.standin.folders import Folders
from comfyfleet.standin.middleware import BodyLimit, Mark, OriginCheck, Trouble
from comfyfleet.standin.nodes import CATALOGUE
from comfyfleet.standin.routes import files, info, jobs, page, prompts, queue, socket
from comfyfleet.standin.runner import Runner
from comfyfleet.standin.services import Services
from comfyfleet.standin.settings import Settings
from comfyfleet.standin.state import State


def create_app(settings: Settings) -> Starlette:
    """Build the stand-in; its folders are made, and its runner starts and stops with the app's lifespan."""
    services = _services(settings)
    runner = Runner(services.state, _executor(services), services.events)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        services.events.attach(asyncio.get_running_loop())
        runner.start()
        yield
        await asyncio.to_thread(runner.stop)
        services.events.detach()

    app = Starlette(
        routes=_routes(),
        middleware=[
            Middleware(Mark),
            Middleware(Trouble),
            Middleware(OriginCheck),
            Middleware(BodyLimit, limit=settings.max_upload_bytes),
        ],
        exception_handlers={HTTPException: _plain_error},
        lifespan=lifespan,
    )
    app.state.services = services
    return app


def _services(settings: Settings) -> Services:
    events = Events()

    def changed(remaining: int) -> None:
        events.send("status", {"status": {"exec_info": {"queue_remaining": remaining}}})

    return Services(settings, Folders(settings.base_directory), State(changed), events, CATALOGUE)


def _executor(services: Services) -> Executor:
    return Executor(
        services.catalogue,
        services.folders,
        services.events.send,
        services.state.is_interrupted,
        services.settings.memory_budget_bytes,
    )


def _routes() -> list[BaseRoute]:
    """Return every route twice, below `/` and below `/api`; the jobs are below `/api` only, as in ComfyUI."""
    shared = [*prompts.ROUTES, *queue.ROUTES, *files.ROUTES, *info.ROUTES, *socket.ROUTES]
    return [*page.ROUTES, Mount("/api", routes=[*jobs.ROUTES, *shared]), *shared]


def _plain_error(_: Request, error: Exception) -> PlainTextResponse:
    """Answer in plain text, as ComfyUI's server does for what never reached its own code."""
    if not isinstance(error, HTTPException):
        raise TypeError("This handler is for HTTPException only") from error
    return PlainTextResponse(error.detail, error.status_code, error.headers)
