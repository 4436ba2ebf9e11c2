from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from comfyfleet.protocol.system import HealthView, SettingGroup, SettingView, SystemView

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]


def setting(variable: str, value: str | None, *, is_secret: bool = False, is_default: bool = False) -> SettingView:
    return SettingView(
        variable=variable,
        description="What it does.",
        value=value,
        is_set=is_secret or value is not None,
        is_secret=is_secret,
        is_default=is_default,
    )


@pytest.mark.parametrize(("is_ok", "exit_code"), [(True, 0), (False, 1)])
def test_the_system_is_told_and_its_health_is_the_exit_code(
    fleet: Fleet, fake_plane: "FakePlane", is_ok: bool, exit_code: int
) -> None:
    settings = [setting("APP_KEY", None, is_secret=True), setting("STAGE", "local", is_default=True)]
    view = SystemView(
        version="1",
        stage="local",
        health=[HealthView(name="Database", is_ok=is_ok, detail="Postgres 18", milliseconds=1.5)],
        groups=[SettingGroup(name="Control plane", settings=settings)],
    )
    fake_plane.says("GET", "/api/admin/system", view)
    result = fleet("system")
    assert result.exit_code == exit_code
    for words in ("Postgres 18", "APP_KEY", "(set)", "STAGE"):
        assert words in result.stdout
    assert "STAGE" not in fleet("system", "--changed").stdout
    assert fleet("system", "--json").stdout.startswith("{")
