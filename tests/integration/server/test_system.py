"""The control plane tells how it stands, and no secret."""

from pathlib import Path

from tests.support.control_plane import FLEET_SECRET, ControlPlane, TenantAccess, running_control_plane
from tests.support.operator import OperatorAccess


async def test_a_viewer_reads_version_settings_and_health(control_plane: ControlPlane) -> None:
    system = await OperatorAccess(control_plane).get("/admin/system")
    assert system["stage"] == "local"
    assert [(one["name"], one["is_ok"]) for one in system["health"]] == [
        ("Database", True),
        ("Media storage", True),
        ("Models storage", True),
    ]
    assert "revision 0007" in system["health"][0]["detail"]
    assert FLEET_SECRET not in str(system)


async def test_storage_that_does_not_answer_is_told(database_url: str, tmp_path: Path) -> None:
    nowhere = {"aws_bucket": "media", "aws_endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "id"}
    async with running_control_plane(database_url, tmp_path, **nowhere, aws_secret_access_key="word") as running:
        _, media, models = (await OperatorAccess(running).get("/admin/system"))["health"]
    assert (media["is_ok"], models["is_ok"]) == (False, True)
    assert media["detail"]


async def test_a_tenant_reads_nothing_of_it(tenant: TenantAccess) -> None:
    assert (await tenant.call("GET", "/api/admin/system")).status_code == 403
