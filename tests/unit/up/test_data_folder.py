"""A data folder has one holder, and keeps its secrets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from comfyfleet.up.data_folder import DataFolder, DataFolderHeld, SecretsCorrupt

HOLD: Final = """
import sys, time
from pathlib import Path
from comfyfleet.up.data_folder import DataFolder
with DataFolder(Path(sys.argv[1])).hold("a test") as holder:
    holder.describe("a test at http://127.0.0.1:1")
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    with holding(tmp_path) as first:
        with pytest.raises(DataFolderHeld) as refused, DataFolder(tmp_path).hold("another"):
            pass
        assert "a test at http://127.0.0.1:1" in refused.value.message
        assert f"process {first.pid}" in refused.value.message
        assert "--data" in refused.value.hint
        first.kill()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with holding(tmp_path) as first:
        first.kill()
        first.wait()
        with DataFolder(tmp_path).hold("another"):
            assert json.loads((tmp_path / "holder.json").read_text())["description"] == "another"
    assert not (tmp_path / "holder.json").exists()


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.hold("a test"):
        first = folder.secrets()
    assert DataFolder(tmp_path).secrets() == first
    assert first.signing_key != first.fleet_secret
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"signing_key": "x"}',
        '{"signing_key": "", "fleet_secret": ""}',
        json.dumps({"signing_key": None, "fleet_secret": "f" * 43}),
    ],
)
def test_corrupt_secrets_are_never_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content)
    with pytest.raises(SecretsCorrupt, match="cannot be read"):
        DataFolder(tmp_path).secrets()
    assert (tmp_path / "secrets.json").read_text() == content
