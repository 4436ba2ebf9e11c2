"""A control plane for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.control_plane import ControlPlane, TenantAccess, running_control_plane
from tests.support.simple_worker import SimpleWorker


@pytest.fixture
async def control_plane(database_url: str, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """Run a control plane with the seeded fleet and effects."""
    async with running_control_plane(database_url, tmp_path) as running:
        yield running


@pytest.fixture
async def tenant(control_plane: ControlPlane) -> TenantAccess:
    """Return a tenant with 100 credits."""
    return await control_plane.new_tenant("alpha")


@pytest.fixture
async def worker(control_plane: ControlPlane) -> AsyncIterator[SimpleWorker]:
    """Return a registered worker that knows the required fields only."""
    async with SimpleWorker.registered(control_plane.url) as simple:
        yield simple
