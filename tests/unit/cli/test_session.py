from pathlib import Path

import pytest
from pydantic import SecretStr

from comfyfleet.cli.errors import ServerUnknown, UsageProblem
from comfyfleet.cli.session import find_connection
from comfyfleet.cli.settings import CliSettings, CliSettingsInvalid
from comfyfleet.client.connection import connection_path


def write_local(folder: Path) -> None:
    connection_path(folder / "data").write_text('{"url": "http://127.0.0.1:8600", "api_key": "cfk_local"}')


def test_the_server_of_the_data_folder_is_found(own_folder: Path) -> None:
    write_local(own_folder)
    connection = find_connection(CliSettings.load())
    assert (connection.url, connection.api_key.get_secret_value()) == ("http://127.0.0.1:8600", "cfk_local")


def test_the_environment_wins_over_the_data_folder(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_local(own_folder)
    monkeypatch.setenv("COMFYFLEET_URL", "https://fleet.example")
    monkeypatch.setenv("COMFYFLEET_API_KEY", "cfk_env")
    connection = find_connection(CliSettings.load())
    assert (connection.url, connection.api_key.get_secret_value()) == ("https://fleet.example", "cfk_env")


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYFLEET_URL", "https://fleet.example")
    settings = CliSettings.load(url="https://other.example", api_key="cfk_option", data=None)
    connection = find_connection(settings)
    assert (connection.url, connection.api_key.get_secret_value()) == ("https://other.example", "cfk_option")


def test_the_key_of_the_data_folder_is_never_sent_elsewhere(own_folder: Path) -> None:
    write_local(own_folder)
    with pytest.raises(UsageProblem, match=r"There is no API key for https://fleet\.example"):
        find_connection(CliSettings.load(url="https://fleet.example"))


def test_another_key_may_be_used_with_the_local_server(own_folder: Path) -> None:
    write_local(own_folder)
    connection = find_connection(CliSettings(api_key=SecretStr("cfk_mine")))
    assert connection.api_key.get_secret_value() == "cfk_mine"


def test_no_server_says_how_to_start_one() -> None:
    with pytest.raises(ServerUnknown, match="No server is running") as caught:
        find_connection(CliSettings.load())
    assert "comfyfleet up" in caught.value.hint


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(CliSettingsInvalid, match="URL: "):
        CliSettings.load(url="fleet.example")


def test_a_home_folder_is_written_out() -> None:
    assert CliSettings.load(data=Path("~/here")).data == Path.home() / "here"
