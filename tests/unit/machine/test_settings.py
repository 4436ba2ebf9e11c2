"""Where bundles come from and go: options win over the environment."""

from pathlib import Path

import pytest

from comfyfleet.cloud.local.processes import variables_of
from comfyfleet.machine.settings import MachineSettings, MachineSettingsInvalid


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables_of(MachineSettings):
        monkeypatch.delenv(name, raising=False)


def test_without_anything_the_contracts_places_hold() -> None:
    settings = MachineSettings.load()
    assert settings.install_root == Path("/opt/comfyui")
    assert settings.asset_sync_log == Path("/var/log/comfyui-asset-sync.log")
    assert settings.models_bucket is None
    assert settings.bundle_prefix is None
    assert settings.endpoint_url is None


def test_the_contracts_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MODELS_BUCKET", "models"), ("BUNDLE_PREFIX", "bundles/1"), ("INSTALL_ROOT", "/srv/comfy")):
        monkeypatch.setenv(name, value)
    settings = MachineSettings.load(models_bucket=None)
    assert (settings.models_bucket, settings.bundle_prefix) == ("models", "bundles/1")
    assert settings.install_root == Path("/srv/comfy")


def test_options_win_and_empty_variables_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTALL_ROOT", "/srv/comfy")
    monkeypatch.setenv("MODELS_BUCKET", "")
    settings = MachineSettings.load(install_root=Path("/mine"))
    assert settings.install_root == Path("/mine")
    assert settings.models_bucket is None


def test_the_endpoint_for_s3_alone_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all")
    assert MachineSettings.load().endpoint_url == "http://all"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3")
    assert MachineSettings.load().endpoint_url == "http://s3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODELS_BUCKET", "ab"),
        ("FETCH_CONNECTIONS", "0"),
        ("FETCH_CONNECTIONS", "many"),
        ("CONTENT_STORE_LIMIT_BYTES", "-1"),
    ],
)
def test_what_has_no_sense_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(MachineSettingsInvalid, match=name):
        MachineSettings.load()
