"""Children get what they need of our environment, and nothing of our settings."""

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from comfyfleet.cloud.local.processes import environment_without, variables_of
from comfyfleet.server.settings import ServerSettings
from comfyfleet.up.settings import UpSettings
from comfyfleet.worker.settings import WorkerSettings


class Example(BaseSettings):
    """Two settings, one under another name."""

    plain: str = ""
    renamed: SecretStr = Field(default=SecretStr(""), validation_alias="OTHER_NAME")


def test_a_child_gets_nothing_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PLAIN", "plain", "OTHER_NAME", "RENAMED", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "value")
    passed_on = environment_without(Example)
    assert "CUDA_VISIBLE_DEVICES" in passed_on
    assert "RENAMED" in passed_on
    assert not {"PLAIN", "plain", "OTHER_NAME"} & set(passed_on)


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        (WorkerSettings, {"FLEET_SECRET"}),
        (UpSettings, {"APP_KEY", "DATABASE_URL", "COMFYUI_FLEET_SECRET"}),
        (ServerSettings, {"AWS_SECRET_ACCESS_KEY", "COMFYUI_MODELS_SECRET_ACCESS_KEY", "DATABASE_URL", "APP_KEY"}),
    ],
)
def test_every_secret_is_among_a_programs_variables(settings: type[BaseSettings], secrets: set[str]) -> None:
    assert secrets <= set(variables_of(settings))
