"""Parameters in a file on this disk, for an installation without a cloud."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from comfyfleet.cloud.fleet_ports import Parameter, ParameterKind
from comfyfleet.cloud.local.disk import write_private
from comfyfleet.core.parameters import ParameterInvalid, check_parameter

_FILE: Final = "parameters.json"
_LOCK: Final = "parameters.lock"


class DiskParameters:
    """The parameters in a folder, which only its owner can read; see `ParameterStore`. There are no images."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path, self._lock = folder / _FILE, folder / _LOCK

    def get(self, name: str) -> Parameter | None:
        """Return a parameter, or None."""
        found = self._read().get(name)
        return None if found is None else _parameter(name, found)

    def below(self, prefix: str) -> list[Parameter]:
        """Return the parameters below a path."""
        path = f"{prefix.rstrip('/')}/"
        return [_parameter(name, found) for name, found in sorted(self._read().items()) if name.startswith(path)]

    def put(self, name: str, value: str, *, kind: ParameterKind = ParameterKind.TEXT) -> None:
        """Write a parameter; all are kept alike."""
        check_parameter(name, value)
        if kind is ParameterKind.IMAGE:
            raise ParameterInvalid(f"'{name}' cannot name an image.", hint="There are images in a cloud only.")
        with self._changing() as parameters:
            version = parameters.get(name, {}).get("version", 0) + 1
            modified_at = datetime.now(UTC).isoformat()
            parameters[name] = {"value": value, "version": version, "modified_at": modified_at}

    def delete(self, name: str) -> None:
        """Remove a parameter."""
        with self._changing() as parameters:
            parameters.pop(name, None)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            parameters = self._read()
            yield parameters
            write_private(self._path, parameters)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return content


def _parameter(name: str, found: dict[str, Any]) -> Parameter:
    return Parameter(name, found["value"], found["version"], datetime.fromisoformat(found["modified_at"]))
