"""Starting and stopping a Postgres of our own.

Its folder holds `data/` (the cluster), `password` (mode 600) and `postgres.log`. It listens on a free port of
127.0.0.1 with scram-sha-256 and on no socket, since a socket's path may have 107 bytes only.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from comfyfleet.cloud.local.disk import sync
from comfyfleet.cloud.local.network import free_port
from comfyfleet.cloud.local.postgres.account import account_for, give, ourselves
from comfyfleet.cloud.local.postgres.errors import PostgresFailed, PostgresVersionDiffers
from comfyfleet.cloud.local.postgres.postmaster import end_leftovers, postmaster, remove_stale_lock_file
from comfyfleet.cloud.local.postgres.programs import HINT, Programs, find_programs, tail

_USER: Final = "comfyfleet"
_DATABASE: Final = "comfyfleet"
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 30
_TRY_SECONDS: Final = 30
_LEFTOVER_SECONDS: Final = 2

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}
_NOT_DURABLE: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A cluster in `folder`. `durable=False` is for tests only: a crash of the machine may then lose data."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._log = self._folder / "postgres.log"
        self._settings = _SETTINGS if durable else {**_SETTINGS, **_NOT_DURABLE}
        programs = find_programs()
        self._programs = Programs(programs, account_for(self._data, programs))
        self._port = 0
        self._postmaster: psutil.Process | None = None

    @property
    def url(self) -> str:
        """Where it answers, with the password."""
        return f"postgresql://{_USER}:{self._password()}@127.0.0.1:{self._port}/{_DATABASE}"

    def start(self) -> None:
        """Start it, with an empty database at the first time; do nothing when we have.

        One that an earlier process left running is taken over: it is stopped and started again. A program that ends
        by an exception stops it, one that is killed leaves it running.

        Raises:
            PostgresVersionDiffers: The data are of another major version.
            PostgresFailed: It did not start; the message holds the end of its log.
        """
        try:
            self._start()
        except OSError as error:
            raise PostgresFailed(f"The folder {self._folder} cannot be used: {error}", hint=HINT) from error

    def stop(self) -> None:
        """Stop it in order; data are on disk when this returns."""
        atexit.unregister(self.stop)
        arguments = ["stop", "-D", str(self._data), "-m", "fast", "-w", "-t", str(_STOP_SECONDS)]
        if self._is_running() and not self._programs.succeeds("pg_ctl", arguments) and self._is_running():
            self._programs.run("pg_ctl", ["stop", "-D", str(self._data), "-m", "immediate", "-w"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._data / "PG_VERSION").exists():
            self._initialize()
        self._check_version()
        if self._is_running():
            if postmaster(self._data) == self._postmaster:
                return
            self.stop()
        remove_stale_lock_file(self._data)
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._start_on_a_free_port()
            undo.pop_all()
        self._postmaster = postmaster(self._data)
        atexit.register(self.stop)

    def _initialize(self) -> None:
        """Make the cluster beside its place and move it there whole, so that a kill in the middle leaves no half."""
        for half in self._folder.glob("data.new*"):
            shutil.rmtree(half, ignore_errors=True)
        making = Path(tempfile.mkdtemp(prefix="data.new.", dir=self._folder))
        give(making, self._programs.account)
        password_file = self._write_password()
        try:
            self._programs.run("initdb", _initdb_arguments(making, password_file))
        finally:
            give(password_file, ourselves())
        self._programs.run(
            "postgres",
            ["--single", "-c", "exit_on_error=on", "-D", str(making), "postgres"],
            stdin=f"CREATE DATABASE {_DATABASE};\n",
        )
        making.rename(self._data)
        sync(self._folder)

    def _write_password(self) -> Path:
        path = self._folder / "password"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
            file.flush()
            os.fsync(file.fileno())
        give(path, self._programs.account)
        return path

    def _password(self) -> str:
        return (self._folder / "password").read_text().strip()

    def _check_version(self) -> None:
        data, ours = (self._data / "PG_VERSION").read_text().strip(), self._programs.major_version()
        if data != ours:
            raise PostgresVersionDiffers(
                f"The data in {self._data} are of Postgres {data}, and this comfyfleet brings Postgres {ours}.",
                hint=f"Dump them with Postgres {data}, or use that Postgres by setting DATABASE_URL.",
            )

    def _is_running(self) -> bool:
        return postmaster(self._data) is not None

    def _start_on_a_free_port(self) -> None:
        """Start it; try again while the port was taken from us, or children of a killed server are still busy."""
        deadline = time.monotonic() + _TRY_SECONDS
        while (said := self._try_to_start()) is not None:
            has_leftovers = "shared memory block" in said
            if time.monotonic() > deadline or not (has_leftovers or "Address already in use" in said):
                raise PostgresFailed(f"Postgres did not start:\n{tail(said)}", hint=HINT)
            if has_leftovers:
                end_leftovers(self._data, _LEFTOVER_SECONDS)

    def _try_to_start(self) -> str | None:
        """Return None when it runs, else what it wrote to its log."""
        self._port = free_port()
        self._log.touch()
        give(self._log, self._programs.account)
        begin = self._log.stat().st_size
        if self._programs.succeeds("pg_ctl", self._start_arguments()):
            return None
        return self._log.read_bytes()[begin:].decode(errors="replace")

    def _start_arguments(self) -> list[str]:
        options = " ".join(f"-c {name}='{value}'" for name, value in {**self._settings, "port": self._port}.items())
        return [
            "start",
            *("-D", str(self._data)),
            *("-l", str(self._log)),
            *("-o", options),
            *("-w", "-t", str(_START_SECONDS)),
        ]


def _initdb_arguments(data: Path, password_file: Path) -> list[str]:
    return [
        *("-D", str(data)),
        *("-U", _USER),
        "--auth=scram-sha-256",
        f"--pwfile={password_file}",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
