"""A TCP proxy on loopback that counts what goes to the server."""

import contextlib
import socket
import threading
from typing import Final

_CHUNK_BYTES: Final = 2**20


class CountingProxy:
    """Passes connections on to 127.0.0.1:`port`; `sent` counts bytes towards it."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._port = port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # the server is away: who comes hears of it
                near.close()
                continue
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        with contextlib.suppress(OSError):  # either side left: the other is told, below
            while count := source.recv_into(buffer):
                if is_counted:
                    with self._lock:
                        self.sent += count
                target.sendall(buffer[:count])
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
