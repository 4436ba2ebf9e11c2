"""Disks of images as a bake leaves them, but that comfyfleet is this checkout's, and not a wheel's."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from lab.guest.units import UNITS, WANTS
from tests.lab.breaks import comfyui

from comfyfleet import names

MACHINE: Final = Path(__file__).parents[3] / "infrastructure" / "machine"
WHY_NOT: Final = "ModuleNotFoundError: No module named 'torch'"
"""What a ComfyUI that does not start says of it."""

_BOOT_UNIT: Final = "comfyfleet-boot.service"
_PAUSES: Final = "NOTICE_INTERVAL_SECONDS=0.5 REPORT_INTERVAL_SECONDS=1 POLL_WAIT_SECONDS=4"
"""Shorter than those of a fleet, as the lab's time is."""

_FOLDERS: Final = ("input", "output", "temp", "user", "custom_nodes", "models", "bin")
_COMFYUI: Final = f'--listen "$COMFYUI_ADDRESS" --port {names.COMFYUI_PORT} --base-directory "$INSTALL_ROOT"'


def good_disk(disk: Path, gates: Path) -> Path:
    """Make the disk of a machine that works; its ComfyUI looks for gates in a folder."""
    for name in _FOLDERS:
        (disk / "opt/comfyui" / name).mkdir(parents=True)
    program = shlex.join(["env", f"{comfyui.GATES}={gates}", sys.executable, str(Path(comfyui.__file__))])
    _program(disk / "opt/comfyui/bin/start-comfyui.sh", f"exec {program} {_COMFYUI}")
    _program(
        disk / "usr/local/bin/comfyfleet", f'export {_PAUSES}\nexec {shlex.quote(sys.executable)} -m comfyfleet "$@"'
    )
    _script(MACHINE / "apply-bundle.sh", disk / names.APPLY_PROGRAM[1:])
    _script(MACHINE / "boot.sh", disk / "opt/worker/bin/boot.sh")
    (disk / WANTS).mkdir(parents=True)
    for unit in (MACHINE / "units").glob("*.service"):
        text = unit.read_text()
        (disk / UNITS / unit.name).write_text(text.replace("RestartSec=5", "RestartSec=0.5"))
    (disk / WANTS / _BOOT_UNIT).symlink_to(f"../{_BOOT_UNIT}")
    return disk


def broken_disk(disk: Path, good: Path) -> Path:
    """Make the disk of a machine whose ComfyUI does not start."""
    shutil.copytree(good, disk, symlinks=True)
    _program(disk / "opt/comfyui/bin/start-comfyui.sh", broken_start())
    return disk


def broken_start() -> str:
    """Return the command of a ComfyUI that does not start."""
    return f"echo {shlex.quote(WHY_NOT)} >&2\nexit 1"


def _program(path: Path, lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


def _script(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    target.chmod(0o755)
