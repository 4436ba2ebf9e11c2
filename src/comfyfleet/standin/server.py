"""uvicorn, told to say what it serves and to end in peace."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Final

import uvicorn

from comfyfleet.standin.app import create_app
from comfyfleet.standin.settings import NOTICE, VERSION, Settings

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StandInServer(uvicorn.Server):
    """Serves a stand-in; prints what it is and where once it listens. Port 0 takes any free port."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(settings),
                host=settings.host,
                port=settings.port,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=5,
            )
        )

    @property
    def urls(self) -> list[str]:
        """Where it listens; empty before it does."""
        if not self.started:
            return []
        addresses = [listener.getsockname() for server in self.servers for listener in server.sockets]
        return [f"http://{address[0]}:{address[1]}" for address in addresses]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            print(f"{NOTICE} (version {VERSION}) listens on {', '.join(self.urls)}", flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on SIGINT and SIGTERM without raising them again: an end that was asked for is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
