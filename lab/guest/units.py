"""Unit files of systemd, as far as ours go.

https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html. What isolates a service (its user, what it
may see and reach) needs a real systemd, and is left out here.
"""

import configparser
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.guest.disk import moved
from lab.guest.machine import Guest

UNITS: Final = "etc/systemd/system"
WANTS: Final = f"{UNITS}/multi-user.target.wants"
_DEFAULT_STOP_SECONDS: Final = 90
_DEFAULT_PAUSE_SECONDS: Final = 0.1


class UnitUnknown(LookupError):
    """There is no such unit."""


@dataclass(frozen=True)
class Unit:
    """A service: its command, and how it is kept alive. Paths are those of the machine's folder."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    environment_file: Path | None
    condition: Path | None
    cache: Path | None
    is_oneshot: bool
    is_restarted: bool
    pause_seconds: float
    stop_seconds: float


def enabled_units(guest: Guest) -> list[str]:
    """Return the names of the units that start with the machine."""
    return sorted(path.name for path in (guest.root / WANTS).glob("*.service"))


def read_unit(name: str, guest: Guest) -> Unit:
    """Read a unit of a machine; raise `UnitUnknown` when it has none of this name."""
    full = name if name.endswith(".service") else f"{name}.service"
    path = guest.root / UNITS / full
    if not path.is_file():
        raise UnitUnknown(f"Unit {full} not found.")
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # settings have capitals
    parser.read_string(moved(path.read_text(), guest.root, guest.address))
    service, unit = parser["Service"], parser["Unit"]
    file, condition, cache = (
        service.get("EnvironmentFile"),
        unit.get("ConditionPathExists"),
        service.get("CacheDirectory"),
    )
    return Unit(
        name=full,
        command=tuple(shlex.split(service["ExecStart"])),
        environment=dict(one.split("=", 1) for one in shlex.split(service.get("Environment", ""))),
        environment_file=Path(file) if file else None,
        condition=Path(condition) if condition else None,
        cache=guest.root / "var/cache" / cache if cache else None,
        is_oneshot=service.get("Type") == "oneshot",
        is_restarted=service.get("Restart") == "always",
        pause_seconds=float(service.get("RestartSec", _DEFAULT_PAUSE_SECONDS)),
        stop_seconds=float(service.get("TimeoutStopSec", _DEFAULT_STOP_SECONDS)),
    )
