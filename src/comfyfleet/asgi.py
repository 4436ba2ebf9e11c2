"""The whole site as one ASGI app: the control plane's API and the pages."""

from fastapi import FastAPI

from comfyfleet.server.app import create_app
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.site import add_pages


def create_site(wiring: Wiring) -> FastAPI:
    """Return the control plane with its pages."""
    app = create_app(wiring)
    add_pages(app, wiring)
    return app
