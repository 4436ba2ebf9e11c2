"""The programs of a machine that would act upon the one that the lab runs on: `python -m lab.guest.programs NAME …`."""

import argparse
import shutil
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lab.guest.machine import SHUTDOWN_FILE, Guest, this_machine
from lab.guest.services import is_active, restarts_of, start, stop
from lab.guest.units import WANTS, Unit, UnitUnknown, read_unit

_RESTARTS: Final = ("-p", "NRestarts")


def systemctl(guest: Guest, words: Sequence[str]) -> int:
    """Do what our scripts ask of systemd."""
    verb, *units = [one for one in words if not one.startswith("--")]
    if verb == "daemon-reload":
        return 0
    if verb == "show":
        return _show(guest, units)
    if verb not in _ACTS:
        return _refused(f"systemctl: the lab has no '{verb}'")
    try:
        return max((_ACTS[verb](guest, read_unit(unit, guest)) for unit in units), default=0)
    except UnitUnknown as error:
        return _refused(f"Failed to {verb}: {error}", code=5)


def journalctl(guest: Guest, words: Sequence[str]) -> int:
    """Print the last lines of a service."""
    parser = argparse.ArgumentParser(prog="journalctl")
    parser.add_argument("-u", dest="unit", required=True)
    parser.add_argument("-n", dest="lines", type=int, default=1000)
    parser.add_argument("--no-pager", action="store_true")
    asked = parser.parse_args(words)
    path = guest.log_of(asked.unit)
    if not path.exists():
        print("-- No entries --")
        return 0
    with path.open(errors="replace") as file:
        sys.stdout.writelines(deque(file, maxlen=asked.lines))
    return 0


def shutdown(guest: Guest, words: Sequence[str]) -> int:
    """Halt in so many minutes: `shutdown -h +480`; the lab's clock says when that is."""
    minutes = next((one for one in words if one.startswith("+") and one[1:].isdigit()), None)
    if minutes is None and "now" not in words:
        return _refused("shutdown: the lab knows +MINUTES and now")
    fresh = guest.root / f"{SHUTDOWN_FILE}.new"
    fresh.write_text(minutes[1:] if minutes else "0")
    fresh.replace(guest.root / SHUTDOWN_FILE)  # the lab finds it whole
    return 0


def cloud_init(guest: Guest, words: Sequence[str]) -> int:
    """Forget this machine: `cloud-init clean --logs`."""
    if list(words) != ["clean", "--logs"]:
        return _refused("cloud-init: the lab knows `clean --logs`")
    shutil.rmtree(guest.root / "var/lib/cloud", ignore_errors=True)
    (guest.root / "var/log/cloud-init-output.log").unlink(missing_ok=True)
    return 0


def _enable(guest: Guest, unit: Unit) -> int:
    link = guest.root / WANTS / unit.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(f"../{unit.name}")
    return 0


def _restart(guest: Guest, unit: Unit) -> int:
    stop(guest, unit)
    return start(guest, unit)


def _stop(guest: Guest, unit: Unit) -> int:
    stop(guest, unit)
    return 0


def _try_restart(guest: Guest, unit: Unit) -> int:
    return _restart(guest, unit) if is_active(guest, unit) else 0


def _tell_active(guest: Guest, unit: Unit) -> int:
    is_there = is_active(guest, unit)
    print("active" if is_there else "inactive")
    return 0 if is_there else 3


def _show(guest: Guest, words: Sequence[str]) -> int:
    if tuple(words[:2]) != _RESTARTS or len(words) != 3:
        return _refused("systemctl: the lab shows -p NRestarts of one unit, as its --value")
    print(restarts_of(guest, read_unit(words[2], guest)))
    return 0


def _refused(words: str, code: int = 1) -> int:
    print(words, file=sys.stderr)
    return code


_ACTS: Final[dict[str, Callable[[Guest, Unit], int]]] = {
    "start": start,
    "stop": _stop,
    "restart": _restart,
    "try-restart": _try_restart,
    "is-active": _tell_active,
    "enable": _enable,
}
PROGRAMS: Final[dict[str, Callable[[Guest, Sequence[str]], int]]] = {
    "systemctl": systemctl,
    "journalctl": journalctl,
    "shutdown": shutdown,
    "cloud-init": cloud_init,
}


def write_programs(folder: Path) -> None:
    """Leave a file for each program, and one for Python, in a folder that machines look into first."""
    folder.mkdir(parents=True, exist_ok=True)
    repository = Path(__file__).parents[2]
    for name in PROGRAMS:
        _write(folder / name, f'PYTHONPATH="{repository}" exec "{sys.executable}" -m lab.guest.programs {name} "$@"')
    _write(folder / "python3", f'exec "{sys.executable}" "$@"')


def _write(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]](this_machine(), sys.argv[2:]))
