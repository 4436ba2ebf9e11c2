from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import Result

from comfyfleet.cli.demo import missing_nodes
from comfyfleet.cli.demo_server import NoWorker, answering, await_workers
from comfyfleet.client.connection import Connection, connection_path
from comfyfleet.client.workers import WorkerPlane
from comfyfleet.core.roles import Role
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.api import BalanceView, Me
from comfyfleet.protocol.workers import WorkerDetail, WorkerPage

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

NOW = datetime(2026, 2, 20, tzinfo=UTC)


def worker(name: str = "local-1", **capabilities: Any) -> WorkerDetail:
    return WorkerDetail(
        worker_id=name,
        fleet_slug="gpu",
        stage="local",
        status=WorkerStatus.ACTIVE,
        registration_source="local",
        display_name=None,
        capabilities=capabilities,
        max_concurrency=1,
        jobs=[],
        registered_at=NOW,
        last_seen_at=NOW,
        bundle=None,
        fleet_bundle=None,
        recent_jobs=[],
    )


def test_a_node_that_any_comfyui_lacks_is_missing() -> None:
    full, lean = worker(node_classes=["LoadVideo", "TextOverlay"]), worker(node_classes=["LoadVideo"])
    assert missing_nodes(["LoadVideo", "TextOverlay"], [full]) == []
    assert missing_nodes(["LoadVideo", "TextOverlay"], [full, lean]) == ["TextOverlay"]


def test_a_worker_that_tells_no_nodes_is_trusted() -> None:
    assert missing_nodes(["TextOverlay"], [worker()]) == []


def test_a_file_that_a_killed_up_left_behind_is_no_server(tmp_path: Path, fake_plane: "FakePlane") -> None:
    assert answering(tmp_path) is None
    connection_path(tmp_path).write_text('{"url": "http://127.0.0.1:9", "api_key": "k"}')
    assert answering(tmp_path) is None
    fake_plane.refuses("GET", "/api/me", 401, "not_signed_in", "Who are you?")
    connection_path(tmp_path).write_text(f'{{"url": "{fake_plane.url}", "api_key": "old"}}')
    assert answering(tmp_path) is None


def test_a_running_up_is_used(tmp_path: Path, fake_plane: "FakePlane") -> None:
    balance = BalanceView(available=1, reserved=0, consumed=0)
    me = Me(email=None, role=Role.OPERATOR, tenant_id="t", tenant_name="T", balance=balance)
    fake_plane.says("GET", "/api/me", me)
    connection_path(tmp_path).write_text(f'{{"url": "{fake_plane.url}", "api_key": "k"}}')
    connection = answering(tmp_path)
    assert connection is not None
    assert connection.url == fake_plane.url


def test_the_first_active_worker_is_waited_for(fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/workers", WorkerPage(items=[], total=0))
    fake_plane.says("GET", "/api/workers", WorkerPage(items=[worker()], total=1))
    fake_plane.says("GET", "/api/workers/local-1", worker())
    with WorkerPlane(Connection(url=fake_plane.url, api_key=SecretStr("k"))) as plane:
        assert [found.worker_id for found in await_workers(plane)] == ["local-1"]
    assert fake_plane.received[0].query == {"status": "active"}


def test_a_worker_that_never_comes_is_told(fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/workers", WorkerPage(items=[], total=0))
    with (
        WorkerPlane(Connection(url=fake_plane.url, api_key=SecretStr("k"))) as plane,
        pytest.raises(NoWorker, match="No worker came"),
    ):
        await_workers(plane, deadline_seconds=0.2)


def test_the_demo_does_not_run_on_another_server(fleet: Callable[..., Result]) -> None:
    result = fleet("--url", "https://fleet.example", "--api-key", "k", "demo")
    assert result.exit_code == 2
    assert "comfyfleet run caption-video" in result.stderr
