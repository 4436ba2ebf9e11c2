from pathlib import Path

import pytest

from comfyfleet.client.connection import ConnectionFileInvalid, connection_path, read_connection


def test_the_connection_of_a_running_up_is_read(tmp_path: Path) -> None:
    connection_path(tmp_path).write_text('{"url": "http://127.0.0.1:8600", "api_key": "cfk_secret"}')
    connection = read_connection(tmp_path)
    assert connection is not None
    assert (connection.url, connection.api_key.get_secret_value()) == ("http://127.0.0.1:8600", "cfk_secret")
    assert "cfk_secret" not in repr(connection)


def test_no_file_means_no_connection(tmp_path: Path) -> None:
    assert read_connection(tmp_path) is None


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    connection_path(tmp_path).write_text("{")
    with pytest.raises(ConnectionFileInvalid, match="is not a connection file"):
        read_connection(tmp_path)
