"""Operations as the control plane keeps them: over HTTP, one at a time, and when their process is gone."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from tests.support.control_plane import ControlPlane
from tests.support.operator import OperatorAccess

from comfyfleet.core.operations import LineKind, OperationKind, OperationStatus
from comfyfleet.core.roles import Role
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.models import Operation
from comfyfleet.server.operations import repository, service
from comfyfleet.server.operations.service import NewLine, NewOperation, OperationRunning

FLEET = "local/gpu-default"


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


async def begin(
    control_plane: ControlPlane, *, token: UUID | None = None, lock: str = "bake:local/gpu-default"
) -> tuple[Operation, bool]:
    """Begin a bake that does nothing."""
    tenant = await control_plane.new_tenant(f"t-{uuid4().hex[:8]}")
    principal = Principal(tenant.id, Role.OPERATOR, email="ada@example.com")
    new = NewOperation(token or uuid4(), OperationKind.BAKE, lock, "Bake", ("Launch", "Copy"), ("Costs.",), FLEET)
    async with control_plane.wiring.sessions.begin() as session:
        fleet = await fleets.find(session, *FLEET.split("/"))
        return await service.begin(session, principal, fleet, new, control_plane.clock())


async def tell(control_plane: ControlPlane, operation_id: int, *texts: str) -> str | None:
    """Let an operation say something."""
    now = control_plane.clock()
    lines = [NewLine(now, LineKind.STEP, text) for text in texts]
    async with control_plane.wiring.sessions.begin() as session:
        return await service.tell(session, operation_id, lines, now)


async def test_an_operation_is_listed_shown_followed_and_noted_in_the_audit(
    control_plane: ControlPlane, operator: OperatorAccess
) -> None:
    operation, is_new = await begin(control_plane)
    assert is_new
    await tell(control_plane, operation.id, "Launching", "Waiting")
    shown = await operator.get(f"/operations/{operation.id}")
    assert (shown["status"], shown["fleet"], shown["actor"]) == ("running", FLEET, "ada@example.com")
    assert (shown["steps"], shown["warnings"]) == (["Launch", "Copy"], ["Costs."])
    first, second = await operator.get(f"/operations/{operation.id}/log")
    assert [first["text"], second["text"]] == ["Launching", "Waiting"]
    assert await operator.get(f"/operations/{operation.id}/log?after={first['id']}") == [second]
    [listed] = (await operator.get(f"/operations?fleet={FLEET}"))["items"]
    assert listed["id"] == operation.id
    [act] = (await operator.get("/audit?action=fleet.bake"))["items"]
    assert (act["subject"], act["detail"]["operation"]) == (FLEET, operation.id)


async def test_what_must_not_run_twice_does_not_until_it_has_ended(control_plane: ControlPlane) -> None:
    token = uuid4()
    first, _ = await begin(control_plane, token=token)
    again, is_new = await begin(control_plane, token=token)
    assert (again.id, is_new) == (first.id, False)
    with pytest.raises(OperationRunning, match=f"Operation {first.id}, 'Bake', runs already"):
        await begin(control_plane)
    other, is_new = await begin(control_plane, lock="bake:local/another")
    assert is_new
    async with control_plane.wiring.sessions.begin() as session:
        await service.end(session, first.id, OperationStatus.SUCCEEDED, "Done.", {"image_id": "ami-1"}, first.seen_at)
    second, is_new = await begin(control_plane)
    assert (is_new, len({first.id, second.id, other.id})) == (True, 3)


async def test_one_that_lost_its_process_is_given_up_and_says_what_to_do(
    control_plane: ControlPlane, operator: OperatorAccess
) -> None:
    silent, _ = await begin(control_plane)
    alive, _ = await begin(control_plane, lock="bake:local/another")
    control_plane.clock.forward(seconds=61)
    await tell(control_plane, alive.id)
    await control_plane.look_after()
    shown = await operator.get(f"/operations/{silent.id}")
    assert shown["status"] == "interrupted"
    assert "the next bake ends what is left" in shown["outcome"]
    assert (await operator.get(f"/operations/{alive.id}"))["status"] == "running"
    async with control_plane.wiring.sessions.begin() as session:
        end = control_plane.clock() + timedelta(seconds=5)
        await service.end(session, silent.id, OperationStatus.SUCCEEDED, "It had only been slow.", {}, end)
    assert (await operator.get(f"/operations/{silent.id}"))["status"] == "succeeded"


async def test_logs_of_the_newest_operations_are_kept(control_plane: ControlPlane, operator: OperatorAccess) -> None:
    first, _ = await begin(control_plane, lock="bake:first")
    await tell(control_plane, first.id, "Launching")
    async with control_plane.wiring.sessions.begin() as session:
        await repository.drop_old_logs(session, first.fleet_id, 1)
    assert len(await operator.get(f"/operations/{first.id}/log")) == 1
    second, _ = await begin(control_plane, lock="bake:second")
    await tell(control_plane, second.id, "Launching")
    async with control_plane.wiring.sessions.begin() as session:
        await repository.drop_old_logs(session, first.fleet_id, 1)
    assert await operator.get(f"/operations/{first.id}/log") == []
    assert len(await operator.get(f"/operations/{second.id}/log")) == 1


async def test_a_cancel_reaches_whoever_carries_it_out_and_later_ones_are_refused(
    control_plane: ControlPlane, operator: OperatorAccess
) -> None:
    operation, _ = await begin(control_plane)
    assert await tell(control_plane, operation.id) is None
    asked = await operator.post(f"/operations/{operation.id}/cancel")
    assert asked["cancel_requested_by"] == await tell(control_plane, operation.id)
    async with control_plane.wiring.sessions.begin() as session:
        await service.end(session, operation.id, OperationStatus.CANCELED, "Gone.", {}, control_plane.clock())
    async with control_plane.client() as client:
        answer = await client.post(f"/api/operations/{operation.id}/cancel")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "operation_over")
        assert (await client.get("/api/operations/999999")).status_code == 404


async def test_tenants_see_none_of_it(control_plane: ControlPlane) -> None:
    operation, _ = await begin(control_plane)
    tenant = await control_plane.new_tenant("acme")
    for path in ("", f"/{operation.id}", f"/{operation.id}/log"):
        assert (await tenant.call("GET", f"/api/operations{path}")).status_code == 403
    assert (await tenant.call("POST", f"/api/operations/{operation.id}/cancel")).status_code == 403
