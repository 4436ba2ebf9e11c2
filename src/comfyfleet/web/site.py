"""The pages as routes, their static files, and the headers that keep both safe."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from comfyfleet.cloud.ports import ObjectStore
from comfyfleet.server.fleets.board import Board
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.error_pages import add_error_pages, is_page
from comfyfleet.web.operating import nodes
from comfyfleet.web.operating.desk import Clouds, Desk
from comfyfleet.web.pages import effects, live, runs, sign_in
from comfyfleet.web.pages.admin import (
    asset,
    assets,
    audit,
    bundle_new,
    bundles,
    dashboard,
    fleet,
    fleets,
    job,
    jobs,
    operations,
    settings,
    tenant,
    tenants,
    verbs,
    worker,
    workers,
    workflows,
)
from comfyfleet.web.pages.admin import effects as admin_effects
from comfyfleet.web.static_files import OurFiles

_PAGES: Final = (
    admin_effects,
    sign_in,
    effects,
    runs,
    live,
    fleets,
    fleet,
    verbs,
    operations,
    bundles,
    bundle_new,
    assets,
    asset,
    jobs,
    job,
    tenants,
    tenant,
    audit,
    settings,
    workflows,
    dashboard,
    workers,
    worker,
)
_COMPRESSED_FROM_BYTES: Final = 1000
_PERMISSIONS: Final = "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()"


def add_pages(app: FastAPI, wiring: Wiring, clouds: Clouds | None) -> None:
    """Add pages, static files, security headers, and error pages for whoever asks for HTML.

    Pages carry out verbs on machines in `clouds`, or none.
    """
    _open_desk(app, wiring, clouds)
    for page in _PAGES:
        app.include_router(page.router)
    app.mount("/static", OurFiles(), name="static")
    app.add_middleware(CompressedPages)
    policy = content_security_policy(_origin_of(wiring.media), _origin_of(wiring.models))

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        if not request.url.path.startswith("/objects/"):
            response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("X-Frame-Options", "DENY")
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        return response

    add_error_pages(app, wiring)


def _open_desk(app: FastAPI, wiring: Wiring, clouds: Clouds | None) -> None:
    app.state.desk = Desk(wiring, clouds)
    app.state.nodes = Board(partial(nodes.look, clouds), wiring.clock) if clouds else None
    app.state.closing += [app.state.desk.close, *([app.state.nodes.stop] if app.state.nodes else [])]


class CompressedPages:
    """Compresses pages; the API, objects and static files look after themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=_COMPRESSED_FROM_BYTES, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_compressed = scope["type"] == "http" and is_page(scope["path"])
        await (self._compressed if is_compressed else self._plain)(scope, receive, send)


def content_security_policy(media_origin: str, models_origin: str) -> str:
    """Return the policy of our pages: nothing from other hosts, but media from where they are stored.

    To where models are stored they may send, as uploads go straight there.
    """
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' data: blob: {media_origin}",
        "media-src": f"'self' blob: {media_origin}",
        "connect-src": f"'self' {media_origin} {models_origin}",
        "worker-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in rules.items())


def _origin_of(store: ObjectStore) -> str:
    url = urlsplit(store.sign_get("origin", expires_seconds=60).url)
    return f"{url.scheme}://{url.netloc}" if url.netloc else ""
