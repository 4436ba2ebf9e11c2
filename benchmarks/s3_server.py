"""An S3 server for loopback that is no bottleneck: a folder, real signatures, and sendfile.

    python -m benchmarks.s3_server --folder FOLDER --access-key KEY --secret-key SECRET [--port PORT]

The folders of FOLDER are the buckets. It prints its URL when it listens, and runs until it is killed. Every
connection has a thread; bodies go from the page cache to the socket inside the kernel, while Python's lock is free.
`GET /_counts` (unsigned) tells how often and how many bytes of each object were read, `DELETE /_counts` begins anew.
"""

import argparse
import os
import socket
import threading
from pathlib import Path
from typing import Final

from benchmarks.s3.answers import Answer, Piece, answer, refuse
from benchmarks.s3.bucket import Folder
from benchmarks.s3.counts import Counts
from benchmarks.s3.requests import Request, RequestInvalid, RequestReader
from benchmarks.s3.signatures import Signatures

COUNTS_PATH: Final = "/_counts"
_CHUNK_BYTES: Final = 16 * 2**20
_BACKLOG: Final = 256


class S3Server:
    """Listens on loopback from the moment it is made; `serve` answers until `close`."""

    def __init__(self, folder: Path, signatures: Signatures, *, port: int = 0) -> None:
        self._folder = Folder(folder)
        self._signatures = signatures
        self._counts = Counts()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Take connections until the server is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = RequestReader(connection)
            try:
                while (request := reader.next()) is not None:
                    self._send(connection, request, self._answer(request))
                    if not request.keeps_alive:
                        return
            except (RequestInvalid, ConnectionError):
                return  # clients break off when they have what they want

    def _answer(self, request: Request) -> Answer:
        if request.target == COUNTS_PATH:
            return self._answer_counts(request)
        refusal = self._signatures.refusal(request)
        return refuse(refusal) if refusal is not None else answer(self._folder, request)

    def _answer_counts(self, request: Request) -> Answer:
        if request.method == "DELETE":
            self._counts.clear()
            return Answer(204)
        return Answer(200, self._counts.as_json(), headers={"Content-Type": "application/json"})

    def _send(self, connection: socket.socket, request: Request, reply: Answer) -> None:
        has_body = request.method != "HEAD"
        if reply.piece is None:
            connection.sendall(reply.head() + (reply.body if has_body else b""))
            return
        try:
            connection.sendall(reply.head(), socket.MSG_MORE if has_body and reply.piece.length else 0)
            if has_body:
                self._send_piece(connection, reply.piece)
        finally:
            os.close(reply.piece.file)

    def _send_piece(self, connection: socket.socket, piece: Piece) -> None:
        sent = 0
        try:
            while sent < piece.length:
                want = min(piece.length - sent, _CHUNK_BYTES)
                count = os.sendfile(connection.fileno(), piece.file, piece.start + sent, want)
                if not count:
                    raise ConnectionError("the file became shorter")
                sent += count
        finally:
            self._counts.add(piece.name, sent)


def main() -> None:
    """Serve what the command line says, until killed."""
    parser = argparse.ArgumentParser(prog="benchmarks.s3_server", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--access-key", required=True)
    parser.add_argument("--secret-key", required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    server = S3Server(options.folder, Signatures(options.access_key, options.secret_key), port=options.port)
    print(server.url, flush=True)
    server.serve()


if __name__ == "__main__":
    main()
