"""The worker's environment as a file that systemd and a shell read alike."""

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from comfyfleet.cloud.local.disk import sync
from comfyfleet.core.errors import Invalid
from comfyfleet.machine.boot.settings import BootSettings
from comfyfleet.machine.fetch.partial import disk_errors

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,-]*")
_ESCAPED: Final = re.compile(r'([\\"$`])')


class EnvironmentInvalid(Invalid):
    """A value cannot be written into an environment file."""

    code = "environment_invalid"


def worker_environment(settings: BootSettings, fleet_secret: str) -> dict[str, str]:
    """Return what the worker is told, by the contract's names; a machine outside of a group has no `ASG_NAME`."""
    values = {
        "API_BASE_URL": settings.api_base_url,
        "WORKER_ID": settings.worker_id,
        "FLEET_SECRET": fleet_secret,
        "FLEET_SLUG": settings.fleet_slug,
        "FLEET_STAGE": settings.stage,
        "ASG_NAME": settings.asg_name or "",
        "COMFYUI_BASE_URL": settings.comfyui_base_url,
        "MAX_CONCURRENCY": str(settings.max_concurrency),
        "HEARTBEAT_INTERVAL_SECONDS": f"{settings.heartbeat_interval_seconds:g}",
        "POLL_INTERVAL_SECONDS": f"{settings.poll_interval_seconds:g}",
    }
    if settings.aws_default_region:
        values["AWS_DEFAULT_REGION"] = settings.aws_default_region
    return values


def environment_text(values: Mapping[str, str]) -> str:
    """Return the lines of the file.

    Quotes and escapes are those that systemd and a POSIX shell have in common:
    https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=

    Raises:
        EnvironmentInvalid: A value has a line break or another control character; it names the variable only.
    """
    return "".join(f"{name}={_quoted(name, value)}\n" for name, value in values.items())


def write_environment(path: Path, text: str) -> bool:
    """Replace the file, readable by its owner alone, so that a crash leaves the old one or the new one.

    Returns:
        Whether it changed.
    """
    with disk_errors():
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text and path.stat().st_mode & 0o777 == 0o600:
                return False
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.new")
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - a path has no way to be made with a mode
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    return True


def _quoted(name: str, value: str) -> str:
    if not value.isprintable():
        raise EnvironmentInvalid(f"{name} has characters that no environment file can hold.", hint="Set it anew.")
    return value if _PLAIN.fullmatch(value) else '"' + _ESCAPED.sub(r"\\\1", value) + '"'
