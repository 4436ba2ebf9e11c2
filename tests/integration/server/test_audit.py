"""What administrators did stays written, and is read newest first."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.support.control_plane import ControlPlane
from tests.support.operator import OperatorAccess

from comfyfleet.core.roles import Role
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal


@pytest.fixture
async def three_acts(control_plane: ControlPlane) -> None:
    """Note three acts."""
    tenant = await control_plane.new_tenant("alpha")
    principal = Principal(tenant_id=tenant.id, role=Role.OPERATOR, email="a@example.com")
    async with control_plane.wiring.sessions.begin() as session:
        for action, subject in (("asset.add", "one"), ("asset.delete", "one"), ("bundle.create", "two")):
            await audit.record(session, principal, action, subject, {"about": subject})


@pytest.mark.usefixtures("three_acts")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?actor=a@example.com", ["bundle.create", "asset.delete", "asset.add"]),
        ("?action=asset.", ["asset.delete", "asset.add"]),
        ("?action=asset.a", ["asset.add"]),
        ("?action=%25", []),
        ("?subject=two", ["bundle.create"]),
        ("?subject=on", []),
        ("?actor=a@example.com&action=bundle", ["bundle.create"]),
        ("?actor=a@example", []),
        ("?q=TWO", ["bundle.create"]),
        ("?q=example.com", ["bundle.create", "asset.delete", "asset.add"]),
        ("?q=about", ["bundle.create", "asset.delete", "asset.add"]),
        ("?q=delete&subject=one", ["asset.delete"]),
        ("?q=%25", []),
    ],
)
async def test_acts_are_found_by_subject_and_kind(control_plane: ControlPlane, query: str, found: list[str]) -> None:
    async with control_plane.client() as client:
        answer = (await client.get(f"/api/audit{query}")).json()["data"]
    assert [entry["action"] for entry in answer["items"]] == found
    assert {entry["actor"] for entry in answer["items"]} <= {"a@example.com"}


@pytest.mark.usefixtures("three_acts")
async def test_a_long_audit_is_read_page_by_page(control_plane: ControlPlane) -> None:
    seen, before = [], ""
    async with control_plane.client() as client:
        for _ in range(3):
            page = (await client.get(f"/api/audit?actor=a@example.com&limit=1{before}")).json()["data"]
            seen += [entry["action"] for entry in page["items"]]
            before = f"&before={page['next_before']}"
        assert (await client.get(f"/api/audit?actor=a@example.com&limit=1{before}")).json()["data"]["items"] == []
        assert (await client.get(f"/api/audit?before={2**63}")).status_code == 422
    assert seen == ["bundle.create", "asset.delete", "asset.add"]


@pytest.mark.usefixtures("three_acts")
@pytest.mark.parametrize("change", ["UPDATE audit_entries SET actor = 'nobody'", "DELETE FROM audit_entries"])
async def test_what_was_written_down_is_never_changed(control_plane: ControlPlane, change: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        async with control_plane.wiring.sessions.begin() as session:
            await session.execute(text(change))
    assert len((await OperatorAccess(control_plane).get("/audit", actor="a@example.com"))["items"]) == 3
