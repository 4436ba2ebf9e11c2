"""The machine's services, by systemd."""

import subprocess
from typing import Final

from comfyfleet.core.errors import Unavailable

_TIMEOUT_SECONDS: Final = 300


class ServiceFailed(Unavailable):
    """A service could not be started."""

    code = "service_failed"


def start_service(unit: str, *, is_anew: bool = False) -> None:
    """Start a service that does not run; `is_anew` ends one that does before.

    Raises:
        ServiceFailed: systemd could not start it.
    """
    try:
        done = subprocess.run(
            ["systemctl", "restart" if is_anew else "start", unit],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceFailed(f"{unit} could not be started: {error}.", hint=f"See: journalctl -u {unit}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise ServiceFailed(f"{unit} could not be started: {said}", hint=f"See: journalctl -u {unit}")
