"""`comfyfleet up`: everything on one machine, in one process tree, started and stopped together."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import uvicorn
from pydantic import SecretStr

from comfyfleet.asgi import create_site
from comfyfleet.cloud.local.postgres import EmbeddedPostgres
from comfyfleet.core.errors import Conflict, Unavailable
from comfyfleet.server.migrate import migrate
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.wiring import Wiring, wire
from comfyfleet.up.comfyui_choice import ChosenComfyUI, choose
from comfyfleet.up.data_folder import DataFolder, Holder, Secrets
from comfyfleet.up.first_start import ADMIN_EMAIL, new_cli_key, prepare, write_cli_file
from comfyfleet.up.settings import UpSettings
from comfyfleet.up.worker_process import WorkerProcess, worker_environment

log = logging.getLogger(__name__)

Say = Callable[[str], None]

_GRACE_SECONDS: Final = 5


class PortTaken(Conflict):
    """Another program listens on the port."""

    code = "port_taken"


class ServerFailed(Unavailable):
    """The control plane ended before it was ready."""

    code = "server_failed"


def run(settings: UpSettings, say: Say = print) -> int:
    """Run until Ctrl-C or SIGTERM; return the exit status."""
    folder = DataFolder(settings.data) if settings.data else DataFolder()
    with folder.hold("comfyfleet up, starting") as holder, _listening(settings) as listener:
        say(line("Data folder", folder.path))
        with _database(settings, folder, say) as database_url:
            server_settings = _server_settings(settings, database_url, folder, folder.secrets())
            comfyui = choose(settings.comfyui_url, folder.path) if settings.has_worker else None
            asyncio.run(_serve(settings, server_settings, folder, holder, listener, comfyui, say))
    say("Stopped.")
    return 0


async def _serve(
    settings: UpSettings,
    server_settings: ServerSettings,
    folder: DataFolder,
    holder: Holder,
    listener: socket.socket,
    comfyui: ChosenComfyUI | None,
    say: Say,
) -> None:
    wiring = wire(server_settings)
    await migrate(wiring.engine)
    password = await prepare(wiring, settings.fleet_slug)
    url = _url_of(listener)
    async with _control_plane(wiring, listener):
        write_cli_file(folder.cli_file, url, await new_cli_key(wiring))
        holder.describe(f"comfyfleet up at {url}")
        async with _worker(settings, server_settings, folder, url, comfyui):
            _announce(say, url, comfyui, folder, password)
            await _until_asked_to_stop()
            say("Stopping …")
        folder.cli_file.unlink(missing_ok=True)


@contextlib.contextmanager
def _listening(settings: UpSettings) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise PortTaken(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.",
                hint="Choose another with --port; 0 takes a free one.",
            ) from error
        listener.listen(512)
        yield listener


@contextlib.contextmanager
def _database(settings: UpSettings, folder: DataFolder, say: Say) -> Iterator[str]:
    if settings.database_url is not None:
        say(line("Database", "the one that DATABASE_URL names"))
        yield settings.database_url
        return
    with EmbeddedPostgres(folder.postgres) as postgres:
        say(line("Database", f"our own Postgres in {folder.postgres}"))
        yield postgres.url


def _server_settings(settings: UpSettings, database_url: str, folder: DataFolder, secrets: Secrets) -> ServerSettings:
    return ServerSettings(
        database_url=database_url,
        app_key=settings.app_key or SecretStr(secrets.signing_key),
        comfyui_fleet_secret=settings.fleet_secret or SecretStr(secrets.fleet_secret),
        stage=settings.stage,
        objects_folder=folder.objects,
    )


@contextlib.asynccontextmanager
async def _control_plane(wiring: Wiring, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        create_site(wiring),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        forwarded_allow_ips="127.0.0.1",
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="control plane")
    ready = asyncio.create_task(server.is_ready.wait(), name="control plane is ready")
    await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if serving.done():
            raise ServerFailed("The control plane did not start.", hint="See what it said above.")
        yield
    finally:
        ready.cancel()
        await wiring.notifier.stop()  # ends long polls and streams, which would hold up the shutdown
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Says when it is ready, and leaves signals to `_until_asked_to_stop`: the worker stops before its server."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self.is_ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _worker(
    settings: UpSettings,
    server_settings: ServerSettings,
    folder: DataFolder,
    url: str,
    comfyui: ChosenComfyUI | None,
) -> AsyncIterator[None]:
    if comfyui is None:
        yield
        return
    environment = worker_environment(
        url=url,
        fleet_slug=settings.fleet_slug,
        stage=settings.stage,
        fleet_secret=server_settings.comfyui_fleet_secret.get_secret_value(),
        comfyui=comfyui,
        folder=folder.path / "work",
    )
    worker = WorkerProcess(environment, folder.logs / "worker.log")
    worker.start()
    try:
        yield
    finally:
        await worker.stop()


async def _until_asked_to_stop() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - a comparison, no binding


def _announce(say: Say, url: str, comfyui: ChosenComfyUI | None, folder: DataFolder, password: str | None) -> None:
    say(line("Control plane", url))
    say(line("ComfyUI", comfyui.words if comfyui else "none: no worker was asked for"))
    say(line("Logs", _short(folder.logs)))
    if password is not None:
        say("")
        say(line("Administrator", f"{ADMIN_EMAIL}, one-time password: {password}"))
        say("It is shown this once; you choose your own when you sign in.")
    say("")
    say(f"Ready. Open {url}/ or run `comfyfleet effects list`. Ctrl-C stops everything.")


def line(label: str, value: object) -> str:
    """Return one line of what was started, its values below each other."""
    return f"{label:<15}{value}"


def _short(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return f"~/{path.relative_to(Path.home())}"
    return str(path)
