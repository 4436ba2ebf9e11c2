from pathlib import Path

import pytest

from comfyfleet.core.secrets import SecretRefused
from comfyfleet.worker.settings import WorkerSettings, WorkerSettingsInvalid

GOOD = {
    "API_BASE_URL": "https://fleet.example.com/",
    "WORKER_ID": "i-0123456789abcdef0",
    "FLEET_SECRET": "0123456789abcdef0123456789abcdef",
    "FLEET_SLUG": "gpu-default",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that holds what a worker needs, and nothing else of a worker's."""
    for name in WorkerSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_four_variables_are_enough() -> None:
    settings = WorkerSettings.load()
    assert settings.api_base_url == "https://fleet.example.com"
    assert settings.comfyui_base_url == "http://127.0.0.1:8188"
    assert (settings.heartbeat_interval_seconds, settings.poll_interval_seconds) == (10, 3)
    assert settings.comfyui_start_command is None
    assert settings.work_directory.is_absolute()


def test_the_bundle_of_a_fleets_machine_is_looked_for_where_bundles_go(environment: pytest.MonkeyPatch) -> None:
    assert WorkerSettings.load().bundle_root == Path("/opt/comfyui")
    environment.setenv("INSTALL_ROOT", "/srv/comfyui")
    assert WorkerSettings.load().bundle_root == Path("/srv/comfyui")


def test_the_local_worker_looks_for_a_bundle_only_where_it_is_told_to(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REGISTRATION_SOURCE", "local")
    assert WorkerSettings.load().bundle_root is None
    environment.setenv("INSTALL_ROOT", "/srv/comfyui")
    assert WorkerSettings.load().bundle_root == Path("/srv/comfyui")


def test_the_variables_of_the_contract_are_read(environment: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FLEET_STAGE": "production",
        "ASG_NAME": "asg-production-gpu-default",
        "COMFYUI_BASE_URL": "http://127.0.0.1:9000",
        "MAX_CONCURRENCY": "2",
        "HEARTBEAT_INTERVAL_SECONDS": "5",
        "POLL_INTERVAL_SECONDS": "1.5",
        "COMFYUI_START_COMMAND": "python 'a b/main.py' --port 9000",
        "WORK_DIRECTORY": "/var/lib/worker",
    }.items():
        environment.setenv(name, value)
    settings = WorkerSettings.load()
    assert settings.fleet_stage == "production"
    assert settings.asg_name == "asg-production-gpu-default"
    assert settings.max_concurrency == 2
    assert settings.poll_interval_seconds == 1.5
    assert settings.comfyui_start_command == "python 'a b/main.py' --port 9000"
    assert settings.work_directory == Path("/var/lib/worker")


def test_an_empty_variable_counts_as_unset(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COMFYUI_START_COMMAND", "")
    assert WorkerSettings.load().comfyui_start_command is None


@pytest.mark.parametrize("secret", ["CHANGE_ME_AFTER_DEPLOY", "short"])
def test_a_placeholder_or_short_secret_is_refused(environment: pytest.MonkeyPatch, secret: str) -> None:
    environment.setenv("FLEET_SECRET", secret)
    with pytest.raises(SecretRefused, match="FLEET_SECRET"):
        WorkerSettings.load()


def test_what_is_missing_is_named_and_no_value_is_shown(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("FLEET_SLUG")
    environment.setenv("API_BASE_URL", "fleet.example.com/very-private")
    with pytest.raises(WorkerSettingsInvalid) as caught:
        WorkerSettings.load()
    assert "FLEET_SLUG: Field required" in caught.value.message
    assert "API_BASE_URL: Value error, must start with http:// or https://" in caught.value.message
    assert "very-private" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("WORKER_ID", "../x"), ("MAX_CONCURRENCY", "0"), ("COMFYUI_START_COMMAND", "'open")]
)
def test_a_value_that_cannot_be_is_refused(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(WorkerSettingsInvalid, match=name):
        WorkerSettings.load()


@pytest.mark.usefixtures("environment")
def test_the_secret_is_not_printed() -> None:
    assert GOOD["FLEET_SECRET"] not in repr(WorkerSettings.load())


def test_every_setting_is_described() -> None:
    assert all(field.description for field in WorkerSettings.model_fields.values())
