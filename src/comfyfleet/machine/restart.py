"""Starts ComfyUI again, so that it reads its custom nodes anew."""

import shlex
import subprocess
from pathlib import Path
from typing import Final

from comfyfleet import names
from comfyfleet.machine.errors import RestartFailed
from comfyfleet.machine.report import Report

_SYSTEMD: Final = Path("/run/systemd/system")
_TIMEOUT_SECONDS: Final = 300


def restart_comfyui(command: str | None, report: Report) -> None:
    """Run the configured command; without one, ask systemd to start ComfyUI's service again if it runs.

    Raises:
        RestartFailed: The command failed.
    """
    if command is None and not _SYSTEMD.is_dir():
        report.say("custom nodes changed: start ComfyUI again")
        return
    words = shlex.split(command) if command else ["systemctl", "try-restart", names.COMFYUI_SERVICE]
    report.say(f"custom nodes changed: {shlex.join(words)}")
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RestartFailed(f"ComfyUI could not be started again: {error}.", hint="Start it by hand.") from error
    if done.returncode != 0:
        raise RestartFailed(
            f"ComfyUI could not be started again: {(done.stderr or done.stdout).strip()[-500:]}",
            hint="The bundle is in place; look at ComfyUI's log and start it by hand.",
        )
