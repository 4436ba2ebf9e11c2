import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import BalanceView, NewUserView, TenantView
from comfyfleet.protocol.tenants import UserView

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
BALANCE = BalanceView(available=7, reserved=3, consumed=1)
TENANT = TenantView(id="t-1", name="Acme", slug="acme", balance=BALANCE, max_open_jobs=20, created_at=NOW)
ANN = UserView(id="u-1", email="ann@b.c", role=Role.USER, must_change_password=True, created_at=NOW)


@pytest.mark.parametrize(
    ("options", "body"),
    [
        (["--max-open-jobs", "20"], {"max_open_jobs": 20}),
        (["--no-limit"], {"max_open_jobs": None}),
        (["--name", "Acme Film"], {"name": "Acme Film"}),
    ],
)
def test_a_change_of_a_tenant_says_only_what_changes(
    fleet: Fleet, fake_plane: "FakePlane", options: list[str], body: dict[str, object]
) -> None:
    fake_plane.says("PATCH", "/api/tenants/acme", TENANT)
    assert "open jobs at most" in fleet("tenants", "update", "acme", *options).stdout
    assert fake_plane.received[0].json == body


@pytest.mark.parametrize("options", [[], ["--no-limit", "--max-open-jobs", "3"], ["--max-open-jobs", "-1"]])
def test_a_change_of_nothing_is_wrong_usage(fleet: Fleet, fake_plane: "FakePlane", options: list[str]) -> None:
    assert fleet("tenants", "update", "acme", *options).exit_code == 2
    assert fake_plane.received == []


def test_people_are_named_by_their_address(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/tenants/acme/users", [ANN])
    fake_plane.says("PATCH", "/api/tenants/acme/users/u-1", ANN.model_copy(update={"role": Role.VIEWER}))
    renewed = NewUserView(id="u-1", email="ann@b.c", one_time_password="once-only")
    fake_plane.says("POST", "/api/tenants/acme/users/u-1/password", renewed, status=201)
    fake_plane.says("DELETE", "/api/tenants/acme/users/u-1", ANN)
    assert "a one-time password" in fleet("tenants", "users", "acme").stdout
    assert "viewer" in fleet("tenants", "set-role", "acme", "ANN@b.c", "viewer").stderr
    assert fleet("tenants", "set-role", "acme", "ann@b.c", "king").exit_code == 2
    assert "once-only" in fleet("tenants", "new-password", "acme", "ann@b.c", "--yes").stdout
    assert fleet("tenants", "remove-user", "acme", "ann@b.c").exit_code == 1
    assert fleet("tenants", "remove-user", "acme", "nobody@b.c", "--yes").exit_code == 2
    assert fake_plane.of("DELETE", "/api/tenants/acme/users/u-1") == []
    removed = fleet("tenants", "remove-user", "acme", "ann@b.c", "--yes", "--json")
    assert json.loads(removed.stdout)["email"] == "ann@b.c"
    assert fake_plane.of("PATCH", "/api/tenants/acme/users/u-1")[0].json == {"role": "viewer"}
