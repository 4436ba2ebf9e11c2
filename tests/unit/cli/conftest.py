"""Runs commands as a user would, with a data folder of the test's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from comfyfleet.cli.main import app
from comfyfleet.client.connection import connection_path

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes what is the user's: the data folder and the working folder are the test's."""
    for name in ("COMFYFLEET_URL", "COMFYFLEET_API_KEY", "COMFYUI_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COMFYFLEET_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fleet(fake_plane: "FakePlane", own_folder: Path) -> Callable[..., Result]:
    """Run `comfyfleet ARGS…` against the fake plane, as a running `up` has told where it is."""
    connection_path(own_folder / "data").write_text(json.dumps({"url": fake_plane.url, "api_key": "cfk_local"}))

    def run(*args: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, list(args), input=typed, prog_name="comfyfleet")

    return run
