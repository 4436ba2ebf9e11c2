"""Reads objects in ranges over four connections and throws the bytes away: what the server can give at most.

    python -S -E read_only.py OBJECTS

OBJECTS is a JSON list of `{"url": <signed>, "size": <bytes>}`. The kernel drops the bytes (MSG_TRUNC), so that
next to nothing of the time is the reader's.
"""

import json
import socket
import sys
import threading
from collections.abc import Iterator

CONNECTIONS = 4
RANGE_BYTES = 4 * 2**20
_READ_BYTES = 2**20

Range = tuple[str, int, int]


class Truncated(Exception):
    """The server gave less than was asked, or no piece of the object."""


def main(objects: str) -> None:
    """Read all ranges of all objects."""
    with open(objects, encoding="utf-8") as file:  # noqa: PTH123
        ranges = [
            (one["url"], start, min(RANGE_BYTES, one["size"] - start))
            for one in json.load(file)
            for start in range(0, one["size"], RANGE_BYTES)
        ]
    turns, lock = iter(ranges), threading.Lock()
    done: list[int] = []
    workers = [threading.Thread(target=_work, args=(turns, lock, done)) for _ in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if len(done) != len(ranges):
        sys.exit(f"{len(done)} of {len(ranges)} ranges came")


def _work(turns: Iterator[Range], lock: threading.Lock, done: list[int]) -> None:
    buffer = bytearray(_READ_BYTES)
    connection: socket.socket | None = None
    while True:
        with lock:
            turn = next(turns, None)
        if turn is None:
            return
        host, _, path = turn[0].removeprefix("http://").partition("/")
        if connection is None:
            name, _, port = host.partition(":")
            connection = socket.create_connection((name, int(port)))
        _read(connection, host, path, turn, buffer)
        done.append(turn[2])


def _read(connection: socket.socket, host: str, path: str, turn: Range, buffer: bytearray) -> None:
    _, start, length = turn
    head = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={start}-{start + length - 1}\r\n\r\n"
    connection.sendall(head.encode())
    left = length - len(_first_bytes(connection))
    while left:
        count = connection.recv_into(buffer, min(left, _READ_BYTES), socket.MSG_TRUNC)
        if not count:
            raise Truncated("the body ends early")
        left -= count


def _first_bytes(connection: socket.socket) -> bytes:
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(2**12)
        if not part:
            raise Truncated("no answer")
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 206 "):
        raise Truncated(head[:100].decode("latin-1"))
    return body


if __name__ == "__main__":
    main(sys.argv[1])
