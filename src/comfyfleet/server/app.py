"""The control plane as an ASGI app."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from fastapi import FastAPI

from comfyfleet import __version__
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.assets import routes as assets
from comfyfleet.server.assets import upload_routes as asset_uploads
from comfyfleet.server.assets.arrivals import Arrivals
from comfyfleet.server.audit import routes as audit
from comfyfleet.server.auth import routes as auth
from comfyfleet.server.auth.guard import SignInGuard
from comfyfleet.server.bundles import routes as bundles
from comfyfleet.server.effects import routes as effects
from comfyfleet.server.errors import install_error_handlers
from comfyfleet.server.fleets import machine_routes, machines, pointer_routes, workflow_routes
from comfyfleet.server.fleets import routes as fleets
from comfyfleet.server.fleets.board import Board
from comfyfleet.server.jobs import admin_routes as admin_jobs
from comfyfleet.server.jobs import revocation_routes, testing_routes, worker_routes
from comfyfleet.server.jobs import routes as jobs
from comfyfleet.server.maintenance import maintain_forever, tell_forever
from comfyfleet.server.metrics import routes as metrics
from comfyfleet.server.metrics.model_needs import ModelNeeds
from comfyfleet.server.objects.routes import make_router
from comfyfleet.server.operations import routes as operations
from comfyfleet.server.system import routes as system
from comfyfleet.server.tenants import key_routes, people_routes
from comfyfleet.server.tenants import routes as tenants
from comfyfleet.server.uploads import routes as uploads
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workers import routes as workers
from comfyfleet.server.workflows import routes as workflows


def create_app(wiring: Wiring, *, has_upkeep: bool) -> FastAPI:
    """Compose the control plane's routes; its upkeep, if it has any, lives as long as the app."""
    app = FastAPI(title="comfyfleet", version=__version__, lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.wiring = wiring
    app.state.has_upkeep = has_upkeep
    app.state.sign_in_guard = SignInGuard()
    app.state.arrivals = Arrivals(wiring)
    app.state.machines = Board(partial(machines.look, wiring), wiring.clock)
    app.state.closing = [app.state.arrivals.stop, app.state.machines.stop]
    app.state.model_needs = ModelNeeds()
    install_error_handlers(app)
    slices = (auth, audit, tenants, asset_uploads, assets, workflows, bundles, effects, fleets, workers, uploads, jobs)
    more = (people_routes, key_routes, system, admin_jobs, worker_routes, revocation_routes, metrics, operations)
    for slice_ in (*slices, *more):
        app.include_router(slice_.router)
    for router in (workflow_routes.router, testing_routes.router, pointer_routes.router, machine_routes.router):
        app.include_router(router)
    app.include_router(make_router(wiring.disk_stores))
    app.add_api_route("/healthz", _health, methods=["GET"])
    return app


async def _health() -> Envelope[dict[str, str]]:
    """Answer as long as the process serves."""
    return Envelope(data={"status": "ok", "version": __version__})


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    wiring: Wiring = app.state.wiring
    wiring.notifier.start()
    arrivals: Arrivals = app.state.arrivals
    arrivals.start()
    upkeep = (maintain_forever, tell_forever) if app.state.has_upkeep else ()
    tasks = [asyncio.create_task(forever(wiring), name=forever.__name__) for forever in upkeep]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for close in app.state.closing:
            await close()
        await wiring.notifier.stop()
        await wiring.engine.dispose()
