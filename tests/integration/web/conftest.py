"""A control plane with its pages, and a browser that keeps cookies but runs no scripts."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.control_plane import ControlPlane, running_control_plane

from comfyfleet.up.first_start import ADMIN_EMAIL

PASSWORD = "a password of my own"


@pytest.fixture
async def control_plane(database_url: str, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """Run a control plane with the seeded fleet and effects."""
    async with running_control_plane(database_url, tmp_path) as running:
        yield running


@pytest.fixture
async def browser(control_plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client that sends what a browser sends from our own pages."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=control_plane.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
async def signed_in(control_plane: ControlPlane, browser: httpx.AsyncClient) -> httpx.AsyncClient:
    """Return a browser in which the administrator has chosen a password and signed in."""
    first = {"email": ADMIN_EMAIL, "password": control_plane.first_password}
    await browser.post("/sign-in", data=first)
    await browser.post("/password", data={"current": control_plane.first_password, "new": PASSWORD})
    answer = await browser.post("/sign-in", data={"email": ADMIN_EMAIL, "password": PASSWORD})
    assert answer.status_code == 303
    return browser
