"""The data folder of one machine: what lies where, its secrets, and who holds it."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from platformdirs import user_data_dir

from comfyfleet.cloud.local.disk import write_private
from comfyfleet.core.errors import Conflict, Invalid

_SHORTEST_SECRET: Final = 32


class DataFolderHeld(Conflict):
    """Another process works in the data folder."""

    code = "data_folder_held"


class SecretsCorrupt(Invalid):
    """The file of secrets cannot be read; making new ones would break every URL and worker."""

    code = "secrets_corrupt"


@dataclass(frozen=True)
class Secrets:
    """What was generated once for this installation."""

    signing_key: str
    fleet_secret: str


def default_data_folder() -> Path:
    """Return the user's own data folder."""
    return Path(user_data_dir("comfyfleet", appauthor=False))


class DataFolder:
    """Everything that one machine keeps; mode 700."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or default_data_folder()).expanduser().resolve()
        self.postgres = self.path / "postgres"
        self.objects = self.path / "objects"
        self.logs = self.path / "logs"
        self.cli_file = self.path / "cli.json"
        self._secrets_file = self.path / "secrets.json"
        self._lock_file = self.path / "lock"
        self._holder_file = self.path / "holder.json"

    def secrets(self) -> Secrets:
        """Return the secrets, made at the first call, which only the holder of the folder may make.

        Raises:
            SecretsCorrupt: The file cannot be read or holds no good secrets; it is never replaced.
        """
        if not self._secrets_file.exists():
            made = Secrets(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
            write_private(self._secrets_file, asdict(made))
        try:
            return _checked(json.loads(self._secrets_file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise SecretsCorrupt(
                f"The secrets in {self._secrets_file} cannot be read.",
                hint="Restore the file from a backup, or delete it: signed URLs end and workers register again.",
            ) from error

    @contextlib.contextmanager
    def hold(self, description: str) -> Iterator["Holder"]:
        """Keep other processes out; the kernel lets go when this process ends, however it ends.

        Raises:
            DataFolderHeld: Somebody holds it; the message says who and since when.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)
        self.logs.mkdir(exist_ok=True)
        with self._lock_file.open("a") as lock:
            self._lock(lock)
            holder = Holder(self._holder_file)
            holder.describe(description)
            try:
                yield holder
            finally:
                self._holder_file.unlink(missing_ok=True)

    def _lock(self, lock: IO[str]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderHeld(
                f"The data folder {self.path} is in use: {self._who()}.",
                hint="Stop that one first, or choose another folder with --data.",
            ) from None

    def _who(self) -> str:
        try:
            holder = json.loads(self._holder_file.read_text())
            return f"{holder['description']} (process {holder['pid']}, since {holder['since']})"
        except (OSError, ValueError, KeyError):
            return "another process has just begun to use it"


class Holder:
    """Who holds a data folder, as others are told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._since = datetime.now(UTC).isoformat(timespec="seconds")

    def describe(self, description: str) -> None:
        """Say what we are, such as `comfyfleet up at http://127.0.0.1:8600`."""
        write_private(self._path, {"description": description, "pid": os.getpid(), "since": self._since})


def _checked(values: dict[str, Any]) -> Secrets:
    """Refuse what nobody generated: an empty signing key would let anybody sign."""
    read = Secrets(**values)
    for value in asdict(read).values():
        if not isinstance(value, str) or len(value) < _SHORTEST_SECRET:
            raise ValueError("a secret is missing or too short")
    return read
