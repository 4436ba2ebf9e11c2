"""The pages as routes, their static files, and the headers that keep both safe."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from comfyfleet.server.wiring import Wiring
from comfyfleet.web.error_pages import add_error_pages
from comfyfleet.web.pages import effects, runs, sign_in

_STATIC: Final = Path(__file__).parent / "static"


def add_pages(app: FastAPI, wiring: Wiring) -> None:
    """Add pages, static files, security headers, and error pages for whoever asks for HTML."""
    app.include_router(sign_in.router)
    app.include_router(effects.router)
    app.include_router(runs.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    policy = content_security_policy(_origin_of_media(wiring))

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        if not request.url.path.startswith("/objects/"):
            response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("X-Frame-Options", "DENY")
        return response

    add_error_pages(app, wiring)


def content_security_policy(media_origin: str) -> str:
    """Return the policy of our pages: nothing from other hosts, but media from where they are stored."""
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' data: blob: {media_origin}",
        "media-src": f"'self' blob: {media_origin}",
        "connect-src": f"'self' {media_origin}",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in rules.items())


def _origin_of_media(wiring: Wiring) -> str:
    url = urlsplit(wiring.media.sign_get("origin", expires_seconds=60).url)
    return f"{url.scheme}://{url.netloc}" if url.netloc else ""
