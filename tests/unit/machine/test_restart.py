"""ComfyUI is started again by a command."""

from pathlib import Path

import pytest

from comfyfleet.machine.errors import RestartFailed
from comfyfleet.machine.report import Report
from comfyfleet.machine.restart import restart_comfyui


def test_the_configured_command_is_run_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    restart_comfyui(f"touch '{tmp_path}/a b' '$HOME'", Report(said.append))
    assert (tmp_path / "a b").exists()
    assert said == [f"custom nodes changed: touch '{tmp_path}/a b' '$HOME'"]
    assert (tmp_path / "$HOME").exists()


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    script = tmp_path / "restart"
    script.write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(RestartFailed, match="out of order") as caught:
        restart_comfyui(str(script), Report())
    assert "The bundle is in place" in caught.value.hint


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RestartFailed, match="could not be started again"):
        restart_comfyui(str(tmp_path / "nowhere"), Report())
