"""The whole site as one ASGI app: the control plane's API and the pages."""

import functools
import socket
from typing import Final

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from comfyfleet.ops.wiring import aws_cloud
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.app import create_app
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.wiring import Wiring, wire
from comfyfleet.web.operating.desk import Clouds
from comfyfleet.web.site import add_pages

_GRACE_SECONDS: Final = 20


def create_site(wiring: Wiring, *, has_upkeep: bool = True, clouds: Clouds | None = None) -> FastAPI:
    """Return the control plane with its pages. Without `has_upkeep` it does nothing by itself.

    `clouds` is where pages carry out verbs on machines; else AWS, if the settings let them.
    """
    app = create_app(wiring, has_upkeep=has_upkeep)
    add_pages(app, wiring, clouds or _clouds(wiring.settings))
    return app


def run_site(settings: ServerSettings, *, host: str, port: int, proxies: str) -> None:
    """Serve the site until SIGTERM. `proxies` are the addresses whose word on users' addresses is believed."""
    wiring = wire(settings)
    config = uvicorn.Config(
        create_site(wiring),
        host=host,
        port=port,
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    _Server(config, wiring).run()


def _clouds(settings: ServerSettings) -> Clouds | None:
    if settings.cloud != "aws" or not settings.pages_operate:
        return None
    # Once a stage: nine clients and a call to STS, for which the fleet's page would pay every ten seconds.
    return functools.cache(lambda stage: aws_cloud(stage, settings.aws_default_region, settings.name_prefix))


def run_notice(words: str, *, host: str, port: int) -> None:
    """Serve `/healthz`, and the words with 503 for all else, until SIGTERM: for a stage whose secrets are not set."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def health() -> Envelope[dict[str, str]]:
        return Envelope(data={"status": "waiting"}, message=words)

    async def refuse() -> JSONResponse:
        return JSONResponse({"data": None, "message": words}, status_code=503)

    app.add_api_route("/healthz", health, methods=["GET"])
    app.add_api_route("/{path:path}", refuse, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    uvicorn.run(app, host=host, port=port, access_log=False)


class _Server(uvicorn.Server):
    """Ends long polls and streams when it is asked to stop; they would hold it up."""

    def __init__(self, config: uvicorn.Config, wiring: Wiring) -> None:
        super().__init__(config)
        self._wiring = wiring

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._wiring.notifier.stop()
        await super().shutdown(sockets)
