"""The program as it is started from outside."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from comfyfleet.standin.__main__ import parse

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Graphs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_in_peace_in_the_middle_of_a_prompt(
    tmp_path: Path, graphs: "Graphs", number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "comfyfleet.standin", "--port", "0", "--base-directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert match is not None, line
        assert "not ComfyUI" in line
        posted = httpx.post(f"{match[0]}/prompt", json={"prompt": graphs.long()}, timeout=60)
        assert posted.status_code == 200
        assert httpx.get(f"{match[0]}/prompt", timeout=60).json() == {"exec_info": {"queue_remaining": 1}}
        process.send_signal(number)
        assert process.wait(60) == 0
        assert process.stdout.read() == ""


def test_the_options_are_those_of_comfyui(tmp_path: Path) -> None:
    settings = parse(
        ["--listen", "127.0.0.2", "--port", "8200", "--base-directory", str(tmp_path), "--max-upload-size", "0.5"]
    )
    assert (settings.host, settings.port, settings.base_directory) == ("127.0.0.2", 8200, tmp_path)
    assert settings.max_upload_bytes == 512 * 1024
    assert parse(["--base-directory", str(tmp_path)]).max_upload_bytes == 100 * 1024 * 1024
